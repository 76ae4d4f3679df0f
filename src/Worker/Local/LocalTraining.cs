using Linformer.Data;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Training.Checkpoints;
using Linformer.Worker.Agents;
using Linformer.Worker.Jobs;
using Linformer.Worker.Machines;
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

    /// <summary>A history to repeat, with as many ranks at each step as it says; null to train as the job says.</summary>
    public WorldHistory? Replay { get; init; }

    /// <summary>The job that the history is of, whose settings a job that leaves them open takes; null to settle them anew.</summary>
    public JobFile? Replayed { get; init; }

    /// <summary>When a rank counts as hung and is killed; null for never.</summary>
    public WatchdogOptions? Watchdog { get; init; }

    /// <summary>What this machine's processor can do.</summary>
    public Processor Processor { get; init; } = Processor.OfThisMachine;
}

/// <summary>Is told how a local training goes.</summary>
public interface ITrainingObserver : IProgress<PreparationProgress>
{
    /// <summary>The corpus is ready; not called for a job without one.</summary>
    /// <param name="corpus">The corpus.</param>
    void CorpusReady(PreparedCorpus corpus);

    /// <summary>Ranks are about to start.</summary>
    /// <param name="job">The job, with nothing left open.</param>
    /// <param name="ranks">How many.</param>
    /// <param name="step">The step that training continues from; 0 for a new job.</param>
    void Starting(JobFile job, int ranks, long step);

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
/// <param name="Corpus">The corpus; null for a job without one.</param>
/// <param name="PhaseSeconds">Where the time of all ranks together went, in seconds; empty when there was no step.</param>
/// <param name="PeakMemoryBytes">The most memory that the process of a rank has had, in bytes; 0 where that is not known.</param>
public sealed record LocalTrainingResult(RankSummary? Summary, long Step, PreparedCorpus? Corpus, IReadOnlyDictionary<StepPhase, double> PhaseSeconds, long PeakMemoryBytes);

/// <summary>Trains a job on this machine: prepares the corpus, starts the ranks, records their metrics.</summary>
/// <param name="options">Where and how.</param>
/// <param name="observer">Told how it goes.</param>
/// <param name="logger">Where the launcher logs.</param>
public sealed class LocalTraining(LocalTrainingOptions options, ITrainingObserver observer, ILogger logger)
{
    private readonly StorageLayout _layout = new(Path.GetFullPath(options.StorageRoot));
    private readonly List<string> _damages = [];
    private string _fingerprint = "";

