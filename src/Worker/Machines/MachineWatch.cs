using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Machines;

/// <summary>Reads every few seconds how busy this machine is. What it has read goes with the next status: it causes none of its own.</summary>
internal sealed class MachineWatch : IAsyncDisposable
{
    private static readonly TimeSpan FirstInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StoragePatience = TimeSpan.FromSeconds(1);

    private readonly string _storageRoot;
    private readonly TimeSpan _interval;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _end = new();
    private Task _reading = Task.CompletedTask;
    private MachineLoad? _load;
    private long _version;
    private long _freeStorage;

    /// <summary>Makes it; nothing is read yet.</summary>
    /// <param name="storageRoot">A folder of the file system whose room counts.</param>
    /// <param name="interval">How often to look.</param>
    public MachineWatch(string storageRoot, TimeSpan interval) => (_storageRoot, _interval) = (storageRoot, interval);

    /// <summary>The newest reading; null before the first.</summary>
    public MachineLoad? Newest
    {
        get
        {
            lock (_gate)
            {
                return _load;
            }
        }
    }

    /// <summary>Starts to read.</summary>
    public void Start() => _reading = Task.Run(ReadAsync);

    /// <summary>Adds the newest reading to a status, if it was not told.</summary>
    /// <param name="status">The status.</param>
    /// <param name="after">What an earlier call returned; 0 for whatever there is.</param>
    /// <returns>For the next call.</returns>
    public long AddTo(V1.Status status, long after)
    {
        lock (_gate)
        {
            if (_load is { } load && _version > after)
            {
                status.Load = new V1.MachineLoad
                {
                    ProcessorPercent = load.ProcessorPercent,
                    Processors = load.Processors,
                    UsedMemoryBytes = load.UsedMemoryBytes,
                    MemoryBytes = load.MemoryBytes,
                    FreeStorageBytes = load.FreeStorageBytes,
                };
            }

            return _version;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private async Task ReadAsync()
    {
        var reader = new MachineReader(TimeProvider.System);
        reader.Read();
        var storage = Task.CompletedTask;
        var wait = _interval < FirstInterval ? _interval : FirstInterval;
        while (true)
        {
            // A storage that hangs holds up nothing else; what it told last stands.
            if (storage.IsCompleted)
            {
                storage = Task.Run(ReadStorage);
            }

            await Task.Delay(wait, _end.Token);
            await Task.WhenAny(storage, Task.Delay(StoragePatience, _end.Token));
            wait = _interval;
            if (reader.Read() is { } load)
            {
                lock (_gate)
                {
                    _load = load with { FreeStorageBytes = Interlocked.Read(ref _freeStorage) };
                    _version++;
                }
            }
        }
    }

    private void ReadStorage()
    {
        try
        {
            Interlocked.Exchange(ref _freeStorage, new DriveInfo(_storageRoot).AvailableFreeSpace);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Whoever watches the storage says what is wrong with it.
        }
    }
}
