namespace Linformer.Model.Generation;

/// <summary>How the next token is chosen.</summary>
public enum DecodingKind
{
    /// <summary>The likeliest token.</summary>
    Greedy,

    /// <summary>The likeliest sequences of a beam that is kept.</summary>
    Beam,

    /// <summary>A token drawn from the smallest set whose probabilities add up to p (Holtzman et al. 2019, "nucleus sampling").</summary>
    Nucleus,
}

/// <summary>How sequences are generated. Immutable; <see cref="Validate"/> says whether it makes sense.</summary>
public sealed record GenerationOptions
{
    /// <summary>How the next token is chosen.</summary>
    public DecodingKind Kind { get; init; } = DecodingKind.Greedy;

    /// <summary>Most tokens to generate, the end token among them; the model's length ends a sequence sooner.</summary>
    public int MaximumTokens { get; init; } = 128;

    /// <summary>The token that ends a sequence; null: nothing but its length does.</summary>
    public int? EndToken { get; init; }

    /// <summary>Sequences that a beam keeps.</summary>
    public int Beams { get; init; } = 4;

    /// <summary>
    /// α of a beam: sequences are compared by log-probability / ((5 + length) / 6)^α (Wu et al. 2016, equation 14). 0 compares log-probabilities,
    /// which prefers short ones.
    /// </summary>
    public double LengthPenalty { get; init; } = 0.6;

    /// <summary>p of nucleus sampling; 1 draws from all tokens.</summary>
    public double TopP { get; init; } = 0.9;

    /// <summary>Logits are divided by it before a token is drawn: below 1 the likely become likelier.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Decides what is drawn, with the number of the sequence and the place in it: the same seed gives the same text.</summary>
    public long Seed { get; init; }

    /// <summary>Checks every field.</summary>
    /// <exception cref="ArgumentException">Names the field, its value and what is allowed.</exception>
    public void Validate()
    {
        Require(Enum.IsDefined(Kind), $"{nameof(Kind)} is {Kind}; allowed are greedy, beam and nucleus.");
        Require(MaximumTokens >= 1, $"{nameof(MaximumTokens)} is {MaximumTokens}; it must be at least 1.");
        Require(Beams is >= 1 and <= 1000, $"{nameof(Beams)} is {Beams}; it must be from 1 to 1000.");
        Require(LengthPenalty is >= 0 and <= 10, $"{nameof(LengthPenalty)} is {LengthPenalty}; it must be from 0 to 10.");
        Require(TopP is > 0 and <= 1, $"{nameof(TopP)} is {TopP}; it must be above 0 and at most 1.");
        Require(Temperature is > 0 and <= 1000, $"{nameof(Temperature)} is {Temperature}; it must be above 0 and at most 1000. For the likeliest token alone, choose greedy.");
    }

    private static void Require(bool holds, string message)
    {
        if (!holds)
        {
            throw new ArgumentException(message);
        }
    }
}

/// <summary>Why a sequence ended.</summary>
public enum GenerationEnd
{
    /// <summary>The end token came.</summary>
    EndToken,

    /// <summary>It has as many tokens as were asked for.</summary>
    MaximumTokens,

    /// <summary>It is as long as the model takes.</summary>
    MaximumLength,
}

/// <summary>What was generated after a prompt.</summary>
/// <param name="Tokens">The tokens, without the prompt and without the end token.</param>
/// <param name="LogProbability">The sum of the model's log-probabilities of them and of the end token, in nats, whatever the temperature.</param>
/// <param name="End">Why it ended.</param>
public sealed record GeneratedSequence(IReadOnlyList<int> Tokens, double LogProbability, GenerationEnd End);
