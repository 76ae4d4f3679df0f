using Linformer.Coordinator.Storage;
using Serilog;

namespace Linformer.Coordinator.Services.Watching;

/// <summary>The feeds of the jobs that are watched: one per job for any number of watchers, ended with the last of them.</summary>
internal sealed class JobFeeds(JobReader reader, IHistoryStore history, ILogger logger)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Shared> _feeds = new(StringComparer.Ordinal);

    /// <summary>Watches a job until it is disposed.</summary>
    /// <param name="jobId">The job, which exists.</param>
    public Subscription Subscribe(string jobId)
    {
        lock (_lock)
        {
            if (!_feeds.TryGetValue(jobId, out var shared))
                _feeds.Add(jobId, shared = Start(jobId));
            shared.Watchers++;
            return new Subscription(this, shared);
        }
    }

    private Shared Start(string jobId)
    {
        var feed = new JobFeed(jobId, reader, history, logger);
        var stop = new CancellationTokenSource();
        var shared = new Shared(jobId, feed, stop);
        _ = Task.Run(() => feed.RunAsync(stop.Token), CancellationToken.None);
        return shared;
    }

    private void Release(Shared shared)
    {
        lock (_lock)
        {
            if (--shared.Watchers > 0)
                return;
            _feeds.Remove(shared.JobId);
        }
        shared.Stop.Cancel();
    }

    /// <summary>A watcher's hold on a feed.</summary>
    public sealed class Subscription : IDisposable
    {
        private readonly JobFeeds _feeds;
        private Shared? _shared;

        internal Subscription(JobFeeds feeds, Shared shared)
        {
            _feeds = feeds;
            _shared = shared;
            Feed = shared.Feed;
        }

        /// <summary>The feed.</summary>
        public JobFeed Feed { get; }

        /// <inheritdoc/>
        public void Dispose()
        {
            if (Interlocked.Exchange(ref _shared, null) is { } shared)
                _feeds.Release(shared);
        }
    }

    internal sealed class Shared(string jobId, JobFeed feed, CancellationTokenSource stop)
    {
        public string JobId { get; } = jobId;

        public JobFeed Feed { get; } = feed;

        public CancellationTokenSource Stop { get; } = stop;

        public int Watchers { get; set; }
    }
}
