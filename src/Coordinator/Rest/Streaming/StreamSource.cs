using Google.Protobuf;
using Linformer.Coordinator.Services.Watching;
using Linformer.Coordinator.Storage;
using Serilog;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>Where topics read.</summary>
internal sealed class StreamSource(
    RestMethods methods, JobReader jobs, JobFeeds feeds, IHistoryStore history, ITelemetryStore telemetry, CoordinatorDatabase database, TimeProvider time, ILogger logger)
{
    /// <summary>How jobs stand.</summary>
    public JobReader Jobs => jobs;

    /// <summary>Jobs that are watched by whomever.</summary>
    public JobFeeds Feeds => feeds;

    /// <summary>Histories of jobs.</summary>
    public IHistoryStore History => history;

    /// <summary>Metrics and logs.</summary>
    public ITelemetryStore Telemetry => telemetry;

    /// <summary>The clock.</summary>
    public TimeProvider Time => time;

    /// <summary>The log.</summary>
    public ILogger Logger => logger;

    /// <summary>How often anything was written: what was read from tables stays true for as long as the number is the same.</summary>
    public long Writes => database.Commits;

    /// <summary>This coordinator's epoch.</summary>
    public long Epoch => database.Epoch;

    /// <summary>What a method answers.</summary>
    /// <typeparam name="T">The answer's message.</typeparam>
    /// <param name="method">Such as <c>Jobs/List</c>.</param>
    /// <param name="request">Its message.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<T> ReadAsync<T>(string method, IMessage request, CancellationToken cancellationToken)
        where T : IMessage => (T)await methods[method].ReadAsync(request, cancellationToken);
}
