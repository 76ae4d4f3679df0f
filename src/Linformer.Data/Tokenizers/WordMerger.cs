using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Linformer.Data.Tokenizers;

/// <summary>
/// Merges the bytes of words: the lowest-ranked pair first, of equal ones the leftmost, until no known pair is left.
/// Keeps what it works with, so that it allocates for long words only. For one thread.
/// </summary>
/// <param name="byteTokens">[256]: the token of each byte.</param>
/// <param name="pairs">The merges.</param>
internal sealed class WordMerger(int[] byteTokens, PairTable pairs)
{
    // The bits of a set of positions.
    private const int LongestShortWord = 64;
    private const int PositionBits = 6;
    private const uint NoPair = uint.MaxValue;

    // What is kept for the next long word.
    private const int KeptSymbols = 1 << 14;
    private const int Gone = -1;

    private readonly bool _ranksFit = pairs.Ranks < 1 << (32 - PositionBits);
    private readonly PriorityQueue<int, ulong> _queue = new();
    private Symbol[] _symbols = [];

    /// <summary>Merges a word.</summary>
    /// <param name="word">The word, not empty.</param>
    /// <param name="tokens">[at least the word's length]: receives the tokens.</param>
    /// <returns>How many they are.</returns>
    public int Merge(ReadOnlySpan<byte> word, Span<int> tokens) =>
        word.Length <= LongestShortWord && _ranksFit ? MergeShort(word, tokens) : MergeLong(word, tokens);

    // The pair that begins at each position is a number, rank before position, of which the lowest is looked for among all of them.
    private int MergeShort(ReadOnlySpan<byte> word, Span<int> tokens)
    {
        Span<int> symbols = stackalloc int[LongestShortWord];
        Span<uint> candidates = stackalloc uint[LongestShortWord];
        candidates[..((word.Length + 7) & ~7)].Fill(NoPair);
        for (var i = 0; i < word.Length; i++)
        {
            symbols[i] = byteTokens[word[i]];
        }

        for (var i = 0; i < word.Length - 1; i++)
        {
            candidates[i] = Candidate(pairs.RankOf(word[i], word[i + 1]), i);
        }

        var there = ulong.MaxValue >> (LongestShortWord - word.Length);
        uint lowest;
        while ((lowest = Lowest(candidates, word.Length)) != NoPair)
        {
            var position = (int)(lowest & (LongestShortWord - 1));
            var right = After(there, position);
            symbols[position] = pairs.MergedBy((int)(lowest >> PositionBits));
            candidates[right] = NoPair;
            there &= ~(1UL << right);
            right = After(there, position);
            candidates[position] = right == LongestShortWord ? NoPair : Candidate(pairs.RankOf(symbols[position], symbols[right]), position);
            if ((there & ((1UL << position) - 1)) is var before and not 0)
            {
                var left = BitOperations.Log2(before);
                candidates[left] = Candidate(pairs.RankOf(symbols[left], symbols[position]), left);
            }
        }

        var count = 0;
        for (; there != 0; there &= there - 1)
        {
            tokens[count++] = symbols[BitOperations.TrailingZeroCount(there)];
        }

        return count;
    }

    private static uint Candidate(int rank, int position) => rank == PairTable.NoRank ? NoPair : ((uint)rank << PositionBits) | (uint)position;

    // The next position that is there; 64 when there is none.
    private static int After(ulong there, int position) => BitOperations.TrailingZeroCount(there & (ulong.MaxValue - 1) << position);

    private static uint Lowest(ReadOnlySpan<uint> candidates, int count)
    {
        ref var first = ref MemoryMarshal.GetReference(candidates);
        var lowest = Vector256.LoadUnsafe(ref first);
        for (var i = Vector256<uint>.Count; i < count; i += Vector256<uint>.Count)
        {
            lowest = Vector256.Min(lowest, Vector256.LoadUnsafe(ref first, (nuint)i));
        }

        var four = Vector128.Min(lowest.GetLower(), lowest.GetUpper());
        var two = Vector128.Min(four, Vector128.Shuffle(four, Vector128.Create(2u, 3, 0, 1)));
        return Vector128.Min(two, Vector128.Shuffle(two, Vector128.Create(1u, 0, 3, 2))).ToScalar();
    }

    // The same with a list of what is left and a queue, whose entries are stale when one side has been merged since.
    private int MergeLong(ReadOnlySpan<byte> word, Span<int> tokens)
    {
        var symbols = _symbols.Length >= word.Length ? _symbols : new Symbol[Math.Max(word.Length, 256)];
        for (var i = 0; i < word.Length; i++)
        {
            symbols[i] = new Symbol { Token = byteTokens[word[i]], Previous = i - 1, Next = i + 1 };
        }

        for (var i = 0; i < word.Length - 1; i++)
        {
            Enqueue(symbols, word.Length, i);
        }

        while (_queue.TryDequeue(out var position, out var priority))
        {
            var rank = RankAt(symbols, word.Length, position);
            if (rank != (int)(priority >> 32))
            {
                continue;
            }

            ref var symbol = ref symbols[position];
            symbol.Token = pairs.MergedBy(rank);
            symbols[symbol.Next].Token = Gone;
            symbol.Next = symbols[symbol.Next].Next;
            if (symbol.Next < word.Length)
            {
                symbols[symbol.Next].Previous = position;
                Enqueue(symbols, word.Length, position);
            }

            if (symbol.Previous >= 0)
            {
                Enqueue(symbols, word.Length, symbol.Previous);
            }
        }

        var count = 0;
        for (var i = 0; i < word.Length; i = symbols[i].Next)
        {
            tokens[count++] = symbols[i].Token;
        }

        Keep(symbols);
        return count;
    }

    private void Enqueue(Symbol[] symbols, int length, int position)
    {
        var rank = RankAt(symbols, length, position);
        if (rank != PairTable.NoRank)
        {
            _queue.Enqueue(position, ((ulong)rank << 32) | (uint)position);
        }
    }

    private int RankAt(Symbol[] symbols, int length, int position)
    {
        ref var symbol = ref symbols[position];
        return symbol.Token == Gone || symbol.Next >= length ? PairTable.NoRank : pairs.RankOf(symbol.Token, symbols[symbol.Next].Token);
    }

    private void Keep(Symbol[] symbols)
    {
        _symbols = symbols.Length <= KeptSymbols ? symbols : [];
        if (_queue.EnsureCapacity(0) > KeptSymbols)
        {
            _queue.TrimExcess();
        }
    }

    private struct Symbol
    {
        public int Token;
        public int Previous;
        public int Next;
    }
}
