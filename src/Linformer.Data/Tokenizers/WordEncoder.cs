using System.Runtime.InteropServices;

namespace Linformer.Data.Tokenizers;

/// <summary>Encodes text word by word, with a memory of the words that it has seen. For one thread.</summary>
/// <param name="byteTokens">[256]: the token of each byte.</param>
/// <param name="pairs">The merges.</param>
internal sealed class WordEncoder(int[] byteTokens, PairTable pairs)
{
    private const int SmallestGrowth = 256;

    private readonly WordCache _cache = new();
    private readonly WordMerger _merger = new(byteTokens, pairs);

    /// <summary>Encodes bytes onto the end of a list.</summary>
    /// <param name="text">The bytes.</param>
    /// <param name="tokens">Receives the token ids.</param>
    public void Encode(ReadOnlySpan<byte> text, List<int> tokens)
    {
        var count = tokens.Count;
        var room = CollectionsMarshal.AsSpan(tokens);
        while (!text.IsEmpty)
        {
            var length = WordSplitter.NextLength(text);

            // A word has at most as many tokens as bytes.
            var most = Math.Max(length, WordCache.CopiedTokens);
            if (room.Length - count < most)
            {
                CollectionsMarshal.SetCount(tokens, count + Math.Max(most, SmallestGrowth));
                CollectionsMarshal.SetCount(tokens, tokens.Capacity);
                room = CollectionsMarshal.AsSpan(tokens);
            }

            count += EncodeWord(text, length, room[count..]);
            text = text[length..];
        }

        CollectionsMarshal.SetCount(tokens, count);
    }

    private int EncodeWord(ReadOnlySpan<byte> text, int length, Span<int> tokens)
    {
        if (length > WordCache.LongestWord)
        {
            return _merger.Merge(text[..length], tokens);
        }

        var key = WordCache.KeyOf(text, length);
        var count = _cache.TryCopy(key, tokens);
        if (count == 0)
        {
            count = _merger.Merge(text[..length], tokens);
            if (count <= WordCache.MostTokens)
            {
                _cache.Add(key, tokens[..count]);
            }
        }

        return count;
    }
}
