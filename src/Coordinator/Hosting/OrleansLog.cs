using Microsoft.Extensions.Logging;

namespace Linformer.Coordinator.Hosting;

/// <summary>What is kept of what Orleans writes.</summary>
internal sealed class OrleansLog
{
    private volatile bool _stopping;

    /// <summary>Begins to sift.</summary>
    /// <param name="logging">Where Orleans writes.</param>
    public OrleansLog(ILoggingBuilder logging)
    {
        logging.AddFilter("Orleans", level => level >= (_stopping ? LogLevel.Critical : LogLevel.Warning));
        // It would have the collector of servers, which takes memory from the ranks.
        logging.AddFilter("Orleans.Runtime.Silo", level => level >= (_stopping ? LogLevel.Critical : LogLevel.Error));
        // Each attempt to place a grain; of those that fail in the end Orleans tells itself.
        logging.AddFilter("Polly", LogLevel.None);
    }

    /// <summary>The silo begins to stop. Calls end with it, for which it has errors and stacks.</summary>
    public void Stopping() => _stopping = true;
}
