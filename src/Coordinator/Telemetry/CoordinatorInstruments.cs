using System.Diagnostics;
using System.Diagnostics.Metrics;
using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Telemetry;

/// <summary>What coordinators of this process count as it happens.</summary>
internal static class CoordinatorInstruments
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Linformer.Coordinator";

    private const string Outcome = "outcome";
    private const string Cause = "cause";
    private const string Kind = "kind";
    private const string Reason = "reason";

    // From a fsync on a fast disk to a database that is away.
    private static readonly InstrumentAdvice<double> Seconds = new() { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] };

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Submitted = Meter.CreateCounter<long>("linformer.jobs.submitted", "{job}", "Jobs that were created");
    private static readonly Counter<long> Ended = Meter.CreateCounter<long>("linformer.jobs.ended", "{job}", "Jobs that have ended, by outcome");
    private static readonly Counter<long> Generations = Meter.CreateCounter<long>("linformer.generations", "{generation}", "Generations of ranks that were started, by cause");
    private static readonly Counter<long> RankFailures = Meter.CreateCounter<long>("linformer.rank.failures", "{failure}", "Failures of ranks that jobs noted, by kind");
    private static readonly Counter<long> BadLosses = Meter.CreateCounter<long>("linformer.losses.bad", "{step}", "Recorded steps whose loss is not a finite number");
    private static readonly Counter<long> TelemetryItems = Meter.CreateCounter<long>("linformer.telemetry.items", "{item}", "Metric points, log lines and checkpoints that workers sent, by outcome");
    private static readonly Counter<long> DatabaseWrites = Meter.CreateCounter<long>("linformer.db.writes", "{transaction}", "Transactions that were written to the database, by outcome");
    private static readonly Histogram<double> DatabaseWriteDuration = Meter.CreateHistogram("linformer.db.write.duration", "s", "How long a transaction took, tries of one that failed included", tags: null, Seconds);
    private static readonly Histogram<double> PassDuration = Meter.CreateHistogram("linformer.scheduler.pass.duration", "s", "How long the scheduler took for a look at all jobs and workers", tags: null, Seconds);
    private static readonly Counter<long> FailedPasses = Meter.CreateCounter<long>("linformer.scheduler.passes.failed", "{pass}", "Passes of the scheduler that failed");
    private static readonly Counter<long> AuditFailures = Meter.CreateCounter<long>("linformer.audit.failures", "{entry}", "Entries of the audit log that could not be written");
    private static readonly Counter<long> Deleted = Meter.CreateCounter<long>("linformer.retention.deleted", "{row}", "Rows of old telemetry that were deleted, by kind");
    private static readonly Counter<long> Calls = Meter.CreateCounter<long>("linformer.calls", "{call}", "Calls that have ended, by method and status");
    private static readonly Histogram<double> CallDuration = Meter.CreateHistogram("linformer.call.duration", "s", "How long calls took; streams until they ended", tags: null, Seconds);
    private static readonly UpDownCounter<long> OpenCalls = Meter.CreateUpDownCounter<long>("linformer.calls.open", "{call}", "Calls and streams that are open");

    /// <summary>Has counters begin with 0, so that the first event is seen as a growth.</summary>
    public static void Begin()
    {
        Submitted.Add(0);
        foreach (var outcome in (string[])["succeeded", "failed", "cancelled"])
            Ended.Add(0, new KeyValuePair<string, object?>(Outcome, outcome));
        foreach (var cause in (string[])["start", "restart", "growth", "loss", "handover", "break", "go-back"])
            Generations.Add(0, new KeyValuePair<string, object?>(Cause, cause));
        foreach (var kind in (string[])["signal", "exit", "peer-lost", "lost"])
            RankFailures.Add(0, new KeyValuePair<string, object?>(Kind, kind));
        foreach (var outcome in (string[])["recorded", "refused"])
            TelemetryItems.Add(0, new KeyValuePair<string, object?>(Outcome, outcome));
        foreach (var outcome in (string[])["committed", "failed"])
            DatabaseWrites.Add(0, new KeyValuePair<string, object?>(Outcome, outcome));
        foreach (var kind in (string[])["log-lines", "metrics"])
            Deleted.Add(0, new KeyValuePair<string, object?>(Kind, kind));
        BadLosses.Add(0);
        FailedPasses.Add(0);
        AuditFailures.Add(0);
    }

    /// <summary>Counts what a change of a job's state means.</summary>
    /// <param name="before">The job before; null for one that was created.</param>
    /// <param name="after">The job after.</param>
    public static void CountChange(JobView? before, JobView after)
    {
        if (before is null)
            Submitted.Add(1);
        if (after.HasEnded && before is not { HasEnded: true })
            Ended.Add(1, new KeyValuePair<string, object?>(Outcome, after.Phase.ToString().ToLowerInvariant()));
        if (after.LastFailure is { } failure && !ReferenceEquals(failure, before?.LastFailure) && !failure.Equals(before?.LastFailure))
            RankFailures.Add(1, new KeyValuePair<string, object?>(Kind, KindOf(failure)));
        if (before is not null && after.Generation > before.Generation)
            Generations.Add(1, new KeyValuePair<string, object?>(Cause, GenerationCauses.Of(before, after)));
    }

    /// <summary>Counts a recorded step's loss if it is bad. A step that is left out on purpose has none, and trains no token.</summary>
    public static void CountLoss(double loss, double tokensPerSecond)
    {
        if (!double.IsFinite(loss) && !(double.IsNaN(loss) && tokensPerSecond == 0))
            BadLosses.Add(1);
    }

    /// <summary>Counts items of telemetry.</summary>
    public static void CountTelemetry(int recorded, int refused)
    {
        TelemetryItems.Add(recorded, new KeyValuePair<string, object?>(Outcome, "recorded"));
        TelemetryItems.Add(refused, new KeyValuePair<string, object?>(Outcome, "refused"));
    }

    /// <summary>Counts a transaction.</summary>
    /// <param name="since">When it began, as a timestamp of <see cref="Stopwatch"/>.</param>
    /// <param name="failed">Whether it was not recorded.</param>
    public static void CountWrite(long since, bool failed)
    {
        DatabaseWriteDuration.Record(Stopwatch.GetElapsedTime(since).TotalSeconds);
        DatabaseWrites.Add(1, new KeyValuePair<string, object?>(Outcome, failed ? "failed" : "committed"));
    }

    /// <summary>Counts a pass of the scheduler.</summary>
    /// <param name="since">When it began, as a timestamp of <see cref="Stopwatch"/>.</param>
    public static void CountPass(long since) => PassDuration.Record(Stopwatch.GetElapsedTime(since).TotalSeconds);

    /// <summary>Counts a pass of the scheduler that failed.</summary>
    public static void CountFailedPass() => FailedPasses.Add(1);

    /// <summary>Counts an entry of the audit log that is missing.</summary>
    /// <param name="reason">What it was about: <c>call</c>, <c>refusal</c> or <c>count</c>.</param>
    public static void CountAuditFailure(string reason) => AuditFailures.Add(1, new KeyValuePair<string, object?>(Reason, reason));

    /// <summary>Counts rows that were deleted for their age.</summary>
    public static void CountDeleted(long logLines, long metrics)
    {
        Deleted.Add(logLines, new KeyValuePair<string, object?>(Kind, "log-lines"));
        Deleted.Add(metrics, new KeyValuePair<string, object?>(Kind, "metrics"));
    }

    /// <summary>Counts a call that begins.</summary>
    public static void CallBegins(string method) => OpenCalls.Add(1, new KeyValuePair<string, object?>("method", method));

    /// <summary>Counts a call that has ended.</summary>
    /// <param name="method">The method or route, of a bounded set.</param>
    /// <param name="status">Its status.</param>
    /// <param name="since">When it began, as a timestamp of <see cref="Stopwatch"/>.</param>
    public static void CallEnds(string method, string status, long since)
    {
        OpenCalls.Add(-1, new KeyValuePair<string, object?>("method", method));
        CallDuration.Record(Stopwatch.GetElapsedTime(since).TotalSeconds, new KeyValuePair<string, object?>("method", method));
        Calls.Add(1, new("method", method), new("status", status));
    }

    private static string KindOf(FailedRank failure) => failure switch
    {
        { PeerLost: true } => "peer-lost",
        { Signal.Length: > 0 } => "signal",
        { ExitCode: not 0 } => "exit",
        _ => "lost",
    };
}
