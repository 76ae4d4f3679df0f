using System.Collections.Immutable;
using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Tests.Jobs;

/// <summary>Whatever comes in whatever order, twice or late: what must always hold.</summary>
public class JobMachineProperties
{
    [Fact]
    public void Any_order_of_events_and_wishes_keeps_the_rules() => Some.ForAllSeeds(
        random =>
        {
            var state = JobMachine.Create(new JobState(), Some.Submission(min: 1, max: 3), Some.Noon);
            var history = state.Outbox;
            var past = new List<JobEvent>();
            var now = Some.Noon;
            for (var i = 0; i < 120; i++)
            {
                now += TimeSpan.FromSeconds(random.Next(3));
                var before = state;
                try
                {
                    state = Step(state, random, past, now);
                }
                catch (JobChangeException)
                {
                    state.ShouldBeSameAs(before);
                    continue;
                }
                CheckChange(before, state);
                history = history.AddRange(state.Outbox.Where(entry => entry.Sequence > before.HistorySequence));
            }
            history.Select(entry => entry.Sequence).ShouldBe(Enumerable.Range(1, history.Length).Select(number => (long)number));
            history.Select(entry => entry.Step).ShouldBeInOrder();
            history.Select(entry => entry.Generation).ShouldBeInOrder();
            history.Count(entry => entry.What.Contains("started", StringComparison.Ordinal)).ShouldBe(state.View!.Generation);
        });

    [Fact]
    public void Random_events_reach_every_phase()
    {
        var reached = new HashSet<JobPhase>();
        Some.ForAllSeeds(random =>
        {
            var state = JobMachine.Create(new JobState(), Some.Submission(min: 1, max: 3), Some.Noon);
            var now = Some.Noon;
            for (var i = 0; i < 60; i++)
            {
                now += TimeSpan.FromSeconds(random.Next(3));
                try
                {
                    state = Step(state, random, [], now);
                }
                catch (JobChangeException)
                {
                    // A wish that does not fit.
                }
                reached.Add(state.View!.Phase);
            }
        });

        reached.ShouldBe(Enum.GetValues<JobPhase>(), ignoreOrder: true);
    }

    private static void CheckChange(JobState before, JobState after)
    {
        var (old, view) = (before.View!, after.View!);
        if (old.HasEnded)
            after.ShouldBeSameAs(before);
        if (ReferenceEquals(before, after))
            return;
        view.Revision.ShouldBe(old.Revision + 1);
        after.CommittedStep.ShouldBeGreaterThanOrEqualTo(before.CommittedStep);
        (view.Generation - old.Generation).ShouldBeInRange(0, 1);
        if (view.Generation > old.Generation)
        {
            // The generation before has given its slots back before the next begins.
            old.Phase.ShouldBeOneOf(JobPhase.Queued, JobPhase.Preparing);
            view.Phase.ShouldBe(JobPhase.Running);
            view.WorldSize.ShouldBe(view.Placements.Length);
        }
        if (view.Phase is JobPhase.Preparing or JobPhase.Running)
        {
            view.Placements.Length.ShouldBeInRange(view.RanksMin, view.RanksMax);
            view.Placements.Select(placement => (placement.Worker, placement.Slot)).ShouldBeUnique();
        }
        else
        {
            view.Placements.ShouldBeEmpty();
        }
        if (view.Phase == JobPhase.Running && old.Phase == JobPhase.Running)
            view.Placements.ShouldBe(old.Placements);
        view.EndedAt.HasValue.ShouldBe(view.HasEnded);
    }

    private static JobState Step(JobState state, Random random, List<JobEvent> past, DateTimeOffset now)
    {
        var change = new JobChange("person:ada", random.Next(2) == 0 ? "" : "because");
        switch (random.Next(40))
        {
            case 0 when random.Next(6) == 0:
                return JobMachine.Cancel(state, change, now);
            case 1 or 2:
                return JobMachine.Pause(state, change, now);
            case 3 or 4 or 5:
                return JobMachine.Resume(state, change, now);
            case 6:
                return JobMachine.Create(state, Some.Submission(min: 2, max: 2), now);
            case < 14 when past.Count > 0:
                return JobMachine.Apply(state, past[random.Next(past.Count)], now);
            default:
                var jobEvent = Event(state.View!, random);
                past.Add(jobEvent);
                return JobMachine.Apply(state, jobEvent, now);
        }
    }

    private static JobEvent Event(JobView view, Random random) => random.Next(12) switch
    {
        0 => new JobWaits($"waits {random.Next(3)}"),
        1 or 2 or 3 => new JobPlaced(Some.Slots([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Worker(random))])),
        4 or 5 => new JobCorpusReady(random.Next(30) == 0 ? Some.Corpus with { Fingerprint = "other" } : Some.Corpus),
        6 when random.Next(10) == 0 => new JobCorpusFailed("no files"),
        _ => new JobObserved(0, view.Generation - (random.Next(4) == 0 ? 1 : 0), Groups(view, random), random.Next(5) == 0 ? random.Next(1000) : 0),
    };

    private static ImmutableArray<ObservedGroup> Groups(JobView view, Random random) =>
    [
        .. view.Placements.Select(placement => placement.Worker).Append(Worker(random)).Distinct().Select(worker =>
        {
            var condition = random.Next(3) > 0 ? GroupCondition.Alive : (GroupCondition)random.Next(7);
            ImmutableArray<FailedRank> failures = condition == GroupCondition.Failed && random.Next(4) > 0
                ? [Some.Failure(view.Generation, 0, worker, permanent: random.Next(12) == 0, peerLost: random.Next(3) == 0)]
                : [];
            return new ObservedGroup(worker, condition, failures, condition == GroupCondition.Finished ? "{}" : null);
        }),
    ];

    private static string Worker(Random random) => $"w{random.Next(1, 4)}";
}
