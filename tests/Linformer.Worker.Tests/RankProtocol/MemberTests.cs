using Linformer.Training;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;

namespace Linformer.Worker.Tests.RankProtocol;

/// <summary>Rank processes from generation to generation.</summary>
[Trait("Lane", "Processes")]
public sealed class MemberTests
{
    private const string Endless = "steps: 100000, evaluateEvery: 1000000, checkpointEvery: 1000000";

    [Fact]
    public void WeightsBehindALinkOutOfTheStorageRootAreNotLoaded()
    {
        var outside = Directory.CreateTempSubdirectory("linformer-outside-");
        File.WriteAllText(Path.Combine(outside.FullName, "model.safetensors"), "secret");
        using (var job = new MemberFixture("steps: 10", "initializeFrom: start"))
        {
            Directory.CreateSymbolicLink(Path.Combine(job.Folder, "start"), outside.FullName);
            var failed = job.StartCold().WaitFor<FailedMessage>();
            failed.Permanent.ShouldBeTrue();
            failed.Message.ShouldContain($"start/model.safetensors: a symbolic link leads out of the storage root {job.Folder}, to {outside.FullName}");
        }

        outside.Delete(recursive: true);
    }

    [Theory]
    [InlineData("fp32")]
    [InlineData("bf16")]
    [Trait("Speed", "Slow")]
    public void KillsAndReplacementsLoseNoStepAndTheReplayOfTheHistoryHasTheSameBits(string wire)
    {
        const int Steps = 400;
        using var job = new MemberFixture($"steps: {Steps}, evaluateEvery: 20, checkpointEvery: 1000, wire: {wire}");
        var (first, second, third) = job.StartThree();
        MemberFixture.Form(1, [first, second]);
        first.WaitFor<ProgressMessage>(progress => progress.Step == 20);

        second.Signal("KILL");
        var left = first.WaitFor<LeftMessage>();
        left.Broken.ShouldNotBeNull().ShouldContain("lost rank 1");
        left.HoldsState.ShouldBeTrue();
        var committed = first.Progress.Max(progress => progress.Step);
        left.Step.ShouldBeGreaterThanOrEqualTo(committed);
        // However late the replacement joins, it finds steps to take.
        MemberFixture.Form(2, [first], join => join with { AtOnce = true, MustHold = true, CommittedStep = committed, UntilStep = Steps - 50 });
        var alone = first.WaitFor<JoinedMessage>(joined => joined.Generation == 2);
        (alone.Source, alone.Step).ShouldBe(("held", left.Step));
        first.WaitFor<ProgressMessage>(progress => progress.Step >= left.Step + 10);

        // The replacement joins at a step boundary, and then has rank 0: the state comes from the other one.
        MemberFixture.Form(3, [third, first], join => join with { MustHold = true });
        var boundary = first.WaitFor<LeftMessage>(message => message.Generation == 2);
        boundary.Broken.ShouldBeNull();
        var (joined, warm) = (first.WaitFor<JoinedMessage>(message => message.Generation == 3), third.WaitFor<JoinedMessage>());
        (joined.Source, joined.Step).ShouldBe(("held", boundary.Step));
        (warm.Source, warm.Step).ShouldBe(("received", boundary.Step));
        var summaries = new[] { first, third }.Select(member => RankSummary.FromJson(member.WaitFor<FinishedMessage>().SummaryJson)).ToList();
        summaries[0].ShouldBe(summaries[1]);
        new[] { first, third }.Select(member => member.WaitForExit()).ShouldAllBe(code => code == 0);

        var history = job.History;
        history.Segments.ShouldBe([new WorldSegment(1, 2), new WorldSegment(left.Step + 1, 1), new WorldSegment(boundary.Step + 1, 2)]);
        history.Steps.ShouldBe(Steps);
        job.Progress.Select(told => told.Key).Order().ShouldBe(Enumerable.Range(1, Steps).Select(step => (long)step));
        foreach (var told in job.Progress)
        {
            told.Select(progress => progress.Generation).Distinct().ShouldHaveSingleItem($"step {told.Key}");
            told.ShouldAllBe(progress => progress.HeldOutLoss.HasValue == (told.Key % 20 == 0), $"step {told.Key}");
        }

        job.Replay(history).ShouldBe(job.Weights);
    }

