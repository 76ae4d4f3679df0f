using Linformer.Worker.Agents;

namespace Linformer.Cli.Hosting;

/// <summary>How a worker is: ready while it is connected with a coordinator. While that is away the ranks train on, so it is no reason to start it again.</summary>
/// <param name="agent">The worker.</param>
internal sealed class WorkerHealth(WorkerAgent agent) : IHealth
{
    /// <inheritdoc/>
    public string? WhyDead => null;

    /// <inheritdoc/>
    public string? WhyNotReady => agent.IsConnected ? null : "not connected with a coordinator";
}
