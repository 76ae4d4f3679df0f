using Serilog;

namespace Linformer.Coordinator.Scaling;

/// <summary>
/// Follows how large the StatefulSet is told to be, so that a change by somebody else is seen at once and not with the next look. A watch
/// that ends or breaks is made again, from where it was or, when that is too old, from how it is then; meanwhile nothing is known, and whoever
/// needs the size asks for it.
/// </summary>
/// <param name="client">The API server.</param>
/// <param name="changed">Is called after each change.</param>
/// <param name="logger">Gets what goes wrong.</param>
/// <param name="backOff">How long it waits after a failure.</param>
public sealed class ScaleWatch(KubernetesClient client, Action changed, ILogger logger, BackOff backOff)
{
    private volatile StatefulSetScale? _newest;

    /// <summary>How it was when last heard; null when that is not known.</summary>
    public StatefulSetScale? Newest => _newest;

    /// <summary>What was heard is out of date: somebody was told so.</summary>
    public void Forget() => _newest = null;

    /// <summary>Follows until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        string? version = null;
        while (true)
        {
            try
            {
                var started = backOff.Now();
                await foreach (var one in client.WatchAsync(version, cancellationToken))
                {
                    version = one.Version;
                    Take(one);
                }
                // Ended by the server, as it does now and then; but not one after the other.
                if (backOff.Since(started) >= backOff.First)
                    backOff.Reset();
                else
                    await backOff.WaitAsync(null, cancellationToken);
            }
            catch (KubernetesException exception)
            {
                _newest = null;
                version = exception.IsGone || exception.Status is not null ? null : version;
                if (!exception.IsGone)
                    logger.Warning("{Reason:l}; its size is asked for instead until there is a watch again", exception.Message);
                await backOff.WaitAsync(exception.RetryAfter, cancellationToken);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                (_newest, version) = (null, null);
                logger.Error(exception, "The watch of the StatefulSet failed; its size is asked for instead until there is a watch again");
                await backOff.WaitAsync(null, cancellationToken);
            }
        }
    }

    private void Take(StatefulSetEvent one)
    {
        if (one.IsDeleted)
            _newest = null;
        else if (one.Scale is { } scale)
            _newest = scale;
        if (one.IsDeleted || one.Scale is not null)
            changed();
    }
}
