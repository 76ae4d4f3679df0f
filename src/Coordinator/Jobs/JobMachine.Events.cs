using System.Collections.Immutable;
using System.Globalization;
using Linformer.Protocol;

namespace Linformer.Coordinator.Jobs;

public static partial class JobMachine
{
    /// <summary>So many failures in a row without a further committed step are tried again.</summary>
    public const int FailuresTriedAgain = 3;

    /// <summary>So many generations in a row may break with none of their members gone, such as by a cut network, and are tried again.</summary>
    public const int BreaksTriedAgain = 10;

    /// <summary>So many times a job goes back for a bad loss.</summary>
    public const int MostLineages = 10;

    private const int KeptLogLines = 20;
    private const int KeptLineLength = 500;
    private const int KeptReasonLength = 2000;
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan OneEvent = TimeSpan.FromSeconds(2);

    /// <summary>Takes what the scheduler has decided or seen. What no longer fits the job's state changes nothing.</summary>
    /// <exception cref="ArgumentException">Slots that the job cannot have.</exception>
    public static JobState Apply(JobState state, JobEvent jobEvent, DateTimeOffset now) => (state.View, jobEvent) switch
    {
        ({ Phase: JobPhase.Queued } view, JobWaits waits) => view.Reason == waits.Reason
            ? state
            : Change(state, view with { Reason = waits.Reason }, now),
        ({ Phase: JobPhase.Queued } view, JobPlaced placed) when !(view.NotBefore > now) => Place(state, view, placed.Places, now),
        ({ Phase: JobPhase.Preparing } view, JobCorpusReady ready) => TakeCorpus(state, WithSteps(view, ready.Documents), ready.Corpus, now),
        ({ Phase: JobPhase.Preparing }, JobCorpusFailed failed) => End(state, JobPhase.Failed, now, $"its corpus cannot be prepared: {failed.Reason}"),
        ({ Phase: JobPhase.Preparing or JobPhase.Running } view, JobObserved observed)
            when observed.Revision == view.Revision => Observe(state, observed, now),
        ({ Phase: JobPhase.Running, Stopping: false } view, JobGrown grown) when !(view.NotBefore > now) => Grow(state, view, grown.Places, now),
        ({ Phase: JobPhase.Running, Stopping: false } view, JobYields yields) => StopMembers(state, view, yields.Reason, now),
        ({ Phase: JobPhase.Running } view, JobStragglers stragglers) when stragglers.Generation == view.Generation => NoteSlow(state, view, stragglers.Slow, now),
        ({ HasEnded: false } view, JobWarned warned) => Warn(state, view, warned, now),
        _ => state,
    };

    private static JobState Place(JobState state, JobView view, ImmutableArray<Place> places, DateTimeOffset now)
    {
        CheckPlaces(view, places, view.RanksMin, view.RanksMax);
        var placed = AddMembers(view, places, now) with { NotBefore = null };
        if (view.WithoutCorpus || (view.Corpus is not null && !state.CorpusToCheck))
            return StartMembers(state, placed, now);
        var preparing = placed with { Phase = JobPhase.Preparing, Preparations = view.Preparations + 1, Reason = "its corpus is being prepared" };
        return Change(state, preparing, now, what: $"got {Count(places.Length, "slot")} on {Workers(places)}");
    }

    private static JobState Grow(JobState state, JobView view, ImmutableArray<Place> places, DateTimeOffset now)
    {
        CheckPlaces(view, places, 1, view.RanksMax);
        return Change(
            state, AddMembers(view, places, now) with { NotBefore = null }, now,
            what: GetReady(places.Length, " more"), why: $"on {Workers(places)}");
    }

    private static void CheckPlaces(JobView view, ImmutableArray<Place> places, int least, int most)
    {
        var held = view.Placements.Select(placement => new Place(placement.Worker, placement.Slot));
        if (places.Length < least || places.Length > most || places.Concat(held).Distinct().Count() != places.Length + view.Placements.Length)
        {
            throw new ArgumentException(
                $"Job {view.JobId} cannot have these {places.Length} slots; allowed are {least} to {most}, each once.", nameof(places));
        }
    }

    private static JobView AddMembers(JobView view, ImmutableArray<Place> places, DateTimeOffset now) => view with
    {
        Placements = view.Placements.AddRange(places.Select((place, i) => new Placement(view.LastMember + 1 + i, place.Worker, place.Slot, now))),
        LastMember = view.LastMember + places.Length,
    };

    private static JobState TakeCorpus(JobState state, JobView view, JobCorpus corpus, DateTimeOffset now)
    {
        if (view is { Generation: > 0, Corpus: { } before } && before.Fingerprint != corpus.Fingerprint)
        {
            return End(
                state,
                JobPhase.Failed,
                now,
                $"The corpus is not what it was when training began: its fingerprint was {before.Fingerprint} and is now {corpus.Fingerprint}. "
                + "Put its files back as they were and submit the job again, or submit a new job for the new corpus.");
        }
        return StartMembers(state with { CorpusToCheck = false }, view with { Corpus = corpus }, now);
    }

    // What there is to be done is known once the documents are counted.
    private static JobView WithSteps(JobView view, long documents)
    {
        if (JobFileParser.Parse(view.JobJson, view.Name, cuda: true).Job is not { Task: JobTask.Inference } job)
            return view;
        var settled = InferenceJobs.Settle(job, documents);
        return view with { JobJson = settled.ToJson(), TotalSteps = settled.Training.Steps };
    }

    /// <summary>Its members start on the slots that the job holds; they form a generation once they are ready.</summary>
    private static JobState StartMembers(JobState state, JobView view, DateTimeOffset now)
    {
        var running = view with
        {
            Phase = JobPhase.Running,
            Reason = "its ranks start",
            Plan = null,
            Placements = [.. view.Placements.Select(placement => placement with { At = now })],
            StartedAt = view.StartedAt ?? now,
            Stopping = false,
        };
        return Change(state, running, now, what: GetReady(view.Placements.Length), why: $"on {Workers(Places(view))}");
    }

    private static JobState NoteSlow(JobState state, JobView view, ImmutableArray<SlowMember> slow, DateTimeOffset now)
    {
        var known = view.Slow;
        if (slow.Select(member => member.Member).Order().SequenceEqual(known.Select(member => member.Member).Order()))
            return state;
        var changed = view with { Slow = slow };
        if (slow.FirstOrDefault(member => known.All(other => other.Member != member.Member)) is not { } found
            || view.Placements.FirstOrDefault(placement => placement.Member == found.Member) is not { } place)
        {
            return Change(state, changed, now);
        }
        return Change(
            state, changed, now, what: $"rank {view.Plan?.RankOf(found.Member) ?? -1} on worker {place.Worker} is slow",
            why: string.Create(CultureInfo.InvariantCulture, $"{found.Factor:0.0} times the others' step time"));
    }

    private static ImmutableArray<Place> Places(JobView view) => [.. view.Placements.Select(placement => new Place(placement.Worker, placement.Slot))];

    private static string GetReady(int ranks, string more = "") => $"{Count(ranks, "rank")}{more} {(ranks == 1 ? "gets" : "get")} ready";

    private static string Count(int count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";

    private static string Workers(ImmutableArray<Place> places) =>
        string.Join(", ", places.Select(place => place.Worker).Distinct(StringComparer.Ordinal));
}
