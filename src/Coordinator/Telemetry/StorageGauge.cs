using System.Collections.Immutable;

namespace Linformer.Coordinator.Telemetry;

/// <summary>Asks file systems for their room. One that hangs is not asked again until it has answered, and holds up nobody.</summary>
internal sealed class StorageGauge(CoordinatorOptions options)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private Task<ImmutableArray<StorageReading>> _asking = Task.FromResult(ImmutableArray<StorageReading>.Empty);

    /// <summary>The room of those that answer. Not for several callers at a time.</summary>
    public async Task<ImmutableArray<StorageReading>> ReadAsync(CancellationToken cancellationToken)
    {
        if (_asking.IsCompleted)
            _asking = Task.Run(Read, CancellationToken.None);
        try
        {
            return await _asking.WaitAsync(Patience, cancellationToken);
        }
        catch (TimeoutException)
        {
            return [];
        }
    }

    private ImmutableArray<StorageReading> Read()
    {
        StorageReading?[] readings = [Read("data", options.DataFolder), Read("coordinator", options.CoordinatorFolder)];
        return [.. readings.OfType<StorageReading>()];
    }

    private static StorageReading? Read(string name, string folder)
    {
        try
        {
            var drive = new DriveInfo(Path.GetFullPath(folder));
            return new StorageReading(name, drive.AvailableFreeSpace, drive.TotalSize);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}
