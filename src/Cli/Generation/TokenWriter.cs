using System.Text;
using Linformer.Data.Tokenizers;

namespace Linformer.Cli.Generation;

/// <summary>Writes tokens as text as they come; bytes of a character wait for its last one.</summary>
/// <param name="tokenizer">What the tokens stand for.</param>
/// <param name="output">Where the text goes.</param>
internal sealed class TokenWriter(ITokenizer tokenizer, TextWriter output)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <summary>Writes a token.</summary>
    /// <param name="token">Its id.</param>
    public void Write(int token) => Write(tokenizer.Decode([token]), flush: false);

    /// <summary>Writes what is left of a character that has no end, and ends the line.</summary>
    public void End()
    {
        Write([], flush: true);
        output.WriteLine();
    }

    private void Write(byte[] bytes, bool flush)
    {
        var characters = new char[_decoder.GetCharCount(bytes, flush)];
        var count = _decoder.GetChars(bytes, characters, flush);
        output.Write(characters, 0, count);
        output.Flush();
    }
}
