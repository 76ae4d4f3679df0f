using System.Text.Json;

namespace Linformer.Data.Tokenizers;

/// <summary>The tokenizer of a folder in Hugging Face's layout.</summary>
public static class TokenizerFolder
{
    /// <summary>
    /// Reads <c>tokenizer.json</c>; without one <c>vocab.json</c> with <c>merges.txt</c>, or BERT's <c>vocab.txt</c>, which is uncased unless
    /// <c>tokenizer_config.json</c> says <c>"do_lower_case": false</c>.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <returns>The tokenizer, or null when the folder has none of these files.</returns>
    /// <exception cref="BadDataException">A file cannot be read, is damaged, or needs something unsupported.</exception>
    public static ITokenizer? Find(string folder)
    {
        var (json, vocabulary, merges, words) = (At("tokenizer.json"), At("vocab.json"), At("merges.txt"), At("vocab.txt"));
        if (File.Exists(json))
        {
            return TokenizerFile.Load(json);
        }

        if (File.Exists(vocabulary) && File.Exists(merges))
        {
            return ByteBpeTokenizer.LoadGpt2(vocabulary, merges);
        }

        return File.Exists(words) ? WordPieceTokenizer.LoadVocabulary(words, IsLowercase(At("tokenizer_config.json"))) : null;

        string At(string name) => Path.Combine(folder, name);
    }

    private static bool IsLowercase(string path)
    {
        if (!File.Exists(path))
        {
            return true;
        }

        try
        {
            using var document = JsonDocument.Parse(TokenizerJson.ReadFile(path));
            return document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("do_lower_case", out var flag) || flag.ValueKind != JsonValueKind.False;
        }
        catch (JsonException e)
        {
            throw new BadDataException($"{path}: not valid JSON: {e.Message}", e);
        }
    }
}
