namespace Linformer.Training.ProcessGroups;

/// <summary>A rendezvous store for ranks that are threads of one process.</summary>
public sealed class InMemoryRendezvousStore : IRendezvousStore
{
    private readonly Dictionary<string, byte[]> _values = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public void Set(string key, ReadOnlySpan<byte> value)
    {
        lock (_values)
        {
            _values[key] = value.ToArray();
            Monitor.PulseAll(_values);
        }
    }

    /// <inheritdoc/>
    public byte[] Get(string key, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        var deadline = Deadline.After(timeout);
        using var wakeUp = cancellationToken.Register(Pulse);
        lock (_values)
        {
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (_values.TryGetValue(key, out var value))
                {
                    return value.ToArray();
                }

                if (deadline.IsOver)
                {
                    throw new TimeoutException($"nobody published '{key}' within {timeout.TotalSeconds:0.###} s");
                }

                Monitor.Wait(_values, deadline.Left);
            }
        }
    }

    private void Pulse()
    {
        lock (_values)
        {
            Monitor.PulseAll(_values);
        }
    }
}
