namespace Linformer.Data.Tokenizers;

/// <summary>Text to token ids and back. Safe for many threads. <see cref="TokenizerFile"/> reads one from a file.</summary>
public interface ITokenizer
{
    /// <summary>The number of ids: one more than the highest.</summary>
    int VocabularySize { get; }

    /// <summary>The special tokens and their roles.</summary>
    SpecialTokens Special { get; }

    /// <summary>SHA-256 of the tokenizer's <c>tokenizer.json</c> as <see cref="Save"/> writes it, in lower-case hexadecimal.</summary>
    string Sha256 { get; }

    /// <summary>Writes a Hugging Face <c>tokenizer.json</c>, through a temporary file.</summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    void Save(string path);

    /// <summary>Encodes text. Surrogates without their other half become U+FFFD.</summary>
    /// <param name="text">The text.</param>
    /// <returns>Token ids, without special tokens.</returns>
    int[] Encode(string text);

    /// <summary>Encodes UTF-8 text, or any bytes.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <returns>Token ids, without special tokens.</returns>
    int[] Encode(ReadOnlySpan<byte> utf8);

    /// <summary>Encodes bytes onto the end of a list.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <param name="tokens">Receives the token ids.</param>
    /// <param name="continues">Whether the bytes go on with a text of which a part was encoded before.</param>
    void Encode(ReadOnlySpan<byte> utf8, List<int> tokens, bool continues = false);

    /// <summary>The text that tokens stand for, as UTF-8.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <param name="skipSpecial">Whether special tokens give nothing instead of their names.</param>
    /// <returns>The bytes.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    byte[] Decode(ReadOnlySpan<int> tokens, bool skipSpecial = true);

    /// <summary>The text that tokens stand for; bytes that are not valid UTF-8 become U+FFFD.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <param name="skipSpecial">Whether special tokens give nothing instead of their names.</param>
    /// <returns>The text.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    string DecodeText(ReadOnlySpan<int> tokens, bool skipSpecial = true);
}
