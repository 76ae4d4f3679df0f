using System.Collections.Concurrent;
using System.Globalization;
using Orleans.Storage;

namespace Orleans.ContractTests;

/// <summary>A storage provider with etags that tests can look into and break.</summary>
public sealed class MemoryStore : IGrainStorage
{
    private readonly ConcurrentDictionary<string, (object? State, string Etag)> _rows = new();
    private int _etag;

    public Exception? Failure { get; set; }

    public ConcurrentQueue<string> Operations { get; } = new();

    /// <summary>What a write waits for, when set.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    public static string Key(string stateName, GrainId grainId) => $"{stateName}|{grainId}";

    public object? Get(string stateName, GrainId grainId) => _rows.TryGetValue(Key(stateName, grainId), out var row) ? row.State : null;

    /// <summary>Writes a row as another process would, with an etag of its own.</summary>
    public void Overwrite(string stateName, GrainId grainId, object state) =>
        _rows[Key(stateName, grainId)] = (state, "other");

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        Note("read", stateName, grainId);
        if (_rows.TryGetValue(Key(stateName, grainId), out var row))
        {
            grainState.State = (T?)row.State;
            grainState.ETag = row.Etag;
            grainState.RecordExists = true;
        }
        else
        {
            grainState.RecordExists = false;
        }

        return Task.CompletedTask;
    }

    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        Note("write", stateName, grainId);
        await Gate;
        Check(stateName, grainId, grainState.ETag);
        grainState.ETag = Interlocked.Increment(ref _etag).ToString(CultureInfo.InvariantCulture);
        grainState.RecordExists = true;
        _rows[Key(stateName, grainId)] = (grainState.State, grainState.ETag);
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        Note("clear", stateName, grainId);
        Check(stateName, grainId, grainState.ETag);
        _rows.TryRemove(Key(stateName, grainId), out _);
        grainState.ETag = null;
        grainState.RecordExists = false;
        grainState.State = Activator.CreateInstance<T>();
        return Task.CompletedTask;
    }

    private void Check(string stateName, GrainId grainId, string? etag)
    {
        var stored = _rows.TryGetValue(Key(stateName, grainId), out var row) ? row.Etag : null;
        if (stored != etag)
        {
            throw new InconsistentStateException($"{stateName} of {grainId} was changed by somebody else.", stored, etag);
        }
    }

    private void Note(string operation, string stateName, GrainId grainId)
    {
        Operations.Enqueue($"{operation} {stateName} {grainId}");
        if (Failure is { } failure)
        {
            throw failure;
        }
    }
}
