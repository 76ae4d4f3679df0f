using System.Collections.Immutable;
using System.Diagnostics;
using Linformer.Coordinator.Workers;
using Linformer.Protocol;
using Serilog;

namespace Linformer.Coordinator.Services.Checking;

/// <summary>A job file as this cluster takes it.</summary>
/// <param name="File">The job with nothing left open.</param>
/// <param name="Notices">Things to know about it at the moment.</param>
/// <param name="Refused">Why the cluster does not take it; null if it does.</param>
internal sealed record ResolvedJob(JobFile File, IReadOnlyList<string> Notices, string? Refused = null);

/// <summary>Settles what a job file leaves to the machines, by the slots of this cluster's workers, and tells what is to be known of it.</summary>
internal sealed class JobResolver(ClusterReader cluster, CorpusVocabularies vocabularies, ILogger logger)
{
    // What took long to read is kept so many times longer: many submissions do not read a large cluster each.
    private const int Worth = 20;

    private Reading? _kept;

    /// <summary>The job with nothing left open. Nothing is refused because workers cannot be read: it is as if there were none.</summary>
    public async Task<ResolvedJob> ResolveAsync(JobFile written, CancellationToken cancellationToken)
    {
        try
        {
            var workers = await WorkersAsync(cancellationToken);
            var slots = SlotsOf(workers);
            // Only what fits in memory depends on it.
            var vocabulary = written.Training.MicroBatch is null ? (await vocabularies.OfAsync(written, cancellationToken)).Tokens : Assumed(written);
            var file = JobResolution.Resolve(written, slots, vocabulary);
            return new ResolvedJob(file, [.. JobNotices.Of(written, file, workers), .. TooLarge(written, file, slots, vocabulary)], JobNotices.Refused(file, workers));
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Warning(exception, "The workers could not be read for what job {Name:l} leaves to them, and for its notices", written.Name);
            return new ResolvedJob(JobResolution.Resolve(written, [], Assumed(written)), []);
        }
    }

    private async Task<IReadOnlyList<WorkerView>> WorkersAsync(CancellationToken cancellationToken)
    {
        if (_kept is { } kept && Stopwatch.GetElapsedTime(kept.At) < kept.Took * Worth)
            return kept.Workers;
        var began = Stopwatch.GetTimestamp();
        var workers = await cluster.WorkersAsync(cancellationToken);
        _kept = new Reading(Stopwatch.GetTimestamp(), Stopwatch.GetElapsedTime(began), workers);
        return workers;
    }

    private static int Assumed(JobFile file) => file.Corpus.Tokenizer.VocabularySize ?? JobNeeds.AssumedVocabularySize;

    private static IEnumerable<string> TooLarge(JobFile written, JobFile file, ImmutableArray<SlotFacts> slots, int vocabulary) =>
        written.Training.MicroBatch is null && !MicroBatchChoice.Fits(file, slots, vocabulary)
            ? [$"Even with micro-batches of {file.Training.MicroBatch} a rank takes about {JobNeeds.Of(file, vocabulary).MemoryBytes / 1e9:0.0} GB, more than a slot of this cluster has."]
            : [];

    // Those of workers that live; where none does, of those that are expected back.
    private static ImmutableArray<SlotFacts> SlotsOf(IReadOnlyCollection<WorkerView> workers)
    {
        var alive = workers.Where(worker => worker.Alive).ToList();
        return [.. (alive.Count > 0 ? alive : workers).SelectMany(worker => worker.Identity.Slots).Select(slot => slot.ToFacts())];
    }

    private sealed record Reading(long At, TimeSpan Took, IReadOnlyList<WorkerView> Workers);
}
