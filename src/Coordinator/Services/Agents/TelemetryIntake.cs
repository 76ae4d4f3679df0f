using System.Text.RegularExpressions;
using Google.Protobuf.WellKnownTypes;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Telemetry;
using Linformer.Protocol.Wire;
using Serilog;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Agents;

/// <summary>
/// Records what one agent sends of its ranks. What cannot be right (an unknown job, a generation that never was, a step beyond
/// the job's end) is refused for good and logged, since sending it again would not mend it. Not for several threads at a time.
/// </summary>
internal sealed partial class TelemetryIntake(
    KnownJobs jobs, ITelemetryStore telemetry, string worker, ILogger logger, Func<string, string, Task> warn)
{
    private const int MaxRank = 1 << 20;

    // A week for a phase of a step, and a pebibyte.
    private const double LongestPhase = 7 * 86_400_000.0;
    private const long MostMemory = 1L << 50;

    private long _refused;

    /// <summary>Records a message's items in one transaction. Returns once they are committed.</summary>
    /// <exception cref="StorageException">They were not recorded.</exception>
    public async Task RecordAsync(Proto.Telemetry message, CancellationToken cancellationToken)
    {
        var batches = new Dictionary<string, Batch>(StringComparer.Ordinal);
        var refused = 0;
        var reason = "";
        foreach (var item in message.Items)
        {
            if (await RefuseAsync(item, cancellationToken) is { } why)
            {
                refused++;
                reason = why;
                continue;
            }
            if (!batches.TryGetValue(item.JobId, out var batch))
                batches.Add(item.JobId, batch = new Batch());
            Add(batch, item);
        }
        if (refused > 0)
        {
            _refused += refused;
            logger.Warning(
                "{Refused} telemetry items of worker {Worker:l} were refused, {RefusedInAll} since it connected; the last one because {Reason:l}",
                refused, worker, _refused, reason);
        }
        if (batches.Count > 0)
        {
            var steps = await telemetry.RecordAsync([.. batches.Select(pair => pair.Value.ToRecord(pair.Key, worker))], cancellationToken);
            foreach (var step in steps)
                CoordinatorInstruments.CountLoss(step.Loss, step.TokensPerSecond);
        }
        CoordinatorInstruments.CountTelemetry(message.Items.Count - refused, refused);
        foreach (var (jobId, batch) in batches)
        {
            foreach (var warning in batch.Warnings)
                await warn(jobId, warning);
        }
    }

    private async Task<string?> RefuseAsync(Proto.TelemetryItem item, CancellationToken cancellationToken)
    {
        if (item.KindCase == Proto.TelemetryItem.KindOneofCase.None)
            return "it has no content that this coordinator knows";
        if (item.Lineage < 0 || item.Member < 1 || !IsRank(item))
            return $"lineage {item.Lineage}, generation {item.Generation}, rank {item.Rank}, member {item.Member} are not possible";
        if (await jobs.FindAsync(item.JobId, item.Lineage, item.Generation, cancellationToken) is not { } job)
            return $"there is no job {Guard.Refusal.Show(item.JobId)} with generation {item.Generation} of lineage {item.Lineage}";
        return item.KindCase switch
        {
            Proto.TelemetryItem.KindOneofCase.Metric when item.Metric.Step < 1 || item.Metric.Step > job.TotalSteps =>
                $"step {item.Metric.Step} of job {item.JobId} is not from 1 to {job.TotalSteps}",
            Proto.TelemetryItem.KindOneofCase.Metric when item.Metric.WorldSize is < 1 or > MaxRank =>
                $"a world of {item.Metric.WorldSize} ranks is not possible",
            Proto.TelemetryItem.KindOneofCase.Log when item.Log.Number < 1 => $"log line {item.Log.Number} is not from 1 on",
            Proto.TelemetryItem.KindOneofCase.Checkpoint when item.Checkpoint.Step < 0 || item.Checkpoint.Step > job.TotalSteps || item.Checkpoint.Bytes < 0 =>
                $"a checkpoint of step {item.Checkpoint.Step} with {item.Checkpoint.Bytes} bytes is not possible in job {item.JobId}",
            Proto.TelemetryItem.KindOneofCase.Checkpoint when !NamePattern().IsMatch(item.Checkpoint.Name) =>
                $"{Guard.Refusal.Show(item.Checkpoint.Name)} is not a checkpoint's name",
            Proto.TelemetryItem.KindOneofCase.Sample when item.Sample.Step < 1 || item.Sample.Step > job.TotalSteps || item.Sample.Steps < 1 || item.Sample.Steps > item.Sample.Step =>
                $"a sample of {item.Sample.Steps} steps up to step {item.Sample.Step} is not possible in job {item.JobId}, which has {job.TotalSteps}",
            Proto.TelemetryItem.KindOneofCase.Sample when !IsPossible(item.Sample) =>
                $"a sample of step {item.Sample.Step} of job {item.JobId} has a time or a memory that is not possible",
            _ => null,
        };
    }

    // Before its first generation a process can only log and warn. Steps of an earlier generation are told by whoever took over the
    // state with them, a rank of that generation or not.
    private static bool IsRank(Proto.TelemetryItem item) => item.Rank <= MaxRank && item.KindCase switch
    {
        Proto.TelemetryItem.KindOneofCase.Log or Proto.TelemetryItem.KindOneofCase.Warning => item.Generation >= 0 && item.Rank >= -1,
        Proto.TelemetryItem.KindOneofCase.Metric => item.Generation >= 1 && item.Rank >= -1,
        _ => item.Generation >= 1 && item.Rank >= 0,
    };

    private static bool IsPossible(Proto.RankSample sample) =>
        (double[])
        [
            sample.DataMilliseconds, sample.ForwardMilliseconds, sample.BackwardMilliseconds,
            sample.ReduceMilliseconds, sample.UpdateMilliseconds, sample.OtherMilliseconds,
        ] is var times && Array.TrueForAll(times, time => time is >= 0 and <= LongestPhase)
        && (long[])[sample.MemoryBytes, sample.PeakMemoryBytes, sample.GpuMemoryBytes] is var sizes && Array.TrueForAll(sizes, size => size is >= 0 and <= MostMemory);

    private void Add(Batch batch, Proto.TelemetryItem item)
    {
        var at = Time(item.At);
        switch (item.KindCase)
        {
            case Proto.TelemetryItem.KindOneofCase.Metric:
                var metric = item.Metric;
                batch.Metrics.Add(new MetricRow(
                    item.Lineage, item.Generation, metric.Step, at, metric.WorldSize, metric.Loss, metric.LearningRate, metric.TokensPerSecond,
                    metric.HasGradientNorm ? metric.GradientNorm : null, metric.HasHeldOutLoss ? metric.HeldOutLoss : null,
                    MeasureValues.OfTold(metric.Measures)));
                break;
            case Proto.TelemetryItem.KindOneofCase.Log:
                var text = item.Log.Text.Length <= WireLimits.MaxLogLine ? item.Log.Text : item.Log.Text[..WireLimits.MaxLogLine];
                batch.Logs.Add(new LogRow(0, item.Member, item.Generation, item.Rank, item.Log.Number, at, worker, text));
                break;
            case Proto.TelemetryItem.KindOneofCase.Checkpoint:
                var written = item.Checkpoint;
                batch.Checkpoints.Add(new CheckpointRow(written.Name, item.Lineage, item.Generation, written.Step, at, written.Bytes, Kept: true));
                batch.Deleted.AddRange(written.Deleted.Where(name => NamePattern().IsMatch(name)));
                break;
            case Proto.TelemetryItem.KindOneofCase.Sample:
                var sample = item.Sample;
                batch.Samples.Add(new RankSampleRow(
                    0, item.Lineage, item.Generation, item.Rank, sample.Step, item.Member, worker, at, sample.Steps,
                    sample.DataMilliseconds, sample.ForwardMilliseconds, sample.BackwardMilliseconds, sample.ReduceMilliseconds,
                    sample.UpdateMilliseconds, sample.OtherMilliseconds, sample.MemoryBytes, sample.PeakMemoryBytes, sample.GpuMemoryBytes));
                break;
            default:
                logger.Warning(
                    "Job {JobId:l}, lineage {Lineage}, generation {Generation}, rank {Rank} on {Worker:l}: {Warning:l}",
                    item.JobId, item.Lineage, item.Generation, item.Rank, worker, item.Warning);
                batch.Warnings.Add(item.Warning);
                break;
        }
    }

    private static DateTimeOffset Time(Timestamp? at)
    {
        // The years 1 to 9999, as Timestamp.ToDateTimeOffset wants them.
        const long Earliest = -62_135_596_800;
        const long Latest = 253_402_300_799;
        return at is { Seconds: >= Earliest and <= Latest, Nanos: >= 0 and < 1_000_000_000 } ? at.ToDateTimeOffset() : DateTimeOffset.UtcNow;
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9-]{0,127}\\z", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();

    private sealed class Batch
    {
        public List<MetricRow> Metrics { get; } = [];

        public List<string> Warnings { get; } = [];

        public List<LogRow> Logs { get; } = [];

        public List<CheckpointRow> Checkpoints { get; } = [];

        public List<string> Deleted { get; } = [];

        public List<RankSampleRow> Samples { get; } = [];

        public TelemetryBatch ToRecord(string jobId, string worker) => new(jobId, worker, Metrics, Logs, Checkpoints, Deleted, Samples);
    }
}