    /// <summary>Runs to the end of the job, or until it is cancelled: then the ranks write a checkpoint and stop.</summary>
    /// <param name="job">The job.</param>
    /// <param name="cancellationToken">Asks for a graceful stop.</param>
    /// <exception cref="BadDataException">The corpus is bad, or it or the job is not what it was, or another process trains the job.</exception>
    /// <exception cref="CheckpointException">There are checkpoints and the job is not resumed, or none is whole.</exception>
    /// <exception cref="GpuException">The job asks for GPUs, and there is not one for each rank.</exception>
    /// <exception cref="RankFailedException">A rank failed.</exception>
    public async Task<LocalTrainingResult> RunAsync(JobFile job, CancellationToken cancellationToken)
    {
        job = options.Replayed is { } replayed ? JobResolution.KeepOf(job, replayed) : job;
        if (options.Replay is not null)
        {
            // The bits are the same. A history may lose more ranks at once than parts of the optimizer's state can spare.
            job = job with { Training = job.Training with { ShardOptimizer = false } };
        }

        if (options.Replay is not null && job.Training.LocalSteps > 1)
        {
            throw new BadDataException($"A history of a job with local steps (training.localSteps {job.Training.LocalSteps}) cannot be repeated to the bit: each rank has moments of its own, of which checkpoints keep one rank's.");
        }

        // Before anything is made for a job that cannot be.
        var repeated = options.Replay is { } told ? new ReplayPlan(told, job.Training.Steps, job.Training.MicroBatches, firstGeneration: 1) : null;
        if (options.Replay is not null && (options.Resume || options.Ranks is not null))
        {
            throw new BadDataException("A history is repeated from its first step, with the ranks that it says: neither a resumption nor a number of ranks goes with it.");
        }

        var ranks = options.Ranks ?? job.Ranks.Max;
        CheckRanks(job, ranks);
        using var running = RunLock.Take(_layout, job.Name);
        var record = RunRecord.Load(_layout.RunRecord(job.Name));
        var found = await Task.Run(() => ChooseCheckpoint(job, cancellationToken), cancellationToken);
        // A record that was lost is replaced by what the checkpoint itself says.
        record ??= found is null ? null : RecordOf(found);
        var processes = repeated?.Processes ?? ranks;
        var gpus = Gpus(job, processes);
        job = Resolved(job, record, new MachineSlots(processes, gpus), processes);
        CheckUnchanged(job, record);
        CheckRanks(job, processes);
        var checkpoint = found?.Id;
        record = Continued(job, record, checkpoint);
        IGenerationPlan plan = options.Replay is { } history
            ? new ReplayPlan(history, job.Training.Steps, job.Training.MicroBatches, record.Generation)
            : Plan(job, ranks, record);
        var corpus = await CorpusAsync(job, cancellationToken);
        job = corpus is null ? job : InferenceJobs.Settle(job, corpus.Manifest.Documents);
        CheckCorpus(checkpoint, record, corpus);

        _fingerprint = corpus?.Manifest.Fingerprint ?? "";
        if (checkpoint is null)
        {
            // What starts anew may be of another build than what was there under the name.
            File.Delete(Path.Combine(_layout.Run(job.Name), StorageLayout.PluginFilesName));
        }

        Save(job, record);
        using var recorder = new TrainingRecorder(observer, _layout.Metrics(job.Name), checkpoint?.Step ?? 0, _damages);
        observer.Starting(job, plan.Processes, recorder.Step);
        var result = await new LocalLauncher(logger).RunAsync(Run(job, plan, corpus) with { Gpus = gpus }, recorder, cancellationToken);
        var summary = result.Summaries[0] is { } json ? RankSummary.FromJson(json) : null;
        return new LocalTrainingResult(summary, recorder.Step, corpus, recorder.PhaseSeconds, recorder.PeakMemoryBytes);
    }

    private async Task<PreparedCorpus?> CorpusAsync(JobFile job, CancellationToken cancellationToken)
    {
        if (!job.HasCorpus)
        {
            return null;
        }

        var corpus = await Task.Run(
            () => CorpusPreparation.Prepare(JobMapping.CorpusSettings(job), _layout.Root, _layout.Cache, observer, cancellationToken),
            cancellationToken);
        observer.CorpusReady(corpus);
        return corpus;
    }

    private static void CheckRanks(JobFile job, int ranks)
    {
        var microBatches = job.Training.MicroBatches;
        if (ranks < 1 || ranks > microBatches)
        {
            throw new BadDataException($"{ranks} ranks are not possible: a step has {microBatches} micro-batches (globalBatch {job.Training.GlobalBatch}, microBatch {job.Training.MicroBatch?.ToString() ?? "of at least 1"}); allowed are 1 to {microBatches} ranks.");
        }
    }

    // What is not known: the corpus, and up to where the checkpoints of earlier lineages hold, so none of them does.
    private static RunRecord RecordOf(CheckpointInfo found)
    {
        var record = RunRecord.Of(found.Id.Generation, corpusFingerprint: "", ParseJob(found));
        return record with { Lineage = found.Id.Lineage, LineageLimits = found.Id.Lineage > 0 ? [.. Enumerable.Repeat(0L, found.Id.Lineage)] : null };
    }

    // A new start keeps no more of an earlier one than its generation's number.
    private static RunRecord Continued(JobFile job, RunRecord? before, CheckpointId? checkpoint)
    {
        var generation = Math.Max(before?.Generation ?? 0, checkpoint?.Generation ?? 0) + 1;
        var record = RunRecord.Of(generation, before?.CorpusFingerprint ?? "", job);
        return checkpoint is null || before is null
            ? record
            : record with { Lineage = before.Lineage, LineageLimits = before.LineageLimits, SkippedSteps = before.SkippedSteps };
    }

