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

    public static ImmutableArray<Placement> Slots(params string[] workers)
    {
        var used = new Dictionary<string, int>(StringComparer.Ordinal);
        return [.. workers.Select((worker, rank) => new Placement(rank, worker, used[worker] = used.GetValueOrDefault(worker, -1) + 1))];
    }

    public static FailedRank Failure(int generation = 1, int rank = 0, string worker = "w1", bool permanent = false, bool peerLost = false) =>
        new(generation, rank, worker, 137, "SIGKILL", "was ended by SIGKILL", ["last line"], permanent, peerLost);

    public static ReportedGroup Report(JobView job, GroupCondition condition = GroupCondition.Alive, params FailedRank[] failures) => new()
    {
        JobId = job.JobId,
        Lineage = job.Lineage,
        Generation = job.Generation,
        Condition = condition,
        Failures = [.. failures],
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
            ArbMap.Default.GeneratorFor<uint>().ToArbitrary(),
            seed =>
            {
                property(new Random((int)seed));
                return true;
            })
        .Check(Config.QuickThrowOnFailure.WithMaxTest(runs));
}
