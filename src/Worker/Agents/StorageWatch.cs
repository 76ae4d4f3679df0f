using Linformer.Worker.Jobs;
using Serilog;

namespace Linformer.Worker.Agents;

/// <summary>
/// Whether the storage root is still the cluster's. A storage that is unmounted leaves an empty folder behind, in which every
/// job looks broken for good: so it is looked at before anything starts and whenever something has failed. Once it is gone, the
/// worker is unfit until it is back.
/// </summary>
/// <param name="root">The storage root as it is mounted here.</param>
/// <param name="changed">Called when <see cref="Unfit"/> has changed.</param>
/// <param name="logger">Gets what happens.</param>
internal sealed class StorageWatch(string root, Action changed, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly StorageId _id = new(root);
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _end = new();
    private volatile string _expected = "";
    private volatile string _unfit = "";
    private Task _waiting = Task.CompletedTask;

    /// <summary>Why nothing can be done with the storage, as a clause; empty when it is the cluster's.</summary>
    public string Unfit => _unfit;

    /// <summary>Whether it was seen to be the cluster's.</summary>
    public bool Matched => _expected.Length > 0;

    /// <summary>Compares with a coordinator's id, from now on with this one.</summary>
    /// <param name="id">The id; empty when the coordinator has none to compare with.</param>
    /// <exception cref="AgentRefusedException">The folder is another storage.</exception>
    public async Task ExpectAsync(string id)
    {
        var problem = await _id.CheckAsync(id, Matched);
        _expected = id;
        if (problem is not null)
        {
            Note(Describe(problem));
        }
    }

    /// <summary>Looks.</summary>
    /// <returns>What has become of the storage, as a clause; null when it is the cluster's, as far as can be known.</returns>
    public async Task<string?> LookAsync() =>
        (await _id.FindAsync(_expected)).Problem is { } problem ? Describe(problem) : null;

    /// <summary>The storage is of no use until it is back.</summary>
    /// <param name="loss">Why, as <see cref="LookAsync"/> gave it.</param>
    public void Note(string loss)
    {
        lock (_gate)
        {
            if (_unfit.Length > 0 || _end.IsCancellationRequested)
            {
                return;
            }

            _unfit = loss;
            _waiting = WaitAsync();
        }

        logger.Error("This worker takes nothing new until its storage is back: {Loss}", loss);
        changed();
    }

    public async ValueTask DisposeAsync()
    {
        Task waiting;
        lock (_gate)
        {
            _end.Cancel();
            waiting = _waiting;
        }

        await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private string Describe(string problem) =>
        $"the storage at {Path.GetFullPath(root)} is not the cluster's any more: its file {StorageLayout.StorageIdName} {problem}";

    private async Task WaitAsync()
    {
        do
        {
            await Task.Delay(Interval, _end.Token);
        }
        while (await LookAsync() is not null);
        lock (_gate)
        {
            _unfit = "";
        }

        logger.Information("The storage at {Root} is back", root);
        changed();
    }
}
