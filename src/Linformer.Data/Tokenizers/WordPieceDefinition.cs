using System.Text;

namespace Linformer.Data.Tokenizers;

/// <summary>What a file says of a WordPiece tokenizer.</summary>
/// <param name="Source">The file's name, for messages.</param>
/// <param name="Vocabulary">Each token and its id.</param>
/// <param name="Added">The tokens with names of their own.</param>
/// <param name="Normalizer">What is done to text first.</param>
internal sealed record WordPieceDefinition(
    string Source, IReadOnlyDictionary<string, int> Vocabulary, IReadOnlyList<AddedToken> Added, BertNormalizer Normalizer)
{
    /// <summary>What stands for a word that has no pieces.</summary>
    public const string UnknownName = "[UNK]";

    /// <summary>BERT's limit of a word, in characters.</summary>
    public const int UsualLongestWord = 100;

    // The same bound as for byte-level vocabularies.
    private const int LargestVocabulary = 1 << 24;
    private const int LargestLongestWord = 1 << 12;

    private static readonly string[] SpecialNames = ["[PAD]", UnknownName, "[CLS]", "[SEP]", "[MASK]"];

    public string Unknown { get; init; } = UnknownName;

    public int LongestWord { get; init; } = UsualLongestWord;

    /// <summary>The file's post-processor as it stands there; encoding does not use it.</summary>
    public string? PostProcessor { get; init; }

    public static WordPieceDefinition FromLines(byte[] file, string source, bool lowercase)
    {
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        var lines = Encoding.UTF8.GetString(file).Split('\n');
        var count = lines[^1].Length == 0 ? lines.Length - 1 : lines.Length;
        for (var i = 0; i < count; i++)
        {
            if (!vocabulary.TryAdd(lines[i].TrimEnd('\r'), i))
            {
                throw new BadDataException($"{source}, line {i + 1}: the token \"{lines[i].TrimEnd('\r')}\" is there twice.");
            }
        }

        var added = SpecialNames.Where(vocabulary.ContainsKey).Select(name => new AddedToken(vocabulary[name], name, IsSpecial: true));
        return new WordPieceDefinition(source, vocabulary, [.. added.OrderBy(token => token.Id)], new BertNormalizer(true, true, lowercase, lowercase));
    }

    /// <summary>The name of each id; null where there is none.</summary>
    /// <exception cref="BadDataException">An id is impossible or taken twice, or a token is missing.</exception>
    public string?[] Names()
    {
        if (!Vocabulary.ContainsKey(Unknown))
        {
            throw new BadDataException($"{Source}: the vocabulary has no token \"{Unknown}\", which stands for unknown words.");
        }

        if (LongestWord is < 1 or > LargestLongestWord)
        {
            throw new BadDataException($"{Source}: \"max_input_chars_per_word\" is {LongestWord}; allowed are 1 to {LargestLongestWord}.");
        }

        var tokens = Vocabulary.Select(token => (Id: token.Value, Name: token.Key))
            .Concat(Added.Where(token => !Vocabulary.ContainsKey(token.Content)).Select(token => (token.Id, Name: token.Content)))
            .ToList();
        if (Added.FirstOrDefault(token => Vocabulary.TryGetValue(token.Content, out var id) && id != token.Id) is { } moved)
        {
            throw new BadDataException($"{Source}: the added token \"{moved.Content}\" has the id {moved.Id}, and {Vocabulary[moved.Content]} in the vocabulary.");
        }

        if (tokens.Exists(token => token.Id is < 0 or >= LargestVocabulary))
        {
            throw new BadDataException($"{Source}: token ids must be from 0 to {LargestVocabulary - 1}.");
        }

        var names = new string?[tokens.Max(token => token.Id) + 1];
        foreach (var (id, name) in tokens)
        {
            names[id] = names[id] is null ? name : throw new BadDataException($"{Source}: the id {id} of the token \"{name}\" is taken by \"{names[id]}\".");
        }

        return names;
    }
}
