using System.Collections.Immutable;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Services.Watching;
using Linformer.Protocol.Wire;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>One job, by the feed that all its watchers share.</summary>
internal sealed class JobTopic(StreamSource source, string name) : StateTopic(source.Logger), IDisposable
{
    private const int ShownHistory = 1000;

    private JobFeeds.Subscription? _subscription;
    private string _jobId = "";
    private ImmutableList<Proto.HistoryEntry> _history = [];
    private long _version;
    private Proto.MetricPoint? _metrics;

    // The feed itself waits between its reads.
    protected override TimeSpan Interval => TimeSpan.Zero;

    public void Dispose() => _subscription?.Dispose();

    protected override async Task RefreshAsync(CancellationToken cancellationToken)
    {
        if (_subscription is null)
        {
            _jobId = await source.Jobs.ResolveAsync(name, cancellationToken);
            _subscription = source.Feeds.Subscribe(_jobId);
        }
        var state = await _subscription.Feed.NextAsync(_version, cancellationToken);
        var isFirst = _version == 0;
        var entries = await NewAsync(state, cancellationToken);
        _history = _history.AddRange(entries);
        if (_history.Count > ShownHistory)
            _history = _history.RemoveRange(0, _history.Count - ShownHistory);
        _version = state.Version;
        var (job, history) = (state.Job, _history);
        var newMetrics = !Equals(job.Metrics, _metrics);
        _metrics = job.Metrics;
        Publish(() => Event(job, history, true), isFirst ? default(ReadOnlyMemory<byte>?) : Event(job, entries, newMetrics));
    }

    private async Task<IReadOnlyList<Proto.HistoryEntry>> NewAsync(FeedState state, CancellationToken cancellationToken)
    {
        var entries = new List<Proto.HistoryEntry>();
        while (true)
        {
            var last = entries.Count > 0 ? entries[^1].Sequence : _history.IsEmpty ? 0 : _history[^1].Sequence;
            if (last >= state.HistorySequence)
                return entries;
            var page = await source.History.ReadAfterAsync(_jobId, last, ShownHistory, cancellationToken);
            if (page.Count == 0)
                return entries;
            entries.AddRange(page.Select(JobMapping.ToProto));
            if (entries.Count > ShownHistory)
                entries.RemoveRange(0, entries.Count - ShownHistory);
        }
    }

    private ReadOnlyMemory<byte> Event(JobSnapshot job, IReadOnlyList<Proto.HistoryEntry> history, bool withMetrics)
    {
        var shown = new Proto.WatchEvent
        {
            Job = job.Job,
            History = { history },
            Metrics = withMetrics ? job.Metrics : null,
            Corpus = job.Corpus,
            Ranks = { job.Ranks },
            LastFailure = job.LastFailure,
            Result = job.Result,
        };
        if (job.HeldOutLoss is { } loss)
            shown.HeldOutLoss = loss;
        if (job.Measures is { } measures)
            shown.Measures.Add(measures.Values);
        return Frame.Of("job", json =>
        {
            json.WriteString("id", _jobId);
            ProtoJson.WriteFields(json, shown);
        });
    }
}
