using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Linformer.Model.Files;

namespace Linformer.Data.Tokenizers;

/// <summary>
/// Byte-level byte pair encoding, as in GPT-2 and RoBERTa: text is split into words by GPT-2's expression, and the bytes
/// of each word are merged in the order in which the merges were learnt. Safe for many threads.
/// </summary>
/// <remarks>
/// <para>Every byte is in the vocabulary, so that decoding gives back exactly the bytes that were encoded, whatever they
/// were (except that <see cref="AddPrefixSpace"/> leaves its space). A byte that is not part of valid UTF-8 is treated
/// like U+FFFD when text is split into words: as neither letter, number nor space. Valid text gives the ids that Hugging
/// Face tokenizers gives, except that a single word of more than a megabyte is merged in parts.</para>
/// <para>The names of special tokens in text are text: <c>"&lt;mask&gt;"</c> in a corpus is seven characters.</para>
/// </remarks>
public sealed class ByteBpeTokenizer : ITokenizer
{
    private readonly byte[]?[] _bytes;
    private readonly int[] _byteTokens = new int[256];
    private readonly PairTable _pairs;

    // As many as threads have encoded at the same time.
    private readonly ConcurrentBag<WordEncoder> _encoders = [];
    private readonly Lazy<byte[]> _json;

    internal ByteBpeTokenizer(TokenizerDefinition definition)
    {
        Definition = definition;
        Special = new SpecialTokens(definition.Added);
        (_bytes, var merges) = definition.Build(_byteTokens);
        _pairs = new PairTable(_byteTokens, merges);
        _json = new Lazy<byte[]>(() => TokenizerJson.Write(definition));
    }

    /// <summary>The number of ids: one more than the highest.</summary>
    public int VocabularySize => _bytes.Length;

    /// <summary>Whether a space is put before text that does not begin with one.</summary>
    public bool AddPrefixSpace => Definition.AddPrefixSpace;

    /// <summary>The special tokens and their roles.</summary>
    public SpecialTokens Special { get; }

    /// <summary>The tokens that have names of their own, special ones among them.</summary>
    public IReadOnlyList<AddedToken> AddedTokens => Definition.Added;

    /// <summary>SHA-256 of the tokenizer's <c>tokenizer.json</c> as <see cref="Save"/> writes it, in lower-case hexadecimal.</summary>
    public string Sha256 => Convert.ToHexStringLower(SHA256.HashData(_json.Value));

    internal TokenizerDefinition Definition { get; }

    /// <summary>Reads a Hugging Face <c>tokenizer.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="BadDataException">The file cannot be read, is damaged, or needs something unsupported.</exception>
    public static ByteBpeTokenizer Load(string path) => new(TokenizerJson.Read(TokenizerJson.ReadFile(path), path));

    /// <summary>Reads GPT-2's pair of files.</summary>
    /// <param name="vocabularyPath"><c>vocab.json</c>, in some places called <c>encoder.json</c>.</param>
    /// <param name="mergesPath"><c>merges.txt</c>, in some places called <c>vocab.bpe</c>.</param>
    /// <returns>The tokenizer; <c>&lt;|endoftext|&gt;</c> and RoBERTa's names in the vocabulary become special tokens.</returns>
    /// <exception cref="BadDataException">A file cannot be read or is damaged.</exception>
    public static ByteBpeTokenizer LoadGpt2(string vocabularyPath, string mergesPath) =>
        new(Gpt2Files.Read(vocabularyPath, mergesPath));

    /// <summary>Writes a Hugging Face <c>tokenizer.json</c>, through a temporary file.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, stream => stream.Write(_json.Value));

    /// <summary>Encodes text. Surrogates without their other half become U+FFFD.</summary>
    /// <param name="text">The text.</param>
    /// <returns>Token ids, without special tokens.</returns>
    public int[] Encode(string text) => Encode(Encoding.UTF8.GetBytes(text));

    /// <summary>Encodes UTF-8 text, or any bytes.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <returns>Token ids, without special tokens.</returns>
    public int[] Encode(ReadOnlySpan<byte> utf8)
    {
        var tokens = new List<int>((utf8.Length / 4) + 1);
        Encode(utf8, tokens);
        return [.. tokens];
    }

    /// <summary>Encodes bytes onto the end of a list.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <param name="tokens">Receives the token ids.</param>
    /// <param name="continues">Whether the bytes go on with a text of which a part was encoded before: then no space is put before them.</param>
    public void Encode(ReadOnlySpan<byte> utf8, List<int> tokens, bool continues = false)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        if (!_encoders.TryTake(out var encoder))
        {
            encoder = new WordEncoder(_byteTokens, _pairs);
        }

        if (AddPrefixSpace && !continues && !utf8.IsEmpty && utf8[0] != ' ')
        {
            var spaced = ArrayPool<byte>.Shared.Rent(utf8.Length + 1);
            spaced[0] = (byte)' ';
            utf8.CopyTo(spaced.AsSpan(1));
            encoder.Encode(spaced.AsSpan(0, utf8.Length + 1), tokens);
            ArrayPool<byte>.Shared.Return(spaced);
        }
        else
        {
            encoder.Encode(utf8, tokens);
        }

        _encoders.Add(encoder);
    }

    /// <summary>The bytes that tokens stand for.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <param name="skipSpecial">Whether special tokens give nothing instead of their names.</param>
    /// <returns>The bytes.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public byte[] Decode(ReadOnlySpan<int> tokens, bool skipSpecial = true)
    {
        var bytes = new ArrayBufferWriter<byte>(Math.Max(16, tokens.Length * 4));
        foreach (var token in tokens)
        {
            var piece = (uint)token < (uint)_bytes.Length ? _bytes[token] : null;
            if (piece is null)
            {
                throw new ArgumentOutOfRangeException(nameof(tokens), token, $"The vocabulary of {VocabularySize} tokens has no token {token}.");
            }

            if (!skipSpecial || !Special.Contains(token))
            {
                bytes.Write(piece);
            }
        }

        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>The text that tokens stand for; bytes that are not valid UTF-8 become U+FFFD.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <param name="skipSpecial">Whether special tokens give nothing instead of their names.</param>
    /// <returns>The text.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string DecodeText(ReadOnlySpan<int> tokens, bool skipSpecial = true) => Encoding.UTF8.GetString(Decode(tokens, skipSpecial));
}
