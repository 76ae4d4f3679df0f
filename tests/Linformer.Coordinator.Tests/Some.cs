using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;
using Linformer.Protocol;

namespace Linformer.Coordinator.Tests;

/// <summary>Values that tests start from.</summary>
internal static class Some
{
    public static readonly DateTimeOffset Noon = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);

    public static readonly JobCorpus Corpus = new("c0", "fingerprint", "cache/c0");

    public static readonly JobChange Ada = new("person:ada", "");

    public static JobFile JobFile(int min = 1, int max = 2, int priority = 0, int globalBatch = 64) => new()
    {
        Name = "small",
        Corpus = new CorpusSection { Files = ["texts/*.txt"] },
        Training = new TrainingSection { GlobalBatch = globalBatch, MicroBatch = 8 },
        Ranks = new RanksSection { Min = min, Max = max },
        Priority = priority,
    };

    public static JobSubmission Submission(string id = "small-aaaaa", int min = 1, int max = 2, int priority = 0) =>
        new(id, "small", JobFile(min, max, priority).ToJson(), "person:ada", Noon);

    public static ImmutableArray<Place> Slots(params string[] workers)
    {
        var used = new Dictionary<string, int>(StringComparer.Ordinal);
        return [.. workers.Select(worker => new Place(worker, used[worker] = used.GetValueOrDefault(worker, -1) + 1))];
    }

    /// <summary>Members 1, 2, … on workers, placed at noon.</summary>
    public static ImmutableArray<Placement> Members(params string[] workers) =>
        [.. Slots(workers).Select((place, i) => new Placement(i + 1, place.Worker, place.Slot, Noon))];

    public static FailedRank Failure(int generation = 1, int rank = 0, string worker = "w1", bool permanent = false, bool peerLost = false) =>
        new(generation, rank, worker, 137, "SIGKILL", "was ended by SIGKILL", ["last line"], permanent, peerLost);

    /// <summary>A worker's report of some of its members of a job, all in one condition, in the job's newest generation.</summary>
    public static ReportedGroup Report(JobView job, MemberCondition condition = MemberCondition.Training, params int[] members) => new(
        job.JobId,
        [
            .. (members.Length > 0 ? members : [1]).Select(member => new ReportedMember
            {
                Member = member,
                Condition = condition,
                Lineage = job.Lineage,
                Generation = job.Plan?.Generation ?? 0,
                HoldsState = condition == MemberCondition.Training,
                Failure = condition == MemberCondition.Failed ? Failure() : null,
            }),
        ]);

    /// <summary>What is seen of a member, in a generation of lineage 0.</summary>
    public static ObservedMember Seen(int member, MemberCondition condition, int generation = 0, long applied = 0, string? worker = null) => new()
    {
        Member = member,
        Worker = worker ?? $"w{member}",
        Condition = condition,
        Generation = generation,
        AppliedStep = applied,
        HoldsState = generation > 0,
        Failure = condition == MemberCondition.Failed ? Failure(generation, worker: worker ?? $"w{member}") : null,
    };

    public static WorkerIdentity Identity(string name, int slots = 2, string instance = "first") => new()
    {
        Name = name,
        InstanceId = instance,
        Host = "host-of-" + name,
        ProcessId = 17,
        Slots = [.. Enumerable.Range(0, slots).Select(slot => new WorkerSlot(slot, "cpu"))],
    };

    /// <summary>Checks a property for many seeds of a random source.</summary>
    public static void ForAllSeeds(Action<Random> property, int runs = 200) => Prop
        .ForAll(
            // The whole range: a generator that grows with the run would give the same few again and again.
            Gen.Choose(0, int.MaxValue).ToArbitrary(),
            seed =>
            {
                property(new Random(seed));
                return true;
            })
        .Check(Config.QuickThrowOnFailure.WithMaxTest(runs));
}
