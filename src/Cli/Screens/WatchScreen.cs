using Linformer.Cli.Cluster;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Screens;

/// <summary>Shows a job on the whole terminal, live.</summary>
/// <param name="client">The connection.</param>
/// <param name="screen">The terminal.</param>
internal sealed class WatchScreen(CoordinatorClient client, TerminalScreen screen)
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(250);

    /// <summary>Shows it until it has ended, or until it is left.</summary>
    /// <param name="job">The job's id or name.</param>
    /// <param name="log">Whether the loss has a logarithmic scale at first.</param>
    /// <param name="stays">Whether to stay when the job has ended.</param>
    /// <param name="cancellation">Ends the watching.</param>
    /// <returns>The newest event, and whether the watching ended before the job did: by a key, or by the cancellation.</returns>
    public async Task<(WatchEvent? Last, bool Left)> RunAsync(string job, bool log, bool stays, CancellationToken cancellation)
    {
        var feed = new WatchFeed(client, job);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var following = feed.FollowAsync(stop.Token);
        var refreshing = feed.RefreshAsync(() => TerminalScreen.Size.Width, stop.Token);
        try
        {
            while (!following.IsCompleted || (stays && following.IsCompletedSuccessfully))
            {
                while (screen.Key() is { } key)
                {
                    if (key.Key is ConsoleKey.Q or ConsoleKey.Escape)
                        return (feed.Last, Left: !following.IsCompleted);
                    log ^= key.Key == ConsoleKey.L;
                }

                var (width, height) = TerminalScreen.Size;
                screen.Draw(WatchLayout.Compose(feed.Now(log), width, height));
                var pause = Task.Delay(Refresh, cancellation);
                await (following.IsCompleted ? pause : Task.WhenAny(following, pause));
                cancellation.ThrowIfCancellationRequested();
            }

            await following;
            return (feed.Last, Left: false);
        }
        catch (Exception) when (cancellation.IsCancellationRequested)
        {
            return (feed.Last, Left: true);
        }
        finally
        {
            await stop.CancelAsync();
            await following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await refreshing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
