using System.Runtime.InteropServices;
using System.Text;
using Linformer.Data.Shards;
using Linformer.Data.Tokenizers;

namespace Linformer.Data.Labelled;

/// <summary>
/// How an example is a document of a shard: the label's tokens, a separator, the text's tokens; of a pair, another separator and the second
/// text's tokens. Byte-level tokens give back every label, and text never gives the separator, so nothing is lost.
/// </summary>
internal static class ExampleTokens
{
    /// <summary>The token between label and text.</summary>
    /// <exception cref="BadDataException">The tokenizer has no token that text does not give.</exception>
    public static int SeparatorOf(SpecialTokens special) => special.Separator ?? special.Begin ?? special.Unknown
        ?? throw new BadDataException("The tokenizer has neither </s> nor <s> nor <unk>, one of which must stand between the parts of an example.");

    public static void Write(IEnumerable<LabelledText> examples, ITokenizer tokenizer, ShardWriter writer, CancellationToken cancellationToken)
    {
        var separator = SeparatorOf(tokenizer.Special);
        var tokens = new List<int>();
        foreach (var example in examples)
        {
            cancellationToken.ThrowIfCancellationRequested();
            tokens.Clear();
            tokenizer.Encode(Encoding.UTF8.GetBytes(example.Label), tokens);
            tokens.Add(separator);
            tokenizer.Encode(Encoding.UTF8.GetBytes(example.Text), tokens);
            if (example.TextPair is { } pair)
            {
                tokens.Add(separator);
                tokenizer.Encode(Encoding.UTF8.GetBytes(pair), tokens);
            }

            writer.Add(CollectionsMarshal.AsSpan(tokens));
            writer.EndDocument();
        }
    }
}
