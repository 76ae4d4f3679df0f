namespace Linformer.Model.Generation;

/// <summary>Draws tokens from the smallest set whose probabilities add up to p.</summary>
/// <param name="options">p, temperature and seed.</param>
internal sealed class NucleusChoice(GenerationOptions options)
{
    private readonly CounterRandom _random = CounterRandom.For(options.Seed, "generation");

    /// <summary>Draws the token at one place of a sequence: a function of the logits, the seed, the sequence's number and the place.</summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="sequence">The sequence's number.</param>
    /// <param name="place">The token's place in the sequence, the prompt included.</param>
    public int Choose(ReadOnlySpan<float> logits, int sequence, int place)
    {
        var probabilities = new double[logits.Length];
        var tokens = new int[logits.Length];
        var top = (double)logits[0];
        foreach (var logit in logits)
        {
            top = Math.Max(top, logit);
        }

        var sum = 0.0;
        for (var token = 0; token < tokens.Length; token++)
        {
            tokens[token] = token;
            probabilities[token] = Math.Exp((logits[token] - top) / options.Temperature);
            sum += probabilities[token];
        }

        // Among equals the smaller id comes first, so that the set does not depend on how it is sorted.
        Array.Sort(tokens, (a, b) => probabilities[a] != probabilities[b] ? probabilities[b].CompareTo(probabilities[a]) : a.CompareTo(b));
        var (nucleus, size) = (0.0, 0);
        while (size < tokens.Length && nucleus < options.TopP * sum)
        {
            nucleus += probabilities[tokens[size++]];
        }

        var drawn = nucleus * _random.Derive((ulong)sequence).UniformAt((ulong)place);
        var next = 0;
        while (next < size - 1 && drawn >= probabilities[tokens[next]])
        {
            drawn -= probabilities[tokens[next++]];
        }

        return tokens[next];
    }
}
