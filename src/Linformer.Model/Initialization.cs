using static TorchSharp.torch;

namespace Linformer.Model;

/// <summary>
/// First values of a model's parameters, drawn from <see cref="CounterRandom"/>: a function of the seed and the
/// parameter's name, whatever else the model holds and whichever process draws them.
/// </summary>
public static class Initialization
{
    /// <summary>Standard deviation of weights and embeddings, as in RoBERTa.</summary>
    public const double WeightDeviation = 0.02;

    private const int Chunk = 1 << 16;

    /// <summary>
    /// Weights and embeddings ~ N(0, 0.02²), biases 0, gains of norms 1, as in RoBERTa. E and F start as windows:
    /// row i averages positions i·n/k to (i+1)·n/k (the mean pooling of the paper's section 4), scaled to unit
    /// length, plus N(0, 0.02²). Random rows mix the whole sequence into every one of the k sums, and a small model
    /// then stays at word frequencies for thousands of steps.
    /// </summary>
    /// <param name="model">Module of which every parameter is overwritten.</param>
    /// <param name="seed">The job's seed.</param>
    public static void Apply(nn.Module model, long seed)
    {
        using var noGrad = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (name.EndsWith("bias", StringComparison.Ordinal))
            {
                parameter.zero_();
            }
            else if (name.EndsWith("norm.weight", StringComparison.Ordinal))
            {
                parameter.fill_(1);
            }
            else
            {
                FillNormal(parameter, CounterRandom.For(seed, name));
                if (name.Contains("projection", StringComparison.Ordinal))
                {
                    AddWindows(parameter);
                }
            }
        }
    }

    /// <summary>Adds 1/√width to the window of positions that each row averages. [k, n] or [heads, k, n].</summary>
    private static void AddWindows(Tensor projection)
    {
        var (k, n) = (projection.shape[^2], projection.shape[^1]);
        for (var row = 0L; row < k; row++)
        {
            var (from, to) = (row * n / k, (row + 1) * n / k);
            using var rows = projection.narrow(-2, row, 1);
            using var window = rows.narrow(-1, from, to - from);
            window.add_(1 / Math.Sqrt(to - from));
        }
    }

    private static void FillNormal(Tensor parameter, CounterRandom random)
    {
        var values = new float[parameter.numel()];
        Parallel.For(0, (values.Length + Chunk - 1) / Chunk, chunk =>
        {
            var end = Math.Min(values.Length, (chunk + 1) * Chunk);
            for (var i = chunk * Chunk; i < end; i++)
            {
                values[i] = (float)(WeightDeviation * random.NormalAt((ulong)i));
            }
        });
        using var drawn = tensor(values, parameter.shape);
        parameter.copy_(drawn);
    }
}
