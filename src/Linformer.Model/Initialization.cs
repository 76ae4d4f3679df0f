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

    // Up to this n, projections have the deviation of all weights.
    private const double NoisyLength = 512;

    /// <summary>
    /// Weights and embeddings ~ N(0, 0.02²), biases 0, gains of norms 1, as in RoBERTa. E and F start as windows:
    /// row i averages positions i·n/k to (i+1)·n/k (the mean pooling of the paper's section 4), scaled to unit
    /// length, plus N(0, 0.02²), and less beyond n = 512: the noise of a row is never longer than it is there, 0.45, or
    /// it would drown the window (at n = 4,096 it would be 1.28). Random rows mix the whole sequence into every one of
    /// the k sums, and a small model then stays at word frequencies for thousands of steps. Convolutions start as the same windows, each channel by itself.
    /// Fixed projections are N(0, 1/k), as in the paper's theorem 2.
    /// </summary>
    /// <param name="model">Module of which every parameter is overwritten.</param>
    /// <param name="seed">The job's seed.</param>
    /// <param name="scale">How large weights and embeddings begin, if not as in RoBERTa.</param>
    public static void Apply(nn.Module model, long seed, InitialScale scale = InitialScale.Roberta)
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
                FillParameter(name, parameter, CounterRandom.For(seed, name), scale);
            }
        }
    }

    private static void FillParameter(string name, Tensor parameter, CounterRandom random, InitialScale scale)
    {
        if (name.Contains("fixed_projection", StringComparison.Ordinal))
        {
            FillNormal(parameter, random, 1 / Math.Sqrt(parameter.shape[^2]));
            return;
        }

        var deviation = scale == InitialScale.FanIn ? FanInDeviation(name, parameter) : WeightDeviation;
        if (name.Contains("projection", StringComparison.Ordinal))
        {
            FillNormal(parameter, random, deviation * Math.Min(1, Math.Sqrt(NoisyLength / parameter.shape[^1])));
            AddWindows(parameter);
            return;
        }

        FillNormal(parameter, random, deviation);
        if (name.Contains("convolution", StringComparison.Ordinal))
        {
            // [outputs, inputs, window] or [heads, outputs, inputs, window].
            var (size, window) = (parameter.shape[^2], parameter.shape[^1]);
            using var same = eye(size, dtype: parameter.dtype, device: parameter.device).unsqueeze(-1);
            parameter.add_(same, 1 / Math.Sqrt(window));
        }
    }

    // E, F and positions stay as they are: their columns are places, and a place of its own for each is noise to begin with.
    private static double FanInDeviation(string name, Tensor parameter) => name switch
    {
        _ when name.EndsWith("token.weight", StringComparison.Ordinal) => 1,
        _ when name.EndsWith("position.weight", StringComparison.Ordinal)
            || name.Contains("projection", StringComparison.Ordinal)
            || name.Contains("convolution", StringComparison.Ordinal) => WeightDeviation,
        _ => 1 / Math.Sqrt(parameter.shape[^1]),
    };

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

    private static void FillNormal(Tensor parameter, CounterRandom random, double deviation)
    {
        var values = new float[parameter.numel()];
        Parallel.For(0, (values.Length + Chunk - 1) / Chunk, chunk =>
        {
            var end = Math.Min(values.Length, (chunk + 1) * Chunk);
            for (var i = chunk * Chunk; i < end; i++)
            {
                values[i] = (float)(deviation * random.NormalAt((ulong)i));
            }
        });
        using var drawn = tensor(values, parameter.shape);
        parameter.copy_(drawn);
    }
}