    private TrainingPlan Plan(JobFile job, int ranks, RunRecord record) => new(ranks, record, (next, end) =>
    {
        Save(job, next);
        observer.Warn($"Step {end.BadLossStep}: {end.Reason}. Training goes back to the newest checkpoint and leaves the step out.");
    });

    private void Save(JobFile job, RunRecord record) =>
        (record with { CorpusFingerprint = _fingerprint }).Save(_layout.RunRecord(job.Name));

    // What was settled when the job was started stays.
    private JobFile Resolved(JobFile job, RunRecord? record, MachineSlots machine, int ranks)
    {
        var kept = options.Resume && record?.ParsedJob() is { } before ? JobResolution.KeepOf(job, before) : job;
        var vocabulary = job.Corpus.Tokenizer.VocabularySize ?? JobNeeds.AssumedVocabularySize;
        return JobResolution.Resolve(kept, machine.Facts(options.Processor), vocabulary, ranks);
    }

    private void CheckUnchanged(JobFile job, RunRecord? record)
    {
        if (options.Resume && record?.ChangesOf(job) is { Count: > 0 } changes)
        {
            throw new BadDataException($"The job '{job.Name}' cannot be resumed with other settings: {string.Join("; ", changes)}. Change them back, or give the job another name.");
        }
    }

    private static JobFile ParseJob(CheckpointInfo checkpoint) =>
        JobFileParser.Parse(checkpoint.Metadata.JobJson, checkpoint.Folder, cuda: true).OrThrow();

    // All ranks or none: those on other devices could not train together.
    private IReadOnlyList<Gpu> Gpus(JobFile job, int processes)
    {
        if (job.Device == DeviceKind.Cuda)
        {
            return MachineSlots.Choose(DeviceKind.Cuda, processes).Gpus;
        }

        var machine = MachineSlots.Choose(job.Device, count: null);
        if (machine.Gpus.Count is > 0 and var count && count < processes)
        {
            observer.Warn($"The job trains on the CPU: {processes} ranks need a GPU each, and this machine has {count}.");
        }
        else if (machine.Note.Length > 0)
        {
            observer.Warn(machine.Note);
        }

        return machine.Gpus.Count >= processes ? [.. machine.Gpus.Take(processes)] : [];
    }

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

        if (store.FindNewestValid(Warn, cancellationToken) is { } found)
        {
            return found;
        }

        return known.Count == 0
            ? null
            : throw new CheckpointException($"None of the {known.Count} checkpoints in {store.Folder} is whole. Give the job another name to start anew.");
    }

    private void Warn(CheckpointDamage damage)
    {
        // Rank 0 will look, too.
        _damages.Add(damage.ToString());
        observer.Warn(damage.ToString());
    }

    private static void CheckCorpus(CheckpointId? checkpoint, RunRecord? record, PreparedCorpus? corpus)
    {
        if (corpus is not null && checkpoint is not null && record is { CorpusFingerprint.Length: > 0 } && record.CorpusFingerprint != corpus.Manifest.Fingerprint)
        {
            throw new BadDataException($"The corpus is not what it was when the job started (fingerprint {corpus.Manifest.Fingerprint[..16]}, then {record.CorpusFingerprint[..16]}). Put the files back as they were, or give the job another name.");
        }
    }

    private LocalRun Run(JobFile job, IGenerationPlan plan, PreparedCorpus? corpus) => new()
    {
        Command = options.RankProgram.Command,
        Arguments = options.RankProgram.Arguments,
        Processes = plan.Processes,
        Threads = job.Ranks.Threads,
        First = plan.First,
        Next = plan.After,
        JobJson = job.ToJson(),
        StorageRoot = _layout.Root,
        CorpusFolder = corpus?.Folder ?? "",
        // Whoever starts a training on their own machine is who wrote the job file.
        AllowPlugins = true,
        RunFolder = _layout.Run(job.Name),
        ModelFolder = _layout.Model(job.Name),
        LogFolder = _layout.Logs(job.Name),
        Watchdog = options.Watchdog,
    };
}
