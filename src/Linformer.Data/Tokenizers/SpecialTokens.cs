namespace Linformer.Data.Tokenizers;

/// <summary>A token that has a name of its own beside the tokens of text.</summary>
/// <param name="Id">Its number in the vocabulary.</param>
/// <param name="Content">Its name, such as <c>&lt;mask&gt;</c>.</param>
/// <param name="IsSpecial">Whether it is a mark rather than text: never masked, skipped when text is decoded.</param>
public sealed record AddedToken(int Id, string Content, bool IsSpecial);

/// <summary>
/// The ids of the tokens that have a role, found by their names: RoBERTa's, BERT's, or GPT-2's <c>&lt;|endoftext|&gt;</c> as both
/// beginning and separator. A role that the vocabulary lacks is null.
/// </summary>
public sealed class SpecialTokens
{
    private readonly HashSet<int> _ids;

    internal SpecialTokens(IEnumerable<AddedToken> added)
    {
        var special = added.Where(token => token.IsSpecial).OrderBy(token => token.Id).ToArray();
        _ids = [.. special.Select(token => token.Id)];
        Ids = Array.ConvertAll(special, token => token.Id);
        Begin = Find("<s>", "[CLS]", "<|endoftext|>");
        Pad = Find("<pad>", "[PAD]");
        Separator = Find("</s>", "[SEP]", "<|endoftext|>");
        Unknown = Find("<unk>", "[UNK]");
        Mask = Find("<mask>", "[MASK]");

        int? Find(params string[] names) => names
            .Select(name => special.FirstOrDefault(token => token.Content == name)?.Id)
            .FirstOrDefault(id => id is not null);
    }

    /// <summary><c>&lt;s&gt;</c> or <c>[CLS]</c>, the beginning of a sequence.</summary>
    public int? Begin { get; }

    /// <summary><c>&lt;pad&gt;</c> or <c>[PAD]</c>, which fills a sequence up.</summary>
    public int? Pad { get; }

    /// <summary><c>&lt;/s&gt;</c> or <c>[SEP]</c>, the end of a document, put between documents.</summary>
    public int? Separator { get; }

    /// <summary><c>&lt;unk&gt;</c> or <c>[UNK]</c>; byte-level encoding never gives it.</summary>
    public int? Unknown { get; }

    /// <summary><c>&lt;mask&gt;</c> or <c>[MASK]</c>, which stands for a token to predict.</summary>
    public int? Mask { get; }

    /// <summary>The ids of all special tokens, ascending.</summary>
    public IReadOnlyList<int> Ids { get; }

    /// <summary>Whether an id is that of a special token.</summary>
    /// <param name="id">A token id.</param>
    /// <returns>True for special tokens.</returns>
    public bool Contains(int id) => _ids.Contains(id);
}