    [Fact]
    public void AStepIsToldOnlyOnceAllRanksHaveAppliedIt()
    {
        using var job = new MemberFixture(Endless);
        var (first, second) = job.StartTwo();
        MemberFixture.Form(1, [first, second]);
        first.WaitFor<ProgressMessage>();
        for (var round = 0; round < 20; round++)
        {
            Thread.Sleep(17 * round % 40);
            second.Signal("STOP");
            Thread.Sleep(100);
            var told = first.Progress.Max(progress => progress.Step);
            // Stopped, it applies nothing more; what it has told may be on its way.
            second.WaitFor<AppliedMessage>(applied => applied.Step >= told);
            second.Signal("CONT");
            first.WaitFor<ProgressMessage>(progress => progress.Step > told);
        }
    }

    [Fact]
    public void ARankThatIsToldToLeaveAtOnceDoesNotWaitForOneThatIsStopped()
    {
        using var job = new MemberFixture(Endless);
        var (first, second) = job.StartTwo();
        MemberFixture.Form(1, [first, second]);
        first.WaitFor<ProgressMessage>(progress => progress.Step >= 3);
        second.Signal("STOP");
        var committed = first.Progress.Max(progress => progress.Step);

        MemberFixture.Form(2, [first], join => join with { AtOnce = true, MustHold = true, CommittedStep = committed });

        first.WaitFor<LeftMessage>().Broken.ShouldBe("was told to leave at once, for generation 2");
        first.WaitFor<ProgressMessage>(progress => progress.Generation == 2);

        // It wakes up in a generation that is gone, and holds what it held.
        second.Signal("CONT");
        var left = second.WaitFor<LeftMessage>();
        left.Broken.ShouldNotBeNull();
        MemberFixture.Form(3, [first, second], join => join with { MustHold = true });
        var joined = second.WaitFor<JoinedMessage>(message => message.Generation == 3);
        joined.Source.ShouldBe("received");
        joined.Step.ShouldBeGreaterThan(left.Step);
    }

    [Fact]
    public void ARendezvousThatWaitsForASupersededGenerationEndsAtOnce()
    {
        using var job = new MemberFixture(Endless);
        var member = job.Start();
        MemberFixture.Form(1, [member, job.Start()], join => join.Rank == 0 ? join : join with { Rank = -1 });
        member.WaitFor<RendezvousGetMessage>();
        MemberFixture.Form(2, [member]);
        member.WaitFor<LeftMessage>(left => left.Generation == 1).HoldsState.ShouldBeFalse();
        member.WaitFor<JoinedMessage>(joined => joined.Generation == 2).Source.ShouldBe("fresh");

        // An older one does not count any more.
        MemberFixture.Form(1, [member]);
        member.WaitFor<ProgressMessage>(progress => progress.Step >= 3).Generation.ShouldBe(2);
    }

    [Fact]
    public void AMemberWithoutARankKeepsItsStateAndGivesItBack()
    {
        using var job = new MemberFixture(Endless);
        var (first, second) = job.StartTwo();
        MemberFixture.Form(1, [first]);
        first.WaitFor<ProgressMessage>(progress => progress.Step >= 3);
        MemberFixture.Form(2, [first, second], join => join with { Rank = join.Rank - 1, WorldSize = 1, MustHold = true, CommittedStep = 3 });
        var left = first.WaitFor<LeftMessage>();
        (left.Broken, left.HoldsState).ShouldBe((null, true));
        second.WaitFor<LeftMessage>().ShouldBe(new LeftMessage(2, 0, HoldsState: false, "found that no rank holds step 3"));
        SpinWait.SpinUntil(() => first.Messages.OfType<PulseMessage>().Last().Waiting, TimeSpan.FromSeconds(60)).ShouldBeTrue();
        first.Applied.ShouldBe(left.Step);

        MemberFixture.Form(3, [second, first], join => join with { MustHold = true, CommittedStep = left.Step });
        second.WaitFor<JoinedMessage>().ShouldBe(new JoinedMessage(0, 3, left.Step, "received"));
        second.WaitFor<ProgressMessage>(progress => progress.Step > left.Step);
    }

