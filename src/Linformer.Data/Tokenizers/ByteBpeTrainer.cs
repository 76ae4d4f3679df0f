using System.Runtime.InteropServices;

namespace Linformer.Data.Tokenizers;

/// <summary>
/// Learns byte-level BPE from text: counts words, then merges the most frequent pair of neighbours until the vocabulary
/// is full. Of equally frequent pairs the one with the lower ids is merged first, so the same words give the same tokenizer.
/// </summary>
/// <remarks>
/// Ids: <c>&lt;s&gt;</c> 0, <c>&lt;pad&gt;</c> 1, <c>&lt;/s&gt;</c> 2, <c>&lt;unk&gt;</c> 3 as in RoBERTa, <c>&lt;mask&gt;</c> 4 (not last,
/// so that it does not depend on the vocabulary's size), the 256 bytes from 5 on, then the merged tokens.
/// </remarks>
public sealed class ByteBpeTrainer
{
    /// <summary>The smallest vocabulary: five special tokens and 256 bytes.</summary>
    public const int SmallestVocabulary = 261;

    /// <summary>The largest vocabulary that can be trained.</summary>
    public const int LargestVocabulary = 1_000_000;

    // Longer ones are no words, and one of a megabyte would be walked at each merge.
    private const int LongestWord = 256;

    private static readonly string[] SpecialNames = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];

    private readonly int _vocabularySize;
    private readonly long _minimumCount;
    private readonly bool _addPrefixSpace;
    private readonly Dictionary<byte[], long> _words = new(BytesComparer.Instance);
    private readonly Dictionary<byte[], long>.AlternateLookup<ReadOnlySpan<byte>> _lookup;

    /// <summary>Makes a trainer without text.</summary>
    /// <param name="vocabularySize">The number of tokens to learn, special tokens and bytes included; fewer when the text gives no more.</param>
    /// <param name="minimumCount">A pair seen less often is not merged; at least 1.</param>
    /// <param name="addPrefixSpace">Whether text gets a space at its beginning.</param>
    /// <exception cref="BadDataException"><paramref name="vocabularySize"/> is out of range.</exception>
    public ByteBpeTrainer(int vocabularySize, long minimumCount = 2, bool addPrefixSpace = false)
    {
        if (vocabularySize is < SmallestVocabulary or > LargestVocabulary)
        {
            throw new BadDataException($"A vocabulary size of {vocabularySize} is not possible: allowed is {SmallestVocabulary} (five special tokens and 256 bytes) to {LargestVocabulary}.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(minimumCount, 1);
        _vocabularySize = vocabularySize;
        _minimumCount = minimumCount;
        _addPrefixSpace = addPrefixSpace;
        _lookup = _words.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    /// <summary>Counts the words of a text.</summary>
    /// <param name="utf8">The text, or any bytes.</param>
    /// <param name="continues">Whether it goes on with the text added before.</param>
    public void Add(ReadOnlySpan<byte> utf8, bool continues = false)
    {
        if (_addPrefixSpace && !continues && !utf8.IsEmpty && utf8[0] != ' ')
        {
            utf8 = (byte[])[(byte)' ', .. utf8];
        }

        while (!utf8.IsEmpty)
        {
            var word = utf8[..WordSplitter.NextLength(utf8)];
            utf8 = utf8[word.Length..];
            if (word.Length <= LongestWord)
            {
                CollectionsMarshal.GetValueRefOrAddDefault(_lookup, word, out _)++;
            }
        }
    }

    /// <summary>Learns the merges.</summary>
    /// <param name="progress">Told the share done, from 0 to 1.</param>
    /// <param name="cancellationToken">Stops the training.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="OperationCanceledException">The training was cancelled.</exception>
    public ByteBpeTokenizer Train(IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var name in SpecialNames)
        {
            ids.Add(name, ids.Count);
        }

        var added = SpecialNames.Select(name => new AddedToken(ids[name], name, IsSpecial: true)).ToArray();
        var tokens = new List<string>(SpecialNames);
        var byteIds = new int[256];
        foreach (var b in ByteAlphabet.BytesInOrder)
        {
            byteIds[b] = tokens.Count;
            AddToken(ByteAlphabet.Write([b]));
        }

        var counts = new PairCounts(_words, byteIds, _minimumCount);
        var merges = new List<(string, string)>();
        var reported = 0;
        while (tokens.Count < _vocabularySize && counts.TryTakeMostFrequent(out var left, out var right))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var merged = tokens[left] + tokens[right];
            if (SpecialNames.Contains(merged))
            {
                continue; // text that spells a special token's name stays text
            }

            // "ab" + "c" and "a" + "bc" are one token.
            merges.Add((tokens[left], tokens[right]));
            counts.Merge(left, right, ids.TryGetValue(merged, out var known) ? known : AddToken(merged));
            var percent = tokens.Count * 100 / _vocabularySize;
            if (percent > reported)
            {
                reported = percent;
                progress?.Report(percent / 100.0);
            }
        }

        progress?.Report(1);
        return new ByteBpeTokenizer(new TokenizerDefinition("the trained tokenizer", ids, merges, added)
        {
            AddPrefixSpace = _addPrefixSpace,
            PostProcessor = PostProcessor(_addPrefixSpace),
        });

        int AddToken(string token)
        {
            ids.Add(token, tokens.Count);
            tokens.Add(token);
            return tokens.Count - 1;
        }
    }

    private static string PostProcessor(bool addPrefixSpace) =>
        $$"""{"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",0],"trim_offsets":true,"add_prefix_space":{{(addPrefixSpace ? "true" : "false")}}}""";
}
