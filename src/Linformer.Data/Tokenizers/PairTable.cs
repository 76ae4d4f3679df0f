using System.Numerics;

namespace Linformer.Data.Tokenizers;

/// <summary>The merges of a tokenizer, found by their pairs: a flat table with open addressing, and one for pairs of bytes. Never changes.</summary>
internal sealed class PairTable
{
    /// <summary>The rank of a pair that is not merged.</summary>
    public const int NoRank = int.MaxValue;

    // No pair has it: token ids are far lower.
    private const ulong Free = ulong.MaxValue;

    private readonly Entry[] _entries;
    private readonly int _shift;
    private readonly int[] _byteRanks = new int[256 * 256];
    private readonly int[] _merged;

    /// <summary>Makes the table.</summary>
    /// <param name="byteTokens">[256]: the token of each byte.</param>
    /// <param name="merges">Rank and result of each pair, by <see cref="TokenizerDefinition.PairKey"/>.</param>
    public PairTable(int[] byteTokens, Dictionary<ulong, (int Rank, int Id)> merges)
    {
        // A quarter full, so that most pairs without a merge are known by the first place that is looked at.
        var size = BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, merges.Count * 4L));
        _shift = 64 - BitOperations.Log2(size);
        _entries = new Entry[size];
        Array.Fill(_entries, new Entry(Free, NoRank));
        _merged = new int[merges.Count == 0 ? 0 : merges.Values.Max(merge => merge.Rank) + 1];
        foreach (var (key, (rank, id)) in merges)
        {
            _merged[rank] = id;
            Place(key) = new Entry(key, rank);
        }

        for (var pair = 0; pair < _byteRanks.Length; pair++)
        {
            _byteRanks[pair] = RankOf(byteTokens[pair >> 8], byteTokens[pair & 0xFF]);
        }
    }

    /// <summary>The number of ranks: one more than the highest.</summary>
    public int Ranks => _merged.Length;

    /// <summary>The rank of a pair of tokens, or <see cref="NoRank"/>.</summary>
    public int RankOf(int left, int right) => Place(TokenizerDefinition.PairKey(left, right)).Rank;

    /// <summary>The rank of the tokens of two bytes, or <see cref="NoRank"/>.</summary>
    public int RankOf(byte left, byte right) => _byteRanks[(left << 8) | right];

    /// <summary>The token that a merge gives.</summary>
    public int MergedBy(int rank) => _merged[rank];

    // Where the pair is, or the free place where it would be.
    private ref Entry Place(ulong key)
    {
        var entries = _entries;
        var mask = entries.Length - 1;
        for (var index = (int)((key * 0x9E3779B97F4A7C15) >> _shift); ; index = (index + 1) & mask)
        {
            ref var entry = ref entries[index];
            if (entry.Key == key || entry.Key == Free)
            {
                return ref entry;
            }
        }
    }

    private readonly record struct Entry(ulong Key, int Rank);
}
