using Linformer.Training;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Tests.RankProtocol;

/// <summary>Rank processes that share out the optimizer's state.</summary>
[Trait("Lane", "Processes")]
public sealed class MemberShardTests
{
    private const string Endless = "steps: 100000, evaluateEvery: 1000000, shardOptimizer: true";

    [Fact]
    [Trait("Speed", "Slow")]
    public void KillsAndReplacementsLoseNoStepAndAnUnshardedReplayHasTheSameBits()
    {
        const int Steps = 200;
        using var job = new MemberFixture($"steps: {Steps}, evaluateEvery: 50, checkpointEvery: 60, shardOptimizer: true");
        var (first, second, third) = job.StartThree();
        var fourth = job.Start();
        MemberFixture.Form(1, [first, second, third]);
        first.WaitFor<ProgressMessage>(progress => progress.Step == 20);

        second.Signal("KILL");
        var left = new[] { first, third }.Select(member => member.WaitFor<LeftMessage>()).ToList();
        left.ShouldAllBe(message => message.HoldsState);
        var committed = first.Progress.Max(progress => progress.Step);
        var furthest = left.Max(message => message.Step);
        furthest.ShouldBeGreaterThanOrEqualTo(committed);
        // However late the replacement joins, it finds steps to take.
        MemberFixture.Form(2, [first, third], join => join with { AtOnce = true, MustHold = true, CommittedStep = committed, UntilStep = Steps - 20 });
        first.WaitFor<JoinedMessage>(joined => joined.Generation == 2).Step.ShouldBe(furthest);
        third.WaitFor<JoinedMessage>(joined => joined.Generation == 2).Step.ShouldBe(furthest);
        first.WaitFor<ProgressMessage>(progress => progress.Step >= furthest + 10);

        MemberFixture.Form(3, [fourth, first, third], join => join with { MustHold = true });
        var boundary = first.WaitFor<LeftMessage>(message => message.Generation == 2);
        boundary.Broken.ShouldBeNull();
        fourth.WaitFor<JoinedMessage>().ShouldBe(new JoinedMessage(0, 3, boundary.Step, "received"));
        foreach (var member in (MemberProcess[])[first, third, fourth])
        {
            member.WaitFor<FinishedMessage>();
            member.WaitForExit().ShouldBe(0);
        }

        var history = job.History;
        history.Segments.ShouldBe([new WorldSegment(1, 3), new WorldSegment(furthest + 1, 2), new WorldSegment(boundary.Step + 1, 3)]);
        job.Progress.Select(told => told.Key).Order().ShouldBe(Enumerable.Range(1, Steps).Select(step => (long)step));
        job.Progress.ShouldAllBe(told => told.Select(progress => progress.Generation).Distinct().Count() == 1);
        job.Job = job.Job with { Training = job.Job.Training with { ShardOptimizer = false } };
        job.Replay(history).ShouldBe(job.Weights);
    }

    [Fact]
    public void APartThatIsLostWithTwoRanksTakesTheJobBackToTheNewestCheckpointAndItSaysSo()
    {
        using var job = new MemberFixture($"{Endless}, checkpointEvery: 10, keepCheckpoints: 100");
        var (first, second, third) = job.StartThree();
        MemberFixture.Form(1, [first, second, third], join => join with { UntilStep = 25 });
        first.WaitFor<CheckpointedMessage>(checkpoint => checkpoint.Step == 20);
        first.WaitFor<LeftMessage>().Step.ShouldBe(25);
        second.Signal("KILL");
        third.Signal("KILL");

        var (fourth, fifth) = job.StartTwo();
        MemberFixture.Form(2, [first, fourth, fifth], join => join with { AtOnce = true, MustHold = true, CommittedStep = 25 });

        first.WaitFor<JoinedMessage>(message => message.Generation == 2).ShouldBe(new JoinedMessage(0, 2, 20, "checkpoint l0000-g0001-s00000020"));
        fourth.WaitFor<JoinedMessage>().ShouldBe(new JoinedMessage(0, 2, 20, "received"));
        first.WaitFor<WarningMessage>().Message.ShouldBe(
            "The ranks that are left hold step 25 without a part of the optimizer's state, which was on ranks that are lost (training.shardOptimizer keeps each part on two): "
            + "training goes on from checkpoint l0000-g0001-s00000020 (step 20), and 5 steps are done again.");
        fourth.WaitFor<AppliedMessage>(applied => applied.Step > 25);
    }

    [Fact]
    public void AStopWritesACheckpointFromWhichOtherNumbersOfRanksGoOnWithoutSharding()
    {
        using var job = new MemberFixture("steps: 300, evaluateEvery: 1000000, checkpointEvery: 1000000, shardOptimizer: true");
        var (first, second, third) = job.StartThree();
        MemberFixture.Form(1, [first, second, third]);
        first.WaitFor<ProgressMessage>(progress => progress.Step >= 5);
        second.Send(new StopMessage());
        var step = first.WaitFor<StoppedMessage>().Step;
        new[] { first, second, third }.Select(member => member.WaitForExit()).ShouldAllBe(code => code == 0);
        job.CheckpointNames.ShouldBe([$"l0000-g0001-s{step:D8}"]);

        job.Job = job.Job with { Training = job.Job.Training with { ShardOptimizer = false } };
        var (fourth, fifth) = job.StartTwo();
        MemberFixture.Form(2, [fourth, fifth], join => join with { CommittedStep = step });
        fourth.WaitFor<JoinedMessage>().ShouldBe(new JoinedMessage(0, 2, step, $"checkpoint l0000-g0001-s{step:D8}"));
        fourth.WaitFor<FinishedMessage>();

        job.History.Segments.ShouldBe([new WorldSegment(1, 3), new WorldSegment(step + 1, 2)]);
        job.Replay(job.History).ShouldBe(job.Weights);
    }

    [Fact]
    public void ARankThatStopsAloneSaysThatItHoldsOnlyAPart()
    {
        using var job = new MemberFixture($"{Endless}, checkpointEvery: 1000000");
        var (first, second, third) = job.StartThree();
        MemberFixture.Form(1, [first, second, third]);
        first.WaitFor<ProgressMessage>(progress => progress.Step >= 3);
        second.Signal("KILL");
        var step = first.WaitFor<LeftMessage>().Step;

        first.Send(new StopMessage());

        first.WaitFor<WarningMessage>().Message.ShouldStartWith(
            $"Member 1 stops without the other ranks and holds a part of the optimizer's state (training.shardOptimizer): there is no checkpoint of step {step}");
        first.WaitForExit().ShouldBe(0);
        job.CheckpointNames.ShouldBeEmpty();
    }
}
