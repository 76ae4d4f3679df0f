using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>Records of one job, which are looked for only when something was written.</summary>
/// <param name="source">Where they are.</param>
/// <param name="name">The job's id or name.</param>
internal abstract class JobRecordTopic(StreamSource source, string name) : RecordTopic(source.Logger)
{
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(5);

    private long _writes = -1;
    private long _checkedAt;

    /// <summary>The job.</summary>
    protected string JobId { get; private set; } = "";

    /// <summary>Where they are.</summary>
    protected StreamSource Source => source;

    /// <inheritdoc/>
    protected override TimeSpan Interval { get; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Where the records end at this moment.</summary>
    protected abstract Task<long> EndAsync(CancellationToken cancellationToken);

    /// <summary>Publishes what has come since.</summary>
    protected abstract Task PublishNewAsync(CancellationToken cancellationToken);

    /// <inheritdoc/>
    protected sealed override async Task<long> BeginAsync(CancellationToken cancellationToken)
    {
        JobId = await source.Jobs.ResolveAsync(name, cancellationToken);
        _checkedAt = source.Time.GetTimestamp();
        return await EndAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected sealed override async Task ContinueAsync(CancellationToken cancellationToken)
    {
        var writes = source.Writes;
        if (writes == _writes)
            return;
        // One that was deleted has none any more.
        if (source.Time.GetElapsedTime(_checkedAt) >= CheckInterval)
        {
            await source.Jobs.ResolveAsync(JobId, cancellationToken);
            _checkedAt = source.Time.GetTimestamp();
        }
        await PublishNewAsync(cancellationToken);
        _writes = writes;
    }

    /// <summary>Publishes page after page up to the end.</summary>
    protected async Task PublishPagesAsync(CancellationToken cancellationToken)
    {
        while (await ReadAsync(Head, long.MaxValue, cancellationToken) is { } page)
            Publish(page);
    }
}

/// <summary>A job's log.</summary>
internal sealed class LogsTopic(StreamSource source, string name, int? rank) : JobRecordTopic(source, name)
{
    private const int LinesPerPage = 500;

    protected override bool Skips => true;

    protected override Task<long> EndAsync(CancellationToken cancellationToken) => Source.Telemetry.LogTailAsync(JobId, rank, lines: 0, cancellationToken);

    protected override Task PublishNewAsync(CancellationToken cancellationToken) => PublishPagesAsync(cancellationToken);

    protected override async Task<RecordPage?> ReadAsync(long after, long upTo, CancellationToken cancellationToken)
    {
        var rows = await Source.Telemetry.LogsAfterAsync(JobId, rank, after, LinesPerPage, cancellationToken);
        var lines = rows.Where(row => row.Sequence <= upTo).Select(JobMapping.ToProto).ToList();
        return lines.Count == 0 ? null : new RecordPage(lines[^1].Sequence, lines.Count, Event(lines, null));
    }

    protected override ReadOnlyMemory<byte> Skipped(long records) => Event([], records);

    private ReadOnlyMemory<byte> Event(IReadOnlyList<Proto.LogLine> lines, long? skipped) => Frame.Of("logs", json =>
    {
        json.WriteString("jobId", JobId);
        if (rank is { } only)
            json.WriteNumber("rank", only);
        json.WriteList("lines", lines);
        if (skipped is { } count)
            json.WriteNumber("skipped", count);
    });
}

/// <summary>
/// The numbers of a job's steps. Where a newer generation takes steps again, everybody is told how far back that goes before its
/// points come.
/// </summary>
internal sealed class MetricsTopic(StreamSource source, string name) : JobRecordTopic(source, name)
{
    private const int PointsPerPage = 1000;
    private const int KeptResets = 64;
    private const int KeptGaps = 8;

    private readonly Queue<(long Page, long Step)> _resets = new();
    private (int Lineage, int Generation) _made;
    // Between the steps of one generation and of the next, in order.
    private readonly List<(long After, long Before)> _gaps = [];
    // Of the step that was published last.
    private (int Lineage, int Generation)? _tail;

    protected override async Task<long> EndAsync(CancellationToken cancellationToken)
    {
        var last = (await Source.Telemetry.ProgressAsync(JobId, cancellationToken)).LastMetric;
        _made = Made(last);
        _tail = last is null ? null : _made;
        return last?.Step ?? 0;
    }

    protected override async Task PublishNewAsync(CancellationToken cancellationToken)
    {
        var last = (await Source.Telemetry.ProgressAsync(JobId, cancellationToken)).LastMetric;
        var end = last?.Step ?? 0;
        var back = Made(last) == _made ? end : Math.Min(end, await FirstAfterAsync(_made, end, cancellationToken) - 1);
        back = Math.Min(back, await FilledAsync(back, cancellationToken));
        if (back < Head)
        {
            _tail = null;
            lock (Sync)
            {
                _resets.Enqueue((NextPage, back));
                if (_resets.Count > KeptResets)
                    _resets.Dequeue();
            }
            Publish(new RecordPage(back, 0, Back(back)));
        }
        _made = Made(last);
        while (await Source.Telemetry.MetricsAfterAsync(JobId, Head, PointsPerPage, cancellationToken) is { Count: > 0 } rows)
        {
            NoteGaps(rows);
            Publish(Page(rows));
            // They may have been recorded since the newest was looked for: a generation that was published is not news the next time.
            if (Made(rows[^1]) is var made && made.CompareTo(_made) > 0)
                _made = made;
        }
    }

    protected override async Task<RecordPage?> ReadAsync(long after, long upTo, CancellationToken cancellationToken)
    {
        var rows = await Source.Telemetry.MetricsAfterAsync(JobId, after, PointsPerPage, cancellationToken);
        var within = rows.Where(row => row.Step <= upTo).ToList();
        return within.Count == 0 ? null : Page(within);
    }

    // A worker that was cut off may tell of the last steps of a generation when a newer one has gone on from there.
    private void NoteGaps(IReadOnlyList<MetricRow> rows)
    {
        var step = Head;
        foreach (var row in rows)
        {
            if (row.Step > step + 1 && _tail != Made(row))
                _gaps.Add((step, row.Step));
            (step, _tail) = (row.Step, Made(row));
        }
        if (_gaps.Count > KeptGaps)
            _gaps.RemoveRange(0, _gaps.Count - KeptGaps);
    }

    /// <summary>The step before the first of those that came late, in gaps up to a step from which on all is sent again anyway.</summary>
    private async Task<long> FilledAsync(long back, CancellationToken cancellationToken)
    {
        for (var i = 0; i < _gaps.Count; i++)
        {
            var (after, before) = _gaps[i];
            var isFilled = after >= back || (await Source.Telemetry.MetricsAfterAsync(JobId, after, 1, cancellationToken) is [var first] && first.Step < Math.Min(before, back + 1));
            if (!isFilled)
            {
                _gaps[i] = (after, Math.Min(before, back + 1));
                continue;
            }
            _gaps.RemoveRange(i, _gaps.Count - i);
            return after;
        }
        return long.MaxValue;
    }

    private RecordPage Page(IReadOnlyList<MetricRow> rows)
    {
        var last = rows[^1];
        return new RecordPage(last.Step, rows.Count, Frame.Of("metrics", json =>
        {
            json.WriteString("jobId", JobId);
            json.WriteNumber("lineage", last.Lineage);
            json.WriteNumber("generation", last.Generation);
            json.WriteList("points", rows.Select(JobMapping.ToProto));
        }));
    }

    // What it has and what was taken again since, or was never there, does not count.
    protected override async Task<(long After, ReadOnlyMemory<byte>? Event)> GreetAsync(TopicName name, long head, CancellationToken cancellationToken)
    {
        var after = Math.Min(name.After, head);
        if (name.Made is { } made && after > 0)
            after = Math.Min(after, await FirstAfterAsync(made, after, cancellationToken) - 1);
        return (after, after < name.After ? Back(after) : default(ReadOnlyMemory<byte>?));
    }

    protected override long LowestSince(long page) => _resets.Where(reset => reset.Page >= page).Select(reset => reset.Step).DefaultIfEmpty(long.MaxValue).Min();

    protected override ReadOnlyMemory<byte> Back(long cursor) => Frame.Of("metrics", json =>
    {
        json.WriteString("jobId", JobId);
        json.WriteNumber("reset", cursor);
    });

    // The first step that was made by a later generation. Those of later steps are never of an earlier one.
    private async Task<long> FirstAfterAsync((int Lineage, int Generation) made, long end, CancellationToken cancellationToken)
    {
        var (low, high) = (1L, end + 1);
        while (low < high)
        {
            var middle = low + ((high - low) / 2);
            var at = await Source.Telemetry.MetricsAfterAsync(JobId, middle - 1, 1, cancellationToken);
            if (at.Count == 0 || Made(at[0]).CompareTo(made) > 0)
                high = middle;
            else
                low = middle + 1;
        }
        return low;
    }

    private static (int Lineage, int Generation) Made(MetricRow? row) => row is null ? default : (row.Lineage, row.Generation);
}

/// <summary>What a job's ranks measure of themselves. Those of one rank come in order, those of several as they come.</summary>
internal sealed class SamplesTopic(StreamSource source, string name) : JobRecordTopic(source, name)
{
    private const int PointsOfCatchingUp = 300;
    private const int Points = 2000;

    // One that has sent nothing for so long while others did is no rank any more.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(30);

    private readonly Dictionary<int, Proto.RankSample> _last = [];

    protected override TimeSpan Interval { get; } = TimeSpan.FromSeconds(1);

    protected override async Task<long> EndAsync(CancellationToken cancellationToken)
    {
        var end = (await Source.Telemetry.ProgressAsync(JobId, cancellationToken)).LastMetric?.Step ?? 0;
        foreach (var sample in await SamplesAsync(Math.Max(end - Points, 1), 0, 1, cancellationToken))
            _last[sample.Rank] = sample;
        return _last.Count == 0 ? 0 : _last.Values.Max(sample => sample.Step);
    }

    protected override async Task PublishNewAsync(CancellationToken cancellationToken)
    {
        var end = (await Source.Telemetry.ProgressAsync(JobId, cancellationToken)).LastMetric?.Step ?? 0;
        var newest = _last.Values.Select(sample => sample.At.ToDateTime()).DefaultIfEmpty().Max();
        var from = _last.Values.Where(sample => newest - sample.At.ToDateTime() < Silence).Select(sample => sample.Step).Append(end).Min();
        var samples = (await SamplesAsync(Math.Max(from, 1), 0, Points, cancellationToken)).Where(IsNew).ToList();
        if (samples.Count == 0)
            return;
        foreach (var sample in samples)
            _last[sample.Rank] = sample;
        Publish(Page(samples));
    }

    protected override async Task<RecordPage?> ReadAsync(long after, long upTo, CancellationToken cancellationToken)
    {
        var samples = await SamplesAsync(after + 1, upTo, PointsOfCatchingUp, cancellationToken);
        return samples.Count == 0 ? null : Page(samples) with { To = upTo };
    }

    private bool IsNew(Proto.RankSample sample) =>
        !_last.TryGetValue(sample.Rank, out var last) || (sample.Lineage, sample.Generation, sample.Step).CompareTo((last.Lineage, last.Generation, last.Step)) > 0;

    private RecordPage Page(IReadOnlyList<Proto.RankSample> samples) => new(samples.Max(sample => sample.Step), samples.Count, Frame.Of("samples", json =>
    {
        json.WriteString("jobId", JobId);
        json.WriteList("samples", samples);
    }));

    private async Task<IReadOnlyList<Proto.RankSample>> SamplesAsync(long from, long to, int points, CancellationToken cancellationToken) =>
        (await Source.ReadAsync<Proto.RankSamplesResponse>(
            "Jobs/RankSamples", new Proto.RankSamplesRequest { Job = JobId, FromStep = from, ToStep = to, Points = points }, cancellationToken)).Samples;
}
