using System.Collections.Immutable;
using Linformer.Coordinator.Storage.Metrics;

namespace Linformer.Coordinator.Storage;

/// <summary>A period of a job's membership that has taken a step.</summary>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
/// <param name="WorldSize">Its ranks.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="FirstStep">The first step that was recorded under it.</param>
public sealed record GenerationRow(int Lineage, int Generation, int WorldSize, DateTimeOffset StartedAt, long FirstStep);

/// <summary>Which log lines to read.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Rank">Only this rank; null for all.</param>
/// <param name="Contains">Only lines that contain this text, upper and lower case alike; empty for all.</param>
/// <param name="Before">Lines before this sequence number, from the newest on; 0 for the end of the log. Not with <paramref name="After"/>.</param>
/// <param name="After">Lines after this sequence number instead, from the oldest on; 0 for none such.</param>
/// <param name="Maximum">At most so many.</param>
public sealed record LogQuery(string JobId, int? Rank, string Contains, long Before, long After, int Maximum);

/// <summary>Log lines that were read.</summary>
/// <param name="Lines">Oldest first.</param>
/// <param name="More">Whether there is more in the direction in which they were read.</param>
/// <param name="LookedTo">The last line that was looked at, to go on from; 0 if there is none.</param>
public sealed record LogPage(IReadOnlyList<LogRow> Lines, bool More, long LookedTo);

/// <summary>Telemetry as pages and charts show it. Each call reads a bounded number of rows.</summary>
public interface ITelemetryReader
{
    /// <summary>Metrics of a range of steps as at most so many equal buckets; where there are no more steps, each is a bucket.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="from">The first step; 0 for the oldest.</param>
    /// <param name="to">The last step; 0 for the newest.</param>
    /// <param name="points">The most buckets, from 1 on.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<MetricRange> MetricRangeAsync(string jobId, long from, long to, int points, CancellationToken cancellationToken);

    /// <summary>Steps of a range that count and whose evaluation measured more than the loss, evenly chosen from the newest on, oldest first.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="from">The first step; 0 for the oldest.</param>
    /// <param name="to">The last step; 0 for the newest.</param>
    /// <param name="points">The most of them, from 1 on.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<IReadOnlyList<MetricRow>> EvaluationsAsync(string jobId, long from, long to, int points, CancellationToken cancellationToken);

    /// <summary>Of each job the mean losses of at most so many equal parts of its steps, oldest first; NaN where none is finite.</summary>
    Task<ImmutableArray<ImmutableArray<double>>> LossLinesAsync(IReadOnlyList<string> jobIds, int points, CancellationToken cancellationToken);

    /// <summary>The newest generations that have taken a step, oldest first.</summary>
    Task<IReadOnlyList<GenerationRow>> GenerationsAsync(string jobId, int maximum, CancellationToken cancellationToken);

    /// <summary>
    /// Samples of a range of steps that count, evenly chosen by step, by rank and then by step: of as many equal parts of the range the newest.
    /// Of many ranks there are fewer each, so that they are 20,000 in all.
    /// </summary>
    /// <param name="jobId">The job.</param>
    /// <param name="rank">Only this rank; null for all.</param>
    /// <param name="from">The first step; 0 for the oldest.</param>
    /// <param name="to">The last step; 0 for the newest.</param>
    /// <param name="points">The most samples of a rank, from 1 on.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<IReadOnlyList<RankSampleRow>> RankSamplesAsync(string jobId, int? rank, long from, long to, int points, CancellationToken cancellationToken);

    /// <summary>Samples that were recorded after one, in the order in which they were.</summary>
    Task<IReadOnlyList<RankSampleRow>> RankSamplesAfterAsync(string jobId, long sequence, int maximum, CancellationToken cancellationToken);

    /// <summary>A page of the log. A search looks through a bounded number of lines.</summary>
    Task<LogPage> LogPageAsync(LogQuery query, CancellationToken cancellationToken);
}
