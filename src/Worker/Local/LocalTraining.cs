using Linformer.Data;
using Linformer.Protocol;
using Linformer.Training.Checkpoints;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;
using Serilog;

namespace Linformer.Worker.Local;

/// <summary>How a job is trained on this machine, without a coordinator.</summary>
public sealed record LocalTrainingOptions
{
    /// <summary>The program and arguments of a rank process.</summary>
    public required (string Command, IReadOnlyList<string> Arguments) RankProgram { get; init; }

    /// <summary>The storage root.</summary>
    public required string StorageRoot { get; init; }

    /// <summary>Rank processes; null for the job's <c>ranks.max</c>.</summary>
    public int? Ranks { get; init; }

    /// <summary>Whether to continue from the newest checkpoint.</summary>
    public bool Resume { get; init; }
}

/// <summary>Is told how a local training goes.</summary>
public interface ITrainingObserver : IProgress<PreparationProgress>
{
    /// <summary>The corpus is ready.</summary>
    /// <param name="corpus">The corpus.</param>
    void CorpusReady(PreparedCorpus corpus);

    /// <summary>Ranks are about to start.</summary>
    /// <param name="ranks">How many.</param>
    /// <param name="step">The step that training continues from; 0 for a new job.</param>
    void Starting(int ranks, long step);

    /// <summary>A step has been applied.</summary>
    /// <param name="progress">Its numbers.</param>
    void StepDone(ProgressMessage progress);

    /// <summary>Something is wrong that does not end the job.</summary>
    /// <param name="message">What.</param>
    void Warn(string message);
}

/// <summary>How a local training ended.</summary>
/// <param name="Summary">What came of it; null when it was stopped.</param>
/// <param name="Step">The last step applied.</param>
/// <param name="Corpus">The corpus.</param>
public sealed record LocalTrainingResult(RankSummary? Summary, long Step, PreparedCorpus Corpus);

/// <summary>Trains a job on this machine: prepares the corpus, starts the ranks, records their metrics.</summary>
/// <param name="options">Where and how.</param>
/// <param name="observer">Told how it goes.</param>
/// <param name="logger">Where the launcher logs.</param>
public sealed class LocalTraining(LocalTrainingOptions options, ITrainingObserver observer, ILogger logger)
{
    private readonly StorageLayout _layout = new(Path.GetFullPath(options.StorageRoot));

    /// <summary>Runs to the end of the job, or until it is cancelled: then the ranks write a checkpoint and stop.</summary>
    /// <param name="job">The job.</param>
    /// <param name="cancellationToken">Asks for a graceful stop.</param>
    /// <exception cref="BadDataException">The corpus is bad, or it or the job is not what it was, or another process trains the job.</exception>
    /// <exception cref="CheckpointException">There are checkpoints and the job is not resumed, or none is whole.</exception>
    /// <exception cref="RankFailedException">A rank failed.</exception>
    public async Task<LocalTrainingResult> RunAsync(JobFile job, CancellationToken cancellationToken)
    {
        var ranks = options.Ranks ?? job.Ranks.Max;
        CheckRanks(job, ranks);
        using var running = RunLock.Take(_layout, job.Name);
        var record = RunRecord.Load(_layout.RunRecord(job.Name));
        var found = await Task.Run(() => ChooseCheckpoint(job, cancellationToken), cancellationToken);
        // A record that was lost is replaced by what the checkpoint itself says; only the corpus is then not known.
        record ??= found is null ? null : RunRecord.Of(found.Id.Generation, corpusFingerprint: "", ParseJob(found));
        CheckUnchanged(job, record);
        var checkpoint = found?.Id;
        var corpus = await Task.Run(
            () => CorpusPreparation.Prepare(JobMapping.CorpusSettings(job), _layout.Root, _layout.Cache, observer, cancellationToken),
            cancellationToken);
        observer.CorpusReady(corpus);
        CheckCorpus(checkpoint, record, corpus);

        var generation = Math.Max(record?.Generation ?? 0, checkpoint?.Generation ?? 0) + 1;
        RunRecord.Of(generation, corpus.Manifest.Fingerprint, job).Save(_layout.RunRecord(job.Name));
        using var metrics = MetricsFile.Open(_layout.Metrics(job.Name), checkpoint?.Step ?? 0);
        var events = new Events(observer, metrics, generation, ranks, checkpoint?.Step ?? 0);
        observer.Starting(ranks, events.Step);
        var result = await new LocalLauncher(logger).RunAsync(Run(job, ranks, generation, corpus, checkpoint), events, cancellationToken);
        var summary = result.Summaries[0] is { } json ? RankSummary.FromJson(json) : null;
        return new LocalTrainingResult(summary, events.Step, corpus);
    }