    [Fact]
    public void AStopEndsAllRanksAtOneStepThatIsInACheckpoint()
    {
        using var job = new MemberFixture(Endless);
        var (first, second) = job.StartTwo();
        MemberFixture.Form(1, [first, second]);
        first.WaitFor<ProgressMessage>(progress => progress.Step >= 3);
        second.Send(new StopMessage());
        var step = first.WaitFor<StoppedMessage>().Step;
        second.WaitFor<StoppedMessage>().Step.ShouldBe(step);
        (first.WaitForExit(), second.WaitForExit()).ShouldBe((0, 0));
        job.CheckpointNames.ShouldBe([$"l0000-g0001-s{step:D8}"]);
        first.Progress.Last().Step.ShouldBe(step);

        var next = job.Start();
        MemberFixture.Form(2, [next], join => join with { CommittedStep = step });
        next.WaitFor<JoinedMessage>().ShouldBe(new JoinedMessage(0, 2, step, $"checkpoint l0000-g0001-s{step:D8}"));
        next.WaitFor<ProgressMessage>(progress => progress.Step == step + 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void SurvivorsBringTheirStateToACheckpointBeforeTheyStop(bool stopFirst)
    {
        using var job = new MemberFixture(Endless);
        var members = job.Start(3);
        MemberFixture.Form(1, members);
        members[0].WaitFor<ProgressMessage>(progress => progress.Step >= 3);
        members[0].Signal("KILL");
        var survivors = members[1..];
        var step = survivors.Max(member => member.WaitFor<LeftMessage>().Step);
        Array.ForEach(survivors, member =>
        {
            var join = new JoinMessage(0, 2, member == survivors[0] ? 0 : 1, 2, MustHold: true);
            LauncherMessage[] orders = stopFirst ? [new StopMessage(), join] : [join, new StopMessage()];
            Array.ForEach(orders, member.Send);
        });

        Array.ForEach(survivors, member => member.WaitForExit().ShouldBe(0));
        survivors.ShouldAllBe(member => member.WaitFor<StoppedMessage>(null).Step == step);
        job.CheckpointNames.ShouldBe([$"l0000-g0002-s{step:D8}"]);
    }

    [Theory]
    [InlineData("no-such-host.invalid")]
    [InlineData("192.0.2.1")]
    public void AnAddressThatCannotBeListenedOnBreaksTheGenerationAndNotTheMember(string address)
    {
        using var job = new MemberFixture(Endless);
        var (first, second) = (job.Start(), job.Start(address));
        MemberFixture.Form(1, [second]);
        second.WaitFor<ProgressMessage>(progress => progress.Step >= 3);

        MemberFixture.Form(2, [first, second]);
        var left = second.WaitFor<LeftMessage>(message => message.Generation == 2);
        left.Broken.ShouldNotBeNull().ShouldMatch($"^cannot listen for the other ranks: BindAddress is '{address}'");
        left.HoldsState.ShouldBeTrue();

        MemberFixture.Form(3, [second]);
        second.WaitFor<JoinedMessage>(message => message.Generation == 3).ShouldBe(new JoinedMessage(0, 3, left.Step, "held"));
    }

    [Fact]
    public void AWaitingMemberThatIsToldToStopEnds()
    {
        using var job = new MemberFixture(Endless);
        var member = job.Start();
        member.Send(new StopMessage());
        member.WaitFor<StoppedMessage>().Step.ShouldBe(0);
        member.WaitForExit().ShouldBe(0);
        job.CheckpointNames.ShouldBeEmpty();
    }
}
