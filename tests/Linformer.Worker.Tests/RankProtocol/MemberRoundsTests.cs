using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;

namespace Linformer.Worker.Tests.RankProtocol;

/// <summary>Rank processes that exchange only after rounds of local steps.</summary>
[Trait("Lane", "Processes")]
public sealed class MemberRoundsTests
{
    private const int Round = 10;
    private const int Every = 25;

    [Fact]
    public void ARankThatIsKilledTakesTheOthersBackToTheLastRoundAndAReplacementJoinsAtTheNext()
    {
        const int Steps = 403;
        using var job = new MemberFixture($"steps: {Steps}, localSteps: {Round}, evaluateEvery: {Every}, checkpointEvery: 1000");
        var (first, second, third) = job.StartThree();
        MemberFixture.Form(1, [first, second]);
        first.WaitFor<ProgressMessage>(progress => progress.Step == 2 * Round);

        second.Signal("KILL");
        var left = first.WaitFor<LeftMessage>();
        (left.HoldsState, left.Step % Round).ShouldBe((true, 0));
        var committed = first.Progress.Max(progress => progress.Step);
        left.Step.ShouldBeGreaterThanOrEqualTo(committed);
        // However late the replacement joins, it finds steps to take.
        MemberFixture.Form(2, [first], join => join with { AtOnce = true, MustHold = true, CommittedStep = committed, UntilStep = 40 * Round });
        var alone = first.WaitFor<JoinedMessage>(joined => joined.Generation == 2);
        (alone.Source, alone.Step).ShouldBe(("held", left.Step));

        MemberFixture.Form(3, [third, first], join => join with { MustHold = true });
        var boundary = first.WaitFor<LeftMessage>(message => message.Generation == 2);
        (boundary.Broken, boundary.Step % Round).ShouldBe((null, 0));
        var warm = third.WaitFor<JoinedMessage>();
        (warm.Source, warm.Step).ShouldBe(("received", boundary.Step));
        var summaries = new[] { first, third }.Select(member => RankSummary.FromJson(member.WaitFor<FinishedMessage>().SummaryJson)).ToList();
        summaries[0].ShouldBe(summaries[1]);
        new[] { first, third }.Select(member => member.WaitForExit()).ShouldAllBe(code => code == 0);

        long[] rounds = [.. Enumerable.Range(1, Steps / Round).Select(round => (long)round * Round), Steps];
        job.Progress.Select(told => told.Key).Order().ShouldBe(rounds);
        foreach (var told in job.Progress)
        {
            // 30, 50, 80, 100, … and the last.
            told.ShouldAllBe(progress => progress.HeldOutLoss.HasValue == (told.Key == Steps || told.Key % Every < Round), $"step {told.Key}");
        }

        job.History.Steps.ShouldBe(Steps);
        job.History.Segments.Select(segment => segment.From).ShouldBe(
            new[] { 1, left.Step + 1, boundary.Step + 1 }.Where((from, i) => i == 0 || from <= Steps).Distinct());
    }

    [Fact]
    public void RanksThatAreAllLostGoOnFromACheckpointOfAWholeRound()
    {
        using var job = new MemberFixture($"steps: 100000, localSteps: {Round}, evaluateEvery: 1000000, checkpointEvery: {Every}");
        var (first, second) = job.StartTwo();
        MemberFixture.Form(1, [first, second]);
        var written = first.WaitFor<CheckpointedMessage>();
        written.Step.ShouldBe(30);
        first.Signal("KILL");
        second.Signal("KILL");

        var (third, fourth) = job.StartTwo();
        MemberFixture.Form(2, [third, fourth]);

        var joined = third.WaitFor<JoinedMessage>();
        joined.Source.ShouldStartWith("checkpoint ");
        joined.Step.ShouldBeGreaterThanOrEqualTo(written.Step);
        (joined.Step % Round).ShouldBe(0);
        fourth.WaitFor<JoinedMessage>().Step.ShouldBe(joined.Step);
        fourth.WaitFor<AppliedMessage>(applied => applied.Step == joined.Step + Round);
    }
}
