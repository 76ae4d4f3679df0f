using System.Collections.Immutable;
using System.Diagnostics;
using Grpc.Core;
using Linformer.Protocol.V1;

namespace Linformer.Chaos;

/// <summary>A step as it was first seen committed.</summary>
/// <param name="Lineage">Its lineage.</param>
/// <param name="Generation">The generation that computed it.</param>
/// <param name="WorldSize">Ranks of that generation.</param>
/// <param name="SeenAt">When, by the monitor's clock (<see cref="Stopwatch.GetTimestamp"/>).</param>
public sealed record SeenStep(int Lineage, int Generation, int WorldSize, long SeenAt);

/// <summary>
/// Looks at a job all the time, as any client could: a watch that connects again, and polls of metrics and details. It keeps
/// what it saw first, so that what the coordinator says later can be held against it.
/// </summary>
public sealed class JobMonitor : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan DetailsEvery = TimeSpan.FromMilliseconds(100);

    private readonly ClusterClient _client;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _work;
    private readonly Lock _gate = new();
    private readonly Dictionary<long, SeenStep> _steps = [];
    private readonly List<string> _backward = [];

    // Watch and show are read at the same time: what is older than what the other said is no step backward.
    private readonly Dictionary<string, (int Lineage, long Step)> _marks = new(StringComparer.Ordinal);
    private JobDetails? _details;
    private long _detailsAt;
    private long _newest;

    /// <summary>Begins to look.</summary>
    /// <param name="client">The connection.</param>
    /// <param name="job">The job's id.</param>
    /// <param name="onChange">Told when the generation or state changes.</param>
    public JobMonitor(ClusterClient client, string job, Action<string> onChange)
    {
        (_client, Job) = (client, job);
        _work = Task.WhenAll(
            Task.Run(() => PollAsync(onChange)),
            Task.Run(WatchAsync));
    }

    /// <summary>The job's id.</summary>
    public string Job { get; }

    /// <summary>The furthest step seen as committed.</summary>
    public long CommittedStep => Interlocked.Read(ref _newest);

    /// <summary>The newest details; null before the first answer.</summary>
    public JobDetails? Details
    {
        get
        {
            lock (_gate)
                return _details;
        }
    }

    /// <summary>How old <see cref="Details"/> are.</summary>
    public TimeSpan DetailsAge
    {
        get
        {
            lock (_gate)
                return _details is null ? TimeSpan.MaxValue : Stopwatch.GetElapsedTime(_detailsAt);
        }
    }

    /// <summary>Each step as it was first seen.</summary>
    public ImmutableDictionary<long, SeenStep> Steps
    {
        get
        {
            lock (_gate)
                return _steps.ToImmutableDictionary();
        }
    }

    /// <summary>Where committed steps went backward within a lineage.</summary>
    public ImmutableArray<string> Backward
    {
        get
        {
            lock (_gate)
                return [.. _backward];
        }
    }

    /// <summary>Ranks of the newest generation that train, as far as the coordinator has told.</summary>
    public ImmutableArray<Rank> Training =>
        Details is { } details ? [.. details.Ranks.Where(rank => rank.State == "training" && rank.InGeneration)] : [];

    /// <summary>Whether the job has ended.</summary>
    public bool HasEnded => Details?.Job.State is JobState.Succeeded or JobState.Failed or JobState.Cancelled;

    /// <summary>Waits for the job's end.</summary>
    /// <exception cref="TimeoutException">No step and no change for as long as the patience.</exception>
    public async Task WaitForEndAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        var (step, since) = (-1L, Stopwatch.GetTimestamp());
        while (!HasEnded)
        {
            if (CommittedStep != step)
                (step, since) = (CommittedStep, Stopwatch.GetTimestamp());
            if (Stopwatch.GetElapsedTime(since) > patience)
                throw new TimeoutException($"{Job} took no step for {patience.TotalSeconds:0} s: step {step}, {Describe()}.");
            await Task.Delay(Pause, cancellationToken);
        }
    }

    /// <summary>The job in words.</summary>
    public string Describe() => Details is not { } details
        ? "never seen"
        : $"{details.Job.State}, lineage {details.Job.Lineage}, generation {details.Job.Generation}, {details.Job.WorldSize} ranks"
            + $" [{string.Join(", ", details.Ranks.Select(r => $"m{r.Member} {r.Worker} {r.State}"))}]{(details.Job.Reason.Length > 0 ? $", {details.Job.Reason}" : "")}";

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _work;
        _stop.Dispose();
    }

    private async Task PollAsync(Action<string> onChange)
    {
        var known = "";
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                foreach (var point in await _client.MetricsAsync(Job, CommittedStep, _stop.Token))
                    Record(point);
                if (DetailsAge > DetailsEvery)
                {
                    var details = await _client.ShowAsync(Job, _stop.Token);
                    Record(details);
                    var now = $"{details.Job.State} lineage {details.Job.Lineage} generation {details.Job.Generation}, {details.Job.WorldSize} ranks";
                    if (now != known)
                        onChange($"step {CommittedStep}: {known = now}{(details.History.Count > 0 ? $" ({details.History[^1].What}{(details.History[^1].Why.Length > 0 ? ": " + details.History[^1].Why : "")})" : "")}");
                }

                await Task.Delay(Pause, _stop.Token);
            }
            catch (Exception error) when (error is RpcException or OperationCanceledException or IOException)
            {
                // The coordinator is away, or this monitor ends.
                await Task.Delay(Pause, CancellationToken.None);
            }
        }
    }

    private async Task WatchAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using var call = _client.Watch(Job, 0, _stop.Token);
                while (await call.ResponseStream.MoveNext(_stop.Token))
                    Record(call.ResponseStream.Current.Job, "watch");
                if (HasEnded)
                    return;
            }
            catch (Exception error) when (error is RpcException or OperationCanceledException or IOException)
            {
            }

            await Task.Delay(Pause, CancellationToken.None);
        }
    }

    private void Record(MetricPoint point)
    {
        lock (_gate)
        {
            _steps.TryAdd(point.Step, new SeenStep(point.Lineage, point.Generation, point.WorldSize, Stopwatch.GetTimestamp()));
            if (point.Step > _newest)
                Interlocked.Exchange(ref _newest, point.Step);
        }
    }

    private void Record(JobDetails details)
    {
        Record(details.Job, "show");
        lock (_gate)
            (_details, _detailsAt) = (details, Stopwatch.GetTimestamp());
    }

    private void Record(Job job, string source)
    {
        lock (_gate)
        {
            var (lineage, step) = _marks.GetValueOrDefault(source);
            if (job.Lineage < lineage || (job.Lineage == lineage && job.CommittedStep < step))
                _backward.Add($"{source} said lineage {job.Lineage} step {job.CommittedStep} after lineage {lineage} step {step}");
            _marks[source] = (job.Lineage, job.CommittedStep);
        }
    }
}
