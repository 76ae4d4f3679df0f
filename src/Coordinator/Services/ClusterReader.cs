using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Services;

/// <summary>All workers and corpora, as their grains tell them.</summary>
internal sealed class ClusterReader(IGrainFactory grains, IRosterStore roster)
{
    /// <summary>The workers that were ever seen and are not forgotten, by name.</summary>
    public async Task<IReadOnlyList<WorkerView>> WorkersAsync(CancellationToken cancellationToken)
    {
        var names = await roster.WorkersAsync(cancellationToken);
        var views = await Task.WhenAll(names.Select(name => grains.GetGrain<IWorkerGrain>(name).Get(cancellationToken)));
        return [.. views.OfType<WorkerView>()];
    }

    /// <summary>The corpora, the newest first.</summary>
    public async Task<IReadOnlyList<CorpusView>> CorporaAsync(CancellationToken cancellationToken)
    {
        var ids = await roster.CorporaAsync(cancellationToken);
        var views = await Task.WhenAll(ids.Select(id => grains.GetGrain<ICorpusGrain>(id).Get(cancellationToken)));
        return [.. views.OfType<CorpusView>()];
    }
}
