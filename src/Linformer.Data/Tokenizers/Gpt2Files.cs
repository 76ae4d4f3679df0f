using System.Text;
using System.Text.Json;

namespace Linformer.Data.Tokenizers;

/// <summary>Reads GPT-2's vocabulary (a JSON object of tokens and ids) and merges (a line per pair).</summary>
internal static class Gpt2Files
{
    private static readonly string[] SpecialNames = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"];

    public static TokenizerDefinition Read(string vocabularyPath, string mergesPath)
    {
        var vocabulary = ReadVocabulary(vocabularyPath);
        var added = SpecialNames
            .Where(vocabulary.ContainsKey)
            .Select(name => new AddedToken(vocabulary[name], name, IsSpecial: true))
            .OrderBy(token => token.Id)
            .ToArray();
        return new TokenizerDefinition(vocabularyPath, vocabulary, ReadMerges(mergesPath), added);
    }

    private static Dictionary<string, int> ReadVocabulary(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, int>>(TokenizerJson.ReadFile(path))
                ?? throw new BadDataException($"{path}: expected a JSON object of tokens and ids, found null.");
        }
        catch (JsonException e)
        {
            throw new BadDataException($"{path}: not a JSON object of tokens and ids: {e.Message}", e);
        }
    }

    private static List<(string Left, string Right)> ReadMerges(string path)
    {
        var merges = new List<(string, string)>();
        var lines = Encoding.UTF8.GetString(TokenizerJson.ReadFile(path)).Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i].TrimEnd('\r');
            if (line.Length == 0 || (i == 0 && line.StartsWith("#version", StringComparison.Ordinal)))
            {
                continue;
            }

            merges.Add(TokenizerJson.SplitMerge(line)
                ?? throw new BadDataException($"{path}, line {i + 1}: \"{line}\" is not a merge; expected two tokens with a space between."));
        }

        return merges;
    }
}
