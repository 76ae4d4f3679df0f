using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;
using Serilog;

namespace Linformer.Coordinator.Services;

/// <summary>All workers and corpora, as their grains tell them. One that cannot be read is left out, and logged.</summary>
internal sealed class ClusterReader(IGrainFactory grains, IRosterStore roster, ILogger logger)
{
    /// <summary>The workers that were seen and are neither forgotten nor have said that they leave, by name.</summary>
    public async Task<IReadOnlyList<WorkerView>> WorkersAsync(CancellationToken cancellationToken)
    {
        var names = await roster.WorkersAsync(cancellationToken);
        var views = await Task.WhenAll(names.Select(name => TryAsync("Worker", name, () => grains.GetGrain<IWorkerGrain>(name).Get(cancellationToken), cancellationToken)));
        return [.. views.OfType<WorkerView>().Where(worker => !worker.Left)];
    }

    /// <summary>The corpora, the newest first.</summary>
    public async Task<IReadOnlyList<CorpusView>> CorporaAsync(CancellationToken cancellationToken)
    {
        var ids = await roster.CorporaAsync(cancellationToken);
        var views = await Task.WhenAll(ids.Select(id => TryAsync("Corpus", id, () => grains.GetGrain<ICorpusGrain>(id).Get(cancellationToken), cancellationToken)));
        return [.. views.OfType<CorpusView>()];
    }

    private async Task<T?> TryAsync<T>(string kind, string name, Func<Task<T?>> read, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            return await read();
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Warning(exception, "{Kind:l} {Name:l} cannot be read, and is left out of what people are shown", kind, name);
            return null;
        }
    }
}
