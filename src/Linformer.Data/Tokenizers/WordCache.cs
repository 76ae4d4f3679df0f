using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Linformer.Data.Tokenizers;

/// <summary>Remembers the tokens of short words; when full it keeps what it has. Safe for many threads.</summary>
internal sealed class WordCache
{
    private const int Capacity = 1 << 17;
    private const int LongestWord = 48;

    private readonly ConcurrentDictionary<byte[], int[]> _words = new(BytesComparer.Instance);
    private readonly ConcurrentDictionary<byte[], int[]>.AlternateLookup<ReadOnlySpan<byte>> _lookup;
    private int _count;

    public WordCache() => _lookup = _words.GetAlternateLookup<ReadOnlySpan<byte>>();

    public bool TryGet(ReadOnlySpan<byte> word, [NotNullWhen(true)] out int[]? tokens)
    {
        tokens = null;
        return word.Length <= LongestWord && _lookup.TryGetValue(word, out tokens);
    }

    public void Add(ReadOnlySpan<byte> word, int[] tokens)
    {
        if (word.Length <= LongestWord && Volatile.Read(ref _count) < Capacity && _words.TryAdd(word.ToArray(), tokens))
        {
            Interlocked.Increment(ref _count);
        }
    }
}

/// <summary>Compares byte arrays by content and finds them by spans.</summary>
internal sealed class BytesComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
{
    public static BytesComparer Instance { get; } = new();

    public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

    public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

    public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

    public int GetHashCode(ReadOnlySpan<byte> alternate)
    {
        var hash = default(HashCode);
        hash.AddBytes(alternate);
        return hash.ToHashCode();
    }

    public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
}
