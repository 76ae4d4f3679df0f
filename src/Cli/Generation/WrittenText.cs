using Linformer.Data.Tokenizers;
using Linformer.Model.Generation;

namespace Linformer.Cli.Generation;

/// <summary>What was generated from one text, as a line of JSON has it.</summary>
/// <param name="Input">The text.</param>
/// <param name="Text">What was generated.</param>
/// <param name="Tokens">Its tokens.</param>
/// <param name="LogProbability">The model's log-probability of it, in nats.</param>
/// <param name="End">Why it ended: end-token, maximum-tokens or maximum-length.</param>
internal sealed record WrittenText(string Input, string Text, int Tokens, double LogProbability, string End)
{
    /// <summary>Puts a result into words.</summary>
    /// <param name="input">The text that it was generated from.</param>
    /// <param name="sequence">The result.</param>
    /// <param name="tokenizer">What the tokens stand for.</param>
    public static WrittenText Of(string input, GeneratedSequence sequence, ITokenizer tokenizer) => new(
        input,
        tokenizer.DecodeText([.. sequence.Tokens]),
        sequence.Tokens.Count,
        sequence.LogProbability,
        sequence.End switch
        {
            GenerationEnd.EndToken => "end-token",
            GenerationEnd.MaximumTokens => "maximum-tokens",
            _ => "maximum-length",
        });
}
