using Linformer.Data.Tokenizers;

namespace Linformer.Data;

/// <summary>
/// Predicts each token by its frequency in the training text alone, with one added to each count. A model that uses
/// context must beat its perplexity. Special tokens, which are never predicted, are left out.
/// </summary>
public sealed class UnigramModel
{
    /// <summary>Of more training sequences than these, it is enough to count so many.</summary>
    public const long EnoughSequences = 100_000;

    private readonly long[] _counts;
    private readonly bool[] _isSpecial;
    private readonly int _ordinary;

    /// <summary>Makes a model that has seen nothing, for which all tokens are equally likely.</summary>
    /// <param name="vocabularySize">The number of ids.</param>
    /// <param name="special">The special tokens.</param>
    public UnigramModel(int vocabularySize, SpecialTokens special)
    {
        ArgumentNullException.ThrowIfNull(special);
        _counts = new long[vocabularySize];
        _isSpecial = new bool[vocabularySize];
        foreach (var id in special.Ids)
        {
            _isSpecial[id] = true;
        }

        _ordinary = vocabularySize - special.Ids.Count;
    }

    /// <summary>The number of tokens counted.</summary>
    public long Total { get; private set; }

    /// <summary>Counts the tokens of sequences.</summary>
    /// <param name="sequences">The training sequences.</param>
    /// <param name="vocabularySize">The number of ids.</param>
    /// <param name="special">The special tokens.</param>
    /// <param name="atMost">At most so many sequences, evenly spread, are counted.</param>
    /// <param name="cancellationToken">Stops the count.</param>
    /// <returns>The model.</returns>
    public static UnigramModel Count(
        SequenceSet sequences, int vocabularySize, SpecialTokens special, long atMost = long.MaxValue, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        var model = new UnigramModel(vocabularySize, special);
        var tokens = new int[sequences.SequenceLength];
        var counted = Math.Min(atMost, sequences.Count);
        for (var i = 0L; i < counted; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = sequences.Read((long)((Int128)i * sequences.Count / counted), tokens);
            model.Add(tokens.AsSpan(0, read));
        }

        return model;
    }

    /// <summary>Counts tokens.</summary>
    /// <param name="tokens">Token ids; special ones are passed over.</param>
    public void Add(ReadOnlySpan<int> tokens)
    {
        foreach (var token in tokens)
        {
            if (!_isSpecial[token])
            {
                _counts[token]++;
                Total++;
            }
        }
    }

    /// <summary>The natural logarithm of a token's probability; minus infinity for a special token.</summary>
    /// <param name="token">A token id.</param>
    /// <returns>ln((count + 1) / (total + number of ordinary tokens)).</returns>
    public double LogProbability(int token) =>
        _isSpecial[token] ? double.NegativeInfinity : Math.Log((_counts[token] + 1.0) / (Total + (double)_ordinary));

    /// <summary>The perplexity of tokens: the exponential of their mean negative log probability.</summary>
    /// <param name="targets">Token ids, such as those that a masked language model was asked for; at least one.</param>
    /// <returns>From 1 to the size of the vocabulary and above; NaN for no tokens.</returns>
    public double Perplexity(IEnumerable<int> targets)
    {
        var (sum, count) = (0.0, 0L);
        foreach (var target in targets)
        {
            sum -= LogProbability(target);
            count++;
        }

        return Math.Exp(sum / count);
    }
}
