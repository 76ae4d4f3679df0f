using Grpc.Core;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Watching;

/// <summary>One watcher: what it has been sent, and what is new to it.</summary>
internal sealed class JobWatcher(string jobId, JobFeed feed, IHistoryStore history, IServerStreamWriter<Proto.WatchEvent> stream, long afterHistory)
{
    private const int PageSize = 200;

    private long _cursor = afterHistory;
    private Proto.WatchEvent? _sent;
    private Proto.MetricPoint? _sentMetrics;

    /// <summary>Sends events until the job has ended.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var version = 0L;
        while (true)
        {
            var state = await feed.NextAsync(version, cancellationToken);
            version = state.Version;
            // The last page comes with the state itself.
            while (_cursor < state.HistorySequence)
            {
                var page = await PageAsync(state, cancellationToken);
                if (page.Count == 0)
                    break;
                _cursor = page[^1].Sequence;
                if (_cursor >= state.HistorySequence)
                    await SendAsync(state, page, cancellationToken);
                else
                    await stream.WriteAsync(new Proto.WatchEvent { Job = state.Job.Job, History = { page } }, cancellationToken);
            }
            await SendAsync(state, [], cancellationToken);
            if (state.Final)
                return;
        }
    }

    private async Task<IReadOnlyList<Proto.HistoryEntry>> PageAsync(FeedState state, CancellationToken cancellationToken)
    {
        if (state.Recent[0].Sequence <= _cursor + 1)
            return [.. state.Recent.Where(entry => entry.Sequence > _cursor)];
        var page = await history.ReadAfterAsync(jobId, _cursor, PageSize, cancellationToken);
        return [.. page.Select(JobMapping.ToProto)];
    }

    private async Task SendAsync(FeedState state, IReadOnlyList<Proto.HistoryEntry> entries, CancellationToken cancellationToken)
    {
        var job = state.Job;
        var shown = new Proto.WatchEvent
        {
            Job = job.Job,
            Corpus = job.Corpus,
            Ranks = { job.Ranks },
            LastFailure = job.LastFailure,
            Result = state.Final ? job.Result : null,
        };
        if (job.HeldOutLoss is { } loss)
            shown.HeldOutLoss = loss;
        if (job.Measures is { } measures)
            shown.Measures.Add(measures.Values);
        var newMetrics = job.Metrics is not null && !job.Metrics.Equals(_sentMetrics);
        if (entries.Count == 0 && !newMetrics && shown.Equals(_sent))
            return;
        _sent = shown;
        _sentMetrics = job.Metrics;
        var message = shown;
        if (entries.Count > 0 || newMetrics)
        {
            message = shown.Clone();
            message.History.AddRange(entries);
            message.Metrics = newMetrics ? job.Metrics : null;
        }
        await stream.WriteAsync(message, cancellationToken);
    }
}
