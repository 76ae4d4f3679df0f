using System.Runtime.InteropServices;

namespace Linformer.Data.Tokenizers;

/// <summary>
/// The counts of neighbouring symbols over a set of counted words, kept up to date while pairs are merged:
/// a merge visits only the words that hold the pair.
/// </summary>
internal sealed class PairCounts
{
    private readonly List<Word> _words = [];
    private readonly long _minimumCount;
    private readonly Dictionary<ulong, Pair> _pairs = [];

    // Most frequent first, then the lowest ids. Entries whose count has changed since are put right when they come up.
    private readonly PriorityQueue<ulong, (long NegatedCount, ulong Pair)> _queue = new();

    public PairCounts(IEnumerable<KeyValuePair<byte[], long>> words, int[] byteIds, long minimumCount)
    {
        _minimumCount = minimumCount;
        foreach (var (bytes, count) in words)
        {
            if (bytes.Length > 1)
            {
                _words.Add(new Word(Array.ConvertAll(bytes, b => byteIds[b]), count));
                Count(_words.Count - 1, +1);
            }
        }

        foreach (var (key, pair) in _pairs)
        {
            _queue.Enqueue(key, (-pair.Count, key));
        }
    }

    public bool TryTakeMostFrequent(out int left, out int right)
    {
        while (_queue.TryDequeue(out var key, out var priority))
        {
            var count = _pairs.TryGetValue(key, out var pair) ? pair.Count : 0;
            if (count < _minimumCount)
            {
                continue;
            }

            if (count == -priority.NegatedCount)
            {
                (left, right) = ((int)(key >> 32), (int)(uint)key);
                return true;
            }

            _queue.Enqueue(key, (-count, key));
        }

        (left, right) = (0, 0);
        return false;
    }

    public void Merge(int left, int right, int merged)
    {
        var taken = TokenizerDefinition.PairKey(left, right);
        var made = new HashSet<ulong>();
        foreach (var index in _pairs[taken].Words)
        {
            var word = _words[index];
            if (!Contains(word, left, right))
            {
                continue; // listed twice, or its pair went in another merge
            }

            Count(index, -1);
            Rewrite(word, left, right, merged);
            Count(index, +1);
            for (var i = 1; i < word.Length; i++)
            {
                if (word.Symbols[i - 1] == merged || word.Symbols[i] == merged)
                {
                    made.Add(TokenizerDefinition.PairKey(word.Symbols[i - 1], word.Symbols[i]));
                }
            }
        }

        _pairs.Remove(taken);
        foreach (var key in made)
        {
            _queue.Enqueue(key, (-_pairs[key].Count, key));
        }
    }

    private static bool Contains(Word word, int left, int right)
    {
        for (var i = 1; i < word.Length; i++)
        {
            if (word.Symbols[i - 1] == left && word.Symbols[i] == right)
            {
                return true;
            }
        }

        return false;
    }

    private static void Rewrite(Word word, int left, int right, int merged)
    {
        var write = 0;
        for (var read = 0; read < word.Length; read++, write++)
        {
            var found = read + 1 < word.Length && word.Symbols[read] == left && word.Symbols[read + 1] == right;
            word.Symbols[write] = found ? merged : word.Symbols[read];
            read += found ? 1 : 0;
        }

        word.Length = write;
    }

    private void Count(int index, int sign)
    {
        var word = _words[index];
        for (var i = 1; i < word.Length; i++)
        {
            var key = TokenizerDefinition.PairKey(word.Symbols[i - 1], word.Symbols[i]);
            ref var pair = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairs, key, out _);
            pair ??= new Pair();
            pair.Count += sign * word.Count;
            if (sign > 0 && (pair.Words.Count == 0 || pair.Words[^1] != index))
            {
                pair.Words.Add(index);
            }
        }
    }

    private sealed class Word(int[] symbols, long count)
    {
        public int[] Symbols { get; } = symbols;

        public int Length { get; set; } = symbols.Length;

        public long Count { get; } = count;
    }

    private sealed class Pair
    {
        public long Count { get; set; }

        public List<int> Words { get; } = [];
    }
}
