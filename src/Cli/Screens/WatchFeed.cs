using Grpc.Core;
using Linformer.Cli.Charts;
using Linformer.Cli.Cluster;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Screens;

/// <summary>
/// Gathers what the screen of a watched job shows: what the coordinator tells of the job as it happens, and what it is asked for now
/// and then. Safe for use by several threads.
/// </summary>
/// <param name="client">The connection.</param>
/// <param name="job">The job's id or name.</param>
internal sealed class WatchFeed(CoordinatorClient client, string job)
{
    private const int MostEntries = 200;
    private const int MostLines = 200;
    private const int MostLive = 2000;
    private const int SampledSteps = 2000;
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly List<HistoryEntry> _history = [];
    private readonly List<LogLine> _log = [];
    private readonly List<MetricPoint> _live = [];
    private readonly StepRate _rate = new(TimeProvider.System);
    private MetricRangeResponse _range = new();
    private WatchState _state = new();
    private volatile bool _stale = true;

    /// <summary>The newest event; null before the first.</summary>
    public WatchEvent? Last { get; private set; }

    /// <summary>Reads what happens to the job until it has ended.</summary>
    /// <param name="cancellation">Ends it early.</param>
    public async Task FollowAsync(CancellationToken cancellation)
    {
        await foreach (var change in JobWatch.EventsAsync(client, job, Say, cancellation))
            Take(change);
    }

    /// <summary>Asks for the rest, until it is cancelled. What is not answered is asked for again.</summary>
    /// <param name="width">Tells the cells in a row of the window.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task RefreshAsync(Func<int> width, CancellationToken cancellation)
    {
        var drawn = 0;
        for (var round = 0; ; await Task.Delay(Tick, cancellation))
        {
            if (Last is { } last)
            {
                var (id, now) = (last.Job.Id, width());
                if (_stale || now != drawn)
                    await TryAsync(() => LoadRangeAsync(id, drawn = now, cancellation));
                if (round % 4 == 0)
                    await TryAsync(() => LoadLogAsync(id, cancellation));
                if (round % 10 == 0)
                    await TryAsync(() => LoadSamplesAsync(last.Job, cancellation));
                round++;
            }
        }
    }

    /// <summary>What there is now.</summary>
    /// <param name="log">Whether the loss has a logarithmic scale.</param>
    public WatchState Now(bool log)
    {
        lock (_lock)
        {
            var live = _live.Where(point => point.Step > _range.NewestStep).ToList();
            return _state with
            {
                LogScale = log,
                History = [.. _history],
                Log = [.. _log],
                Loss = Points("loss", live, point => point.Loss),
                TokensPerSecond = Points("tokensPerSecond", live, point => point.TokensPerSecond),
                LearningRate = Points("learningRate", live, point => point.LearningRate),
                HeldOut = [.. Points("heldOutLoss", live, point => point.HasHeldOutLoss ? point.HeldOutLoss : double.NaN).Select(point => (point.Step, point.Mean))],
            };
        }
    }

    private void Say(string notice)
    {
        lock (_lock)
            _state = _state with { Notice = notice };
    }

    private void Take(WatchEvent change)
    {
        lock (_lock)
        {
            var before = _state.Job;
            Last = change;
            _history.AddRange(change.History);
            _history.RemoveRange(0, Math.Max(0, _history.Count - MostEntries));
            if (before is not null && (before.Lineage, before.Generation) != (change.Job.Lineage, change.Job.Generation))
                _stale = true;
            if (change.Metrics is { } metrics)
            {
                _rate.Take(metrics.Lineage, metrics.Generation, metrics.Step);
                // Steps that were taken back come again.
                if (_live.Count >= MostLive || (_live.Count > 0 && metrics.Step <= _live[^1].Step) || metrics.Lineage > (_state.Metrics?.Lineage ?? 0))
                {
                    _live.Clear();
                    _stale = true;
                }

                _live.Add(metrics);
            }

            var newest = change.Metrics ?? _state.Metrics ?? change.Job.LastMetrics;
            _state = _state with
            {
                Job = change.Job,
                Notice = "",
                Metrics = newest,
                Ranks = [.. change.Ranks.OrderBy(rank => !rank.InGeneration).ThenBy(rank => rank.Rank_)],
                Corpus = change.Corpus,
                HeldOutLoss = change.HasHeldOutLoss ? change.HeldOutLoss : newest is { HasHeldOutLoss: true } ? newest.HeldOutLoss : _state.HeldOutLoss,
                Left = _rate.Left(change.Job.TotalSteps),
            };
        }
    }

    private async Task LoadRangeAsync(string id, int width, CancellationToken cancellation)
    {
        _stale = false;
        var request = new MetricRangeRequest { Job = id, Points = Math.Clamp(width * 2, 100, 4000) };
        request.Series.AddRange(["loss", "tokensPerSecond", "learningRate", "heldOutLoss"]);
        var range = await client.Jobs.MetricRangeAsync(request, client.Call(Deadline, cancellation));
        var details = await client.Jobs.ShowAsync(new ShowJobRequest { Job = id }, client.Call(Deadline, cancellation));
        lock (_lock)
        {
            _range = range;
            _live.RemoveAll(point => point.Step <= range.NewestStep);
            _state = _state with { Boundaries = [.. details.Generations.Select(generation => generation.FirstStep)] };
        }
    }

    private async Task LoadLogAsync(string id, CancellationToken cancellation)
    {
        var after = _log.Count > 0 ? _log[^1].Sequence : 0;
        var page = await client.Jobs.LogPageAsync(new LogPageRequest { Job = id, After = after, PageSize = MostLines }, client.Call(Deadline, cancellation));
        lock (_lock)
        {
            _log.AddRange(page.Lines);
            _log.RemoveRange(0, Math.Max(0, _log.Count - MostLines));
        }
    }

    private async Task LoadSamplesAsync(Job newest, CancellationToken cancellation)
    {
        var request = new RankSamplesRequest { Job = newest.Id, FromStep = Math.Max(0, newest.CommittedStep - SampledSteps), Points = 1 };
        var response = await client.Jobs.RankSamplesAsync(request, client.Call(Deadline, cancellation));
        lock (_lock)
            _state = _state with { Samples = response.Samples.GroupBy(sample => sample.Rank).ToDictionary(group => group.Key, group => group.Last()) };
    }

    // That the coordinator is away is told by the stream.
    private async Task TryAsync(Func<Task> load)
    {
        try
        {
            await load();
        }
        catch (RpcException)
        {
            _stale |= _range.JobId.Length == 0;
        }
    }

    private List<ChartPoint> Points(string series, List<MetricPoint> live, Func<MetricPoint, double> value)
    {
        var points = new List<ChartPoint>();
        if (_range.Series.FirstOrDefault(candidate => candidate.Name == series) is { } known)
            points.AddRange(_range.FirstStep.Take(known.Mean.Count).Select((step, i) => new ChartPoint(step, known.Min[i], known.Mean[i], known.Max[i])));
        points.AddRange(live.Select(point => new ChartPoint(point.Step, value(point))));
        return points;
    }
}
