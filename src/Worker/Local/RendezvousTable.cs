using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>The keys and values through which the ranks of one generation find each other.</summary>
internal sealed class RendezvousTable
{
    private const int MaximumKeyLength = 1024;
    private const int MaximumWaiting = 100_000;
    private const long MaximumBytes = 64 << 20;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, byte[]> _values = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<Action<byte[]>>> _waiting = new(StringComparer.Ordinal);
    private long _bytes;
    private int _waitingCount;

    /// <summary>Sets a value and hands it to whoever waits for it.</summary>
    /// <exception cref="RankProtocolException">The key is too long, or the table too large.</exception>
    public void Set(string key, byte[] value)
    {
        CheckKey(key);
        List<Action<byte[]>>? replies;
        lock (_gate)
        {
            var growth = _values.TryGetValue(key, out var previous) ? value.Length - previous.Length : value.Length + key.Length;
            var bytes = _bytes + growth;
            if (bytes > MaximumBytes)
            {
                throw new RankProtocolException($"set the rendezvous key '{key}' to {value.Length} bytes; all values together may have {MaximumBytes}");
            }

            _bytes = bytes;
            _values[key] = value;
            if (_waiting.Remove(key, out replies))
            {
                _waitingCount -= replies.Count;
            }
        }

        replies?.ForEach(reply => reply(value));
    }

    /// <summary>Hands out a value, now or when it is set.</summary>
    /// <exception cref="RankProtocolException">The key is too long, or too many wait.</exception>
    public void Get(string key, Action<byte[]> reply)
    {
        CheckKey(key);
        byte[]? value;
        lock (_gate)
        {
            if (!_values.TryGetValue(key, out value))
            {
                if (++_waitingCount > MaximumWaiting)
                {
                    throw new RankProtocolException($"waits for the rendezvous key '{key}', as {MaximumWaiting} others do already");
                }

                if (!_waiting.TryGetValue(key, out var waiting))
                {
                    _waiting[key] = waiting = [];
                }

                waiting.Add(reply);
                return;
            }
        }

        reply(value);
    }

    private static void CheckKey(string key)
    {
        if (key.Length > MaximumKeyLength)
        {
            throw new RankProtocolException($"used a rendezvous key of {key.Length} characters; allowed are {MaximumKeyLength}");
        }
    }
}
