namespace Linformer.Data.Tokenizers;

/// <summary>Reads whatever tokenizer a <c>tokenizer.json</c> describes.</summary>
public static class TokenizerFile
{
    /// <summary>Reads a Hugging Face <c>tokenizer.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>A <see cref="ByteBpeTokenizer"/> or a <see cref="WordPieceTokenizer"/>.</returns>
    /// <exception cref="BadDataException">The file cannot be read, is damaged, or needs something unsupported.</exception>
    public static ITokenizer Load(string path)
    {
        var json = TokenizerJson.ReadFile(path);
        return TokenizerJson.Parse(json, path, root => TokenizerJson.TypeOf(root, "model")) == "WordPiece"
            ? new WordPieceTokenizer(WordPieceJson.Read(json, path))
            : new ByteBpeTokenizer(TokenizerJson.Read(json, path));
    }
}
