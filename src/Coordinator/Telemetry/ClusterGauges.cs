using System.Collections.Immutable;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services;
using Linformer.Coordinator.Storage;
using Serilog;

namespace Linformer.Coordinator.Telemetry;

/// <summary>
/// Looks at the database and the grains for those who ask for metrics: once for all of them, and at most once every few seconds.
/// Whoever asks gets what was last seen, and need not wait.
/// </summary>
internal sealed class ClusterGauges(
    IJobStore jobs, ITelemetryStore telemetry, ClusterReader cluster, CoordinatorDatabase database, StorageGauge storage, TimeProvider time, ILogger logger) : IDisposable
{
    /// <summary>So many jobs have series of their own.</summary>
    public const int MostJobs = 200;

    private const int MostWaiting = 1000;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _ended = new();
    private readonly Dictionary<string, DateTimeOffset> _queuedSince = new(StringComparer.Ordinal);
    private volatile ClusterReading? _last;
    private Task _reading = Task.CompletedTask;
    private long? _begunAt;

    /// <summary>How the cluster was when it was last looked at; null before the first time. Has it looked at again if that is long ago.</summary>
    public ClusterReading? Last
    {
        get
        {
            _ = ReadAsync();
            return _last;
        }
    }

    /// <summary>Returns once it was looked at, if that was too long ago; or when that takes too long.</summary>
    /// <param name="atMost">The longest to wait.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task RefreshAsync(TimeSpan atMost, CancellationToken cancellationToken) => Task.WhenAny(ReadAsync(), Task.Delay(atMost, time, cancellationToken));

    /// <inheritdoc/>
    public void Dispose()
    {
        _ended.Cancel();
        _ended.Dispose();
    }

    private Task ReadAsync()
    {
        lock (_lock)
        {
            if (!_reading.IsCompleted || _ended.IsCancellationRequested || (_begunAt is { } begun && time.GetElapsedTime(begun) < Interval))
                return _reading;
            _begunAt = time.GetTimestamp();
            return _reading = Task.Run(TryReadAsync);
        }
    }

    private async Task TryReadAsync()
    {
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_ended.Token);
            limit.CancelAfter(Patience);
            _last = await LookAsync(limit.Token);
        }
        catch (Exception exception)
        {
            if (!_ended.IsCancellationRequested)
                logger.Debug("The cluster could not be looked at for metrics: {Reason:l}", exception.Message);
        }
    }

    private async Task<ClusterReading> LookAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var counts = await database.ReadAsync(
            session => session.All("SELECT phase, count(*) FROM jobs GROUP BY phase", row => ((JobPhase)row.GetInt32(0), row.GetInt64(1))), cancellationToken);
        var active = await ListAsync(MostJobs, [JobPhase.Preparing, JobPhase.Running], cancellationToken);
        var waiting = await ListAsync(MostWaiting, [JobPhase.Queued, JobPhase.Paused], cancellationToken);
        var readings = await Task.WhenAll(active.Concat(waiting).Take(MostJobs).Select(view => ReadAsync(view, now, cancellationToken)));
        var corpora = await cluster.CorporaAsync(cancellationToken);
        return new ClusterReading
        {
            At = now,
            Jobs = counts.ToImmutableDictionary(count => count.Item1, count => count.Item2),
            Unfinished = [.. readings],
            LongestWait = LongestWait(waiting, now),
            Workers = [.. await cluster.WorkersAsync(cancellationToken)],
            Corpora = corpora.GroupBy(corpus => corpus.Stage).ToImmutableDictionary(group => group.Key, group => (long)group.Count()),
            Storage = await storage.ReadAsync(cancellationToken),
        };
    }

    private async Task<List<JobView>> ListAsync(int most, IReadOnlyList<JobPhase> phases, CancellationToken cancellationToken) =>
        [.. (await jobs.ListAsync(new JobFilter(phases, "", most, After: null), cancellationToken)).Select(row => row.View)];

    private async Task<JobReading> ReadAsync(JobView view, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (view.Phase is not (JobPhase.Running or JobPhase.Paused))
            return new JobReading(view, null, TimeSpan.Zero);
        var progress = await telemetry.ProgressAsync(view.JobId, cancellationToken);
        var since = view.Placements.Select(placement => placement.At).Append(progress.LastMetric?.At ?? view.SubmittedAt).Max();
        return new JobReading(view, progress, now > since ? now - since : TimeSpan.Zero);
    }

    // Of a job that was queued again, only when it was first seen so is known.
    private TimeSpan LongestWait(List<JobView> waiting, DateTimeOffset now)
    {
        var queued = waiting.Where(view => view.Phase == JobPhase.Queued).ToDictionary(view => view.JobId, StringComparer.Ordinal);
        foreach (var gone in _queuedSince.Keys.Where(id => !queued.ContainsKey(id)).ToList())
            _queuedSince.Remove(gone);
        foreach (var (id, view) in queued)
            _queuedSince.TryAdd(id, view.StartedAt is null ? view.SubmittedAt : now);
        var first = _queuedSince.Values.Append(now).Min();
        return now - first;
    }
}