    private static void CheckRanks(JobFile job, int ranks)
    {
        var microBatches = job.Training.GlobalBatch / job.Training.MicroBatch;
        if (ranks < 1 || ranks > microBatches)
        {
            throw new BadDataException($"{ranks} ranks are not possible: a step has {microBatches} micro-batches (globalBatch {job.Training.GlobalBatch}, microBatch {job.Training.MicroBatch}); allowed are 1 to {microBatches} ranks.");
        }
    }

    private void CheckUnchanged(JobFile job, RunRecord? record)
    {
        if (options.Resume && record?.ChangesOf(job) is { Count: > 0 } changes)
        {
            throw new BadDataException($"The job '{job.Name}' cannot be resumed with other settings: {string.Join("; ", changes)}. Change them back, or give the job another name.");
        }
    }

    private static JobFile ParseJob(CheckpointInfo checkpoint) =>
        JobFileParser.Parse(checkpoint.Metadata.JobJson, checkpoint.Folder).OrThrow();

    private CheckpointInfo? ChooseCheckpoint(JobFile job, CancellationToken cancellationToken)
    {
        var store = new CheckpointStore(_layout.Checkpoints(job.Name));
        var known = store.List();
        if (!options.Resume)
        {
            return known.Count == 0
                ? null
                : throw new CheckpointException($"The job '{job.Name}' has checkpoints up to step {known[^1].Step} in {store.Folder}. Use --resume to go on from there, or give the job another name.");
        }

        if (store.FindNewestValid(damage => observer.Warn(damage.ToString()), cancellationToken) is { } found)
        {
            return found;
        }

        return known.Count == 0
            ? null
            : throw new CheckpointException($"None of the {known.Count} checkpoints in {store.Folder} is whole. Give the job another name to start anew.");
    }

    private static void CheckCorpus(CheckpointId? checkpoint, RunRecord? record, PreparedCorpus corpus)
    {
        if (checkpoint is not null && record is { CorpusFingerprint.Length: > 0 } && record.CorpusFingerprint != corpus.Manifest.Fingerprint)
        {
            throw new BadDataException($"The corpus is not what it was when the job started (fingerprint {corpus.Manifest.Fingerprint[..16]}, then {record.CorpusFingerprint[..16]}). Put the files back as they were, or give the job another name.");
        }
    }

    private LocalRun Run(JobFile job, int ranks, int generation, PreparedCorpus corpus, CheckpointId? checkpoint) => new()
    {
        Command = options.RankProgram.Command,
        Arguments = options.RankProgram.Arguments,
        WorldSize = ranks,
        Threads = job.Ranks.Threads,
        Lineage = checkpoint?.Lineage ?? 0,
        Generation = generation,
        JobJson = job.ToJson(),
        StorageRoot = _layout.Root,
        CorpusFolder = corpus.Folder,
        RunFolder = _layout.Run(job.Name),
        ModelFolder = _layout.Model(job.Name),
        ResumeFrom = checkpoint?.ToString(),
        LogFolder = _layout.Logs(job.Name),
    };

    private sealed class Events(ITrainingObserver observer, MetricsFile metrics, int generation, int worldSize, long step) : IRankEvents
    {
        private bool _metricsFail;

        public long Step { get; private set; } = step;

        public void Progress(int rank, ProgressMessage progress)
        {
            if (rank != 0)
            {
                return;
            }

            Step = progress.Step;
            AddMetrics(progress);
            observer.StepDone(progress);
        }

        // As with a checkpoint that cannot be written, training is worth more than its record.
        private void AddMetrics(ProgressMessage progress)
        {
            try
            {
                metrics.Add(generation, worldSize, progress);
                _metricsFail = false;
            }
            catch (IOException e)
            {
                if (!_metricsFail)
                {
                    observer.Warn($"Metrics cannot be written from step {progress.Step} on; training goes on. {e.Message}");
                }

                _metricsFail = true;
            }
        }

        public void Warned(int rank, string message) => observer.Warn(message);
    }
}
