using Microsoft.Extensions.Hosting;

namespace Linformer.Coordinator.Hosting;

/// <summary>
/// Leaves signals to the process's owner. The usual lifetime stops the host at a Ctrl-C by itself: before the workers of the
/// same process have told how their ranks ended.
/// </summary>
internal sealed class OwnersLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
