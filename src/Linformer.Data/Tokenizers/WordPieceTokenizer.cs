using System.Security.Cryptography;
using System.Text;
using Linformer.Model.Files;

namespace Linformer.Data.Tokenizers;

/// <summary>
/// BERT's WordPiece (Devlin et al. 2018): text is cleaned, split at white space, punctuation and Chinese characters, and each word
/// is cut from its start into the longest pieces that the vocabulary has. Safe for many threads.
/// </summary>
/// <remarks>
/// <para>A word that cannot be cut so, or has more than <see cref="LongestWord"/> characters, is <c>[UNK]</c>. What decoding gives is
/// not the text that was encoded: spaces, accents and, in uncased vocabularies, capitals are gone.</para>
/// <para>The names of special tokens in text are text: <c>"[MASK]"</c> in a corpus is three words.</para>
/// </remarks>
public sealed class WordPieceTokenizer : ITokenizer
{
    private const string Continuation = "##";

    private readonly string?[] _names;
    private readonly Dictionary<string, int> _vocabulary;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _pieces;
    private readonly int _unknown;
    private readonly Lazy<byte[]> _json;

    internal WordPieceTokenizer(WordPieceDefinition definition)
    {
        _vocabulary = new Dictionary<string, int>(definition.Vocabulary, StringComparer.Ordinal);
        _names = definition.Names();
        _pieces = _vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        _unknown = _vocabulary[definition.Unknown];
        Definition = definition;
        Special = new SpecialTokens(definition.Added);
        _json = new Lazy<byte[]>(() => WordPieceJson.Write(definition));
    }

    /// <inheritdoc/>
    public int VocabularySize => _names.Length;

    /// <summary>Whether letters become small: an uncased vocabulary.</summary>
    public bool Lowercase => Definition.Normalizer.Lowercase;

    /// <summary>The most characters that a word may have without becoming <c>[UNK]</c>; 100 in BERT.</summary>
    public int LongestWord => Definition.LongestWord;

    /// <inheritdoc/>
    public SpecialTokens Special { get; }

    /// <inheritdoc/>
    public string Sha256 => Convert.ToHexStringLower(SHA256.HashData(_json.Value));

    internal WordPieceDefinition Definition { get; }

    /// <summary>Reads a Hugging Face <c>tokenizer.json</c> whose model is WordPiece.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="BadDataException">The file cannot be read, is damaged, or needs something unsupported.</exception>
    public static WordPieceTokenizer Load(string path) => new(WordPieceJson.Read(TokenizerJson.ReadFile(path), path));

    /// <summary>Reads BERT's <c>vocab.txt</c>: a token per line, its number that of the line.</summary>
    /// <param name="path">The file.</param>
    /// <param name="lowercase">Whether the vocabulary is uncased; accents go then, too.</param>
    /// <exception cref="BadDataException">The file cannot be read, has a token twice, or has no <c>[UNK]</c>.</exception>
    public static WordPieceTokenizer LoadVocabulary(string path, bool lowercase) => new(WordPieceDefinition.FromLines(TokenizerJson.ReadFile(path), path, lowercase));

    /// <inheritdoc/>
    public void Save(string path) => AtomicFile.Write(path, stream => stream.Write(_json.Value));

    /// <inheritdoc/>
    public int[] Encode(string text)
    {
        var tokens = new List<int>((text.Length / 4) + 1);
        Encode(text, tokens);
        return [.. tokens];
    }

    /// <inheritdoc/>
    public int[] Encode(ReadOnlySpan<byte> utf8) => Encode(Encoding.UTF8.GetString(utf8));

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<byte> utf8, List<int> tokens, bool continues = false)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        Encode(Encoding.UTF8.GetString(utf8), tokens);
    }

    /// <inheritdoc/>
    public byte[] Decode(ReadOnlySpan<int> tokens, bool skipSpecial = true) => Encoding.UTF8.GetBytes(DecodeText(tokens, skipSpecial));

    /// <inheritdoc/>
    public string DecodeText(ReadOnlySpan<int> tokens, bool skipSpecial = true)
    {
        var text = new StringBuilder();
        foreach (var token in tokens)
        {
            var name = (uint)token < (uint)_names.Length ? _names[token] : null;
            if (name is null)
            {
                throw new ArgumentOutOfRangeException(nameof(tokens), token, $"The vocabulary of {VocabularySize} tokens has no token {token}.");
            }

            if (skipSpecial && Special.Contains(token))
            {
                continue;
            }

            if (name.StartsWith(Continuation, StringComparison.Ordinal) && text.Length > 0)
            {
                text.Append(name, Continuation.Length, name.Length - Continuation.Length);
            }
            else
            {
                text.Append(text.Length > 0 ? " " : string.Empty).Append(name);
            }
        }

        return text.ToString();
    }

    private void Encode(string text, List<int> tokens)
    {
        var room = new char[Continuation.Length + (2 * LongestWord)];
        Definition.Normalizer.Split(text, word => EncodeWord(word, room, tokens));
    }

    // The room is for the mark of a continuation and the longest word.
    private void EncodeWord(StringBuilder word, char[] room, List<int> tokens)
    {
        if (word.Length > 2 * LongestWord || Count(word) > LongestWord)
        {
            tokens.Add(_unknown);
            return;
        }

        word.CopyTo(0, room.AsSpan(Continuation.Length), word.Length);
        var first = tokens.Count;
        for (var start = 0; start < word.Length;)
        {
            var length = LongestPiece(room, start, word.Length, out var id);
            if (length == 0)
            {
                tokens.RemoveRange(first, tokens.Count - first);
                tokens.Add(_unknown);
                return;
            }

            tokens.Add(id);
            start += length;
        }
    }

    private static int Count(StringBuilder word)
    {
        var count = 0;
        for (var i = 0; i < word.Length; i++)
        {
            count += char.IsLowSurrogate(word[i]) ? 0 : 1;
        }

        return count;
    }

    // The pieces of a word but its first carry a mark, which is put over what was read before them and then taken back.
    private int LongestPiece(char[] room, int start, int length, out int id)
    {
        Span<char> before = stackalloc char[Continuation.Length];
        var marked = room.AsSpan(start, Continuation.Length);
        marked.CopyTo(before);
        if (start > 0)
        {
            Continuation.CopyTo(marked);
        }

        id = 0;
        var skipped = start > 0 ? 0 : Continuation.Length;
        var end = length;
        while (end > start && !_pieces.TryGetValue(room.AsSpan(start + skipped, end - start + Continuation.Length - skipped), out id))
        {
            end--;
        }

        before.CopyTo(marked);
        return end - start;
    }
}
