using Linformer.Data.Tokenizers;
using Linformer.Model;

namespace Linformer.Data;

/// <summary>
/// Chooses the tokens that a masked language model has to predict: each token that is not special with a given probability;
/// of the chosen ones 80% become <c>&lt;mask&gt;</c>, 10% a random token that is not special, 10% stay (Devlin et al. 2018).
/// The choice is a function of (seed, sample) alone: another one each time that a sequence is seen, as in RoBERTa.
/// </summary>
public sealed class Masker
{
    /// <summary>The usual probability.</summary>
    public const double DefaultProbability = 0.15;

    private const double MaskShare = 0.8;
    private const double RandomShare = 0.1;

    private readonly CounterRandom _training;

    // Without the job's seed: every job is measured on the same masked tokens.
    private readonly CounterRandom _evaluation = CounterRandom.For(0, "evaluation-mask");
    private readonly double _probability;
    private readonly int _maskId;
    private readonly bool[] _isSpecial;
    private readonly int[] _ordinary;

    /// <summary>Makes a masker.</summary>
    /// <param name="seed">The job's seed.</param>
    /// <param name="vocabularySize">The number of ids.</param>
    /// <param name="special">The special tokens, of which one is the mask.</param>
    /// <param name="maskProbability">The probability that a token is chosen, above 0 and at most 1.</param>
    /// <exception cref="BadDataException">The probability is out of range, or there is no mask token, or no token that is not special.</exception>
    public Masker(long seed, int vocabularySize, SpecialTokens special, double maskProbability = DefaultProbability)
    {
        ArgumentNullException.ThrowIfNull(special);
        if (maskProbability is not (> 0 and <= 1))
        {
            throw new BadDataException($"training.maskProbability is {maskProbability}; allowed is above 0 and at most 1.");
        }

        _maskId = special.Mask ?? throw new BadDataException("The tokenizer has no <mask> token, which masked language modelling needs.");
        _probability = maskProbability;
        _training = CounterRandom.For(seed, "mask");
        _isSpecial = new bool[vocabularySize];
        foreach (var id in special.Ids)
        {
            _isSpecial[id] = true;
        }

        _ordinary = [.. Enumerable.Range(0, vocabularySize).Where(id => !_isSpecial[id])];
        if (_ordinary.Length == 0)
        {
            throw new BadDataException("The tokenizer has special tokens only.");
        }
    }

    /// <summary>Masks a sequence for training.</summary>
    /// <param name="sample">The sample's number over the whole training, i = s·B + j.</param>
    /// <param name="tokens">[n]: token ids.</param>
    /// <param name="count">How many of them are real; the rest is padding.</param>
    /// <param name="inputs">[n]: receives the tokens with the chosen ones replaced.</param>
    /// <param name="positions">[at least count]: receives where the chosen tokens are, ascending.</param>
    /// <param name="targets">[at least count]: receives what they were.</param>
    /// <returns>How many tokens were chosen; it may be none.</returns>
    /// <exception cref="ArgumentException">A span is too short.</exception>
    public int Mask(long sample, ReadOnlySpan<int> tokens, int count, Span<int> inputs, Span<int> positions, Span<int> targets) =>
        Mask(_training.Derive((ulong)sample), tokens, count, inputs, positions, targets);

    /// <summary>Masks a held-out sequence: always in the same way, whatever the seed.</summary>
    /// <param name="sequence">The sequence's number in the held-out set.</param>
    /// <param name="tokens">[n]: token ids.</param>
    /// <param name="count">How many of them are real; the rest is padding.</param>
    /// <param name="inputs">[n]: receives the tokens with the chosen ones replaced.</param>
    /// <param name="positions">[at least count]: receives where the chosen tokens are, ascending.</param>
    /// <param name="targets">[at least count]: receives what they were.</param>
    /// <returns>How many tokens were chosen; it may be none.</returns>
    /// <exception cref="ArgumentException">A span is too short.</exception>
    public int MaskForEvaluation(long sequence, ReadOnlySpan<int> tokens, int count, Span<int> inputs, Span<int> positions, Span<int> targets) =>
        Mask(_evaluation.Derive((ulong)sequence), tokens, count, inputs, positions, targets);

    private int Mask(CounterRandom random, ReadOnlySpan<int> tokens, int count, Span<int> inputs, Span<int> positions, Span<int> targets)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (count > tokens.Length || inputs.Length < tokens.Length || positions.Length < count || targets.Length < count)
        {
            throw new ArgumentException(
                $"Lengths do not fit: {count} real of {tokens.Length} tokens, room for {inputs.Length} inputs, {positions.Length} positions, {targets.Length} targets.");
        }

        tokens.CopyTo(inputs);
        var chosen = 0;
        for (var i = 0; i < count; i++)
        {
            // Three draws belong to each position, so that no choice shifts another.
            var draw = (ulong)i * 3;
            if (_isSpecial[tokens[i]] || random.UniformAt(draw) >= _probability)
            {
                continue;
            }

            positions[chosen] = i;
            targets[chosen] = tokens[i];
            chosen++;
            inputs[i] = random.UniformAt(draw + 1) switch
            {
                < MaskShare => _maskId,
                < MaskShare + RandomShare => _ordinary[random.BelowAt(draw + 2, (ulong)_ordinary.Length)],
                _ => tokens[i],
            };
        }

        return chosen;
    }
}
