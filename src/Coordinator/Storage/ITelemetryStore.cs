namespace Linformer.Coordinator.Storage;

/// <summary>The numbers of a step.</summary>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation that took it.</param>
/// <param name="Step">The step.</param>
/// <param name="At">When.</param>
/// <param name="WorldSize">The generation's ranks.</param>
/// <param name="Loss">Mean loss per predicted token, in nats; NaN and infinity are possible.</param>
/// <param name="LearningRate">The learning rate.</param>
/// <param name="TokensPerSecond">Of all ranks together.</param>
/// <param name="GradientNorm">Before clipping.</param>
/// <param name="HeldOutLoss">Mean loss per predicted held-out token, in nats, where the step evaluated it.</param>
/// <param name="Measures">What else was measured on the held-out part then; null for nothing.</param>
public sealed record MetricRow(
    int Lineage,
    int Generation,
    long Step,
    DateTimeOffset At,
    int WorldSize,
    double Loss,
    double LearningRate,
    double TokensPerSecond,
    double? GradientNorm,
    double? HeldOutLoss,
    MeasureValues? Measures = null);

/// <summary>A line of a rank's log.</summary>
/// <param name="Sequence">Grows within the store; 0 before it is recorded.</param>
/// <param name="Member">The rank process that wrote it, by its number in the job.</param>
/// <param name="Generation">The generation that the process was in then; 0 before its first.</param>
/// <param name="Rank">Its rank then; -1 before its first generation.</param>
/// <param name="Number">The line's number in that process, from 1 on.</param>
/// <param name="At">When.</param>
/// <param name="Worker">The rank's worker.</param>
/// <param name="Text">The line.</param>
public sealed record LogRow(
    long Sequence, long Member, int Generation, int Rank, long Number, DateTimeOffset At, string Worker, string Text);

/// <summary>A checkpoint that was written.</summary>
/// <param name="Name">Such as <c>l0000-g0001-s00000100</c>.</param>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Step">The step.</param>
/// <param name="At">When.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Kept">Whether it is still on storage.</param>
public sealed record CheckpointRow(string Name, int Lineage, int Generation, long Step, DateTimeOffset At, long Bytes, bool Kept);

/// <summary>How far a job is, from what was recorded.</summary>
/// <param name="Lineage">The current lineage.</param>
/// <param name="Generation">The current generation.</param>
/// <param name="CommittedStep">The furthest step recorded under the lineage by generations that were current then.</param>
/// <param name="LastMetric">The numbers of the newest step.</param>
/// <param name="HeldOutLoss">The newest evaluation.</param>
/// <param name="Measures">What else the newest evaluation measured; null for nothing.</param>
/// <param name="AgainFrom">
/// While the newest generation computes steps again that were committed: the last step before its first one. Null when it does not.
/// </param>
public sealed record JobProgress(
    int Lineage, int Generation, long CommittedStep, MetricRow? LastMetric, double? HeldOutLoss, long? AgainFrom = null, MeasureValues? Measures = null);

/// <summary>What one worker has sent at one time. Everything in it is recorded in one transaction.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Worker">The worker.</param>
/// <param name="Metrics">Numbers of steps.</param>
/// <param name="Logs">Log lines.</param>
/// <param name="Checkpoints">Checkpoints that were written.</param>
/// <param name="DeletedCheckpoints">Names of checkpoints that were deleted.</param>
/// <param name="Samples">What ranks have measured of themselves; null for nothing.</param>
public sealed record TelemetryBatch(
    string JobId,
    string Worker,
    IReadOnlyList<MetricRow> Metrics,
    IReadOnlyList<LogRow> Logs,
    IReadOnlyList<CheckpointRow> Checkpoints,
    IReadOnlyList<string> DeletedCheckpoints,
    IReadOnlyList<RankSampleRow>? Samples = null);

/// <summary>Metrics, logs, samples and checkpoints: append-only tables beside the grains. What comes twice is recorded once.</summary>
public interface ITelemetryStore
{
    /// <summary>
    /// Makes a generation the one whose steps commit. The job's grain calls it before anybody can hear of the generation, so a step
    /// of an older one that comes later is recorded as a metric and commits nothing.
    /// </summary>
    /// <param name="jobId">The job.</param>
    /// <param name="lineage">The lineage.</param>
    /// <param name="generation">The generation; one that is older than the newest, told again, changes nothing.</param>
    /// <param name="worldSize">Its ranks.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task BeginGenerationAsync(string jobId, int lineage, int generation, int worldSize, CancellationToken cancellationToken);

    /// <summary>Records batches.</summary>
    /// <returns>The steps that were not recorded before.</returns>
    Task<IReadOnlyList<MetricRow>> RecordAsync(IReadOnlyList<TelemetryBatch> batches, CancellationToken cancellationToken);

    /// <summary>How far a job is.</summary>
    Task<JobProgress> ProgressAsync(string jobId, CancellationToken cancellationToken);

    /// <summary>
    /// One point per step, after a step, in order: what a generation recorded counts up to the first step that a newer one recorded.
    /// </summary>
    Task<IReadOnlyList<MetricRow>> MetricsAfterAsync(string jobId, long step, int maximum, CancellationToken cancellationToken);

    /// <summary>Log lines after a sequence number, in order.</summary>
    Task<IReadOnlyList<LogRow>> LogsAfterAsync(string jobId, int? rank, long sequence, int maximum, CancellationToken cancellationToken);

    /// <summary>The sequence number after which the last so many lines come.</summary>
    Task<long> LogTailAsync(string jobId, int? rank, int lines, CancellationToken cancellationToken);

    /// <summary>Checkpoints, newest first.</summary>
    Task<IReadOnlyList<CheckpointRow>> CheckpointsAsync(string jobId, CancellationToken cancellationToken);
}
