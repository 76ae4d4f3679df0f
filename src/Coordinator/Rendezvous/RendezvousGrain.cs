namespace Linformer.Coordinator.Rendezvous;

/// <summary>Keeps a job's <see cref="RendezvousLog"/> in memory and lets readers wait for it.</summary>
public sealed class RendezvousGrain(TimeProvider time) : Grain, IRendezvousGrain
{
    private static readonly TimeSpan LongestPoll = TimeSpan.FromSeconds(5);

    private readonly RendezvousLog _log = new(time.GetUtcNow().UtcTicks);
    private TaskCompletionSource _changed = NewSignal();

    /// <inheritdoc/>
    public Task Set(int lineage, int generation, RendezvousEntry entry, CancellationToken cancellationToken)
    {
        if (_log.Set(lineage, generation, entry))
        {
            _changed.TrySetResult();
            _changed = NewSignal();
        }
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<RendezvousPage> ReadAfter(int lineage, int generation, string cursor, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(LongestPoll);
        while (true)
        {
            var page = _log.Read(lineage, generation, cursor);
            if (!page.Entries.IsEmpty)
                return page;
            try
            {
                await _changed.Task.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return page;
            }
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
