namespace Linformer.Data.Tokenizers;

/// <summary>What a tokenizer file says, in the byte alphabet's characters.</summary>
/// <param name="Source">The file's name, for messages.</param>
/// <param name="Vocabulary">Each token's characters and its id.</param>
/// <param name="Merges">The pairs of tokens that are merged, in order.</param>
/// <param name="Added">The tokens with names of their own.</param>
internal sealed record TokenizerDefinition(
    string Source,
    IReadOnlyDictionary<string, int> Vocabulary,
    IReadOnlyList<(string Left, string Right)> Merges,
    IReadOnlyList<AddedToken> Added)
{
    // An id beyond this is a damaged file, not a vocabulary.
    private const int LargestVocabulary = 1 << 24;

    // Vocabularies have gaps, but a large table of mostly gaps would take memory that the file does not pay for.
    private const int IdsPerToken = 16;
    private const int AlwaysAllowed = 1 << 17;

    public bool AddPrefixSpace { get; init; }

    /// <summary>The file's post-processor as it stands there; encoding does not use it.</summary>
    public string? PostProcessor { get; init; }

    public static ulong PairKey(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    /// <summary>Makes the tables for encoding and decoding.</summary>
    /// <param name="byteTokens">Receives the token of each byte.</param>
    /// <returns>The bytes of each id (null where there is none), and rank and result of each pair of ids.</returns>
    public (byte[]?[] Bytes, Dictionary<ulong, (int Rank, int Id)> Merges) Build(int[] byteTokens)
    {
        var bytes = BuildBytes();
        for (var b = 0; b < 256; b++)
        {
            if (!Vocabulary.TryGetValue(ByteAlphabet.Write([(byte)b]), out byteTokens[b]))
            {
                throw new BadDataException($"{Source}: the vocabulary has no token for the byte 0x{b:X2}; a byte-level vocabulary has all 256.");
            }
        }

        // Text never becomes a special token.
        var special = Added.Where(token => token.IsSpecial).Select(token => token.Id).ToHashSet();
        var merges = new Dictionary<ulong, (int Rank, int Id)>(Merges.Count);
        for (var rank = 0; rank < Merges.Count; rank++)
        {
            var (left, right) = Merges[rank];
            var merged = IdOf(left + right, rank);
            if (!special.Contains(merged))
            {
                merges.TryAdd(PairKey(IdOf(left, rank), IdOf(right, rank)), (rank, merged));
            }
        }

        return (bytes, merges);
    }

    private byte[]?[] BuildBytes()
    {
        var named = Added.Select(token => (token.Content, token.Id)).ToHashSet();
        var highest = Math.Max(Vocabulary.Values.DefaultIfEmpty(-1).Max(), Added.Select(token => token.Id).DefaultIfEmpty(-1).Max());
        if (highest >= LargestVocabulary || Vocabulary.Values.Concat(Added.Select(token => token.Id)).Any(id => id < 0))
        {
            throw new BadDataException($"{Source}: token ids must be from 0 to {LargestVocabulary - 1}.");
        }

        var count = Vocabulary.Count + Added.Count;
        if (highest > AlwaysAllowed && highest / IdsPerToken > count)
        {
            throw new BadDataException($"{Source}: the highest token id is {highest}, and there are {count} tokens; allowed are ids up to {IdsPerToken} times as many.");
        }

        var bytes = new byte[]?[highest + 1];
        foreach (var (characters, id) in Vocabulary.Where(token => !named.Contains((token.Key, token.Value))))
        {
            Set(id, characters, ByteAlphabet.Read(characters)
                ?? throw new BadDataException($"{Source}: the token \"{characters}\" is not written in the byte-level alphabet."));
        }

        foreach (var token in Added)
        {
            Set(token.Id, token.Content, System.Text.Encoding.UTF8.GetBytes(token.Content));
        }

        return bytes;

        void Set(int id, string token, byte[] content)
        {
            if (bytes[id] is not null)
            {
                throw new BadDataException($"{Source}: the id {id} of the token \"{token}\" is taken by another token.");
            }

            bytes[id] = content;
        }
    }

    private int IdOf(string token, int rank) => Vocabulary.TryGetValue(token, out var id)
        ? id
        : throw new BadDataException($"{Source}: merge {rank} (\"{Merges[rank].Left}\", \"{Merges[rank].Right}\") needs the token \"{token}\", which the vocabulary lacks.");
}
