using Serilog;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Machines;

/// <summary>Reads every few seconds how the GPUs of a worker's slots are doing.</summary>
internal sealed class GpuWatch : IAsyncDisposable
{
    private readonly IReadOnlyList<Gpu> _gpus;
    private readonly TimeSpan _interval;
    private readonly Action _changed;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Dictionary<int, (GpuReading Reading, long Version)> _readings = [];
    private readonly CancellationTokenSource _end = new();
    private Task _reading = Task.CompletedTask;
    private long _version;

    /// <summary>Makes it; nothing is read yet.</summary>
    /// <param name="gpus">The GPUs, by slot; none for slots of the CPU.</param>
    /// <param name="interval">How often to look.</param>
    /// <param name="changed">Called when a reading is another one than before.</param>
    /// <param name="logger">Told when the GPUs cannot be read.</param>
    public GpuWatch(IReadOnlyList<Gpu> gpus, TimeSpan interval, Action changed, ILogger logger)
        => (_gpus, _interval, _changed, _logger) = (gpus, interval, changed, logger);

    /// <summary>The newest readings, by slot.</summary>
    public IReadOnlyList<(int Slot, GpuReading Reading)> Newest
    {
        get
        {
            lock (_gate)
            {
                return [.. _readings.Select(item => (item.Key, item.Value.Reading))];
            }
        }
    }

    /// <summary>Starts to read.</summary>
    public void Start()
    {
        if (_gpus.Count > 0)
        {
            _reading = Task.Run(ReadAsync);
        }
    }

    /// <summary>Adds the readings that have changed to a status.</summary>
    /// <param name="status">The status.</param>
    /// <param name="after">What an earlier call returned; 0 for all readings.</param>
    /// <returns>For the next call.</returns>
    public long AddTo(V1.Status status, long after)
    {
        lock (_gate)
        {
            foreach (var (slot, (reading, _)) in _readings.Where(item => item.Value.Version > after))
            {
                status.GpuReadings[slot] = new V1.GpuReading
                {
                    UsedMemoryBytes = reading.UsedMemoryBytes,
                    Temperature = reading.Temperature,
                    Utilization = reading.Utilization,
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
        try
        {
            using var nvml = Nvml.Open();
            while (true)
            {
                if (Read(nvml))
                {
                    _changed();
                }

                await Task.Delay(_interval, _end.Token);
            }
        }
        catch (GpuException e)
        {
            _logger.Warning("The GPUs are used, but not measured: {Reason}", e.Message);
        }
    }

    // Whether anything is another than before.
    private bool Read(Nvml nvml)
    {
        var changed = false;
        for (var slot = 0; slot < _gpus.Count; slot++)
        {
            if (nvml.Read(_gpus[slot].Uuid) is not { } reading)
            {
                continue;
            }

            lock (_gate)
            {
                if (!_readings.TryGetValue(slot, out var before) || before.Reading != reading)
                {
                    _readings[slot] = (reading, ++_version);
                    changed = true;
                }
            }
        }

        return changed;
    }
}
