using static TorchSharp.torch;

namespace Linformer.Model.Inspection;

/// <summary>Looks into the attention of an encoder while it reads.</summary>
public static class AttentionInspector
{
    // Singular values of float32 scores would be rounding below a millionth of the largest.
    private const ScalarType SpectrumType = ScalarType.Float64;

    /// <summary>The map of every layer and head for one text: which weight each position gives to each projected position, or to each position.</summary>
    /// <param name="encoder">An encoder in evaluation mode.</param>
    /// <param name="inputIds">Token ids [1, length], int64.</param>
    /// <returns>For each layer a tensor [heads, length, k], or [heads, length, length] for full attention; on the CPU, float32, the caller's to dispose.</returns>
    /// <exception cref="ArgumentException"><paramref name="inputIds"/> is not one sequence that the encoder can read.</exception>
    public static IReadOnlyList<Tensor> Maps(Encoder encoder, Tensor inputIds) =>
        Trace(encoder, inputIds, trace => trace.Weights[0].to_type(ScalarType.Float32).cpu().contiguous());

    /// <summary>
    /// The singular values of the full attention map of every layer and head: softmax(Q·Kᵀ/√d) over all positions, before any projection, as in
    /// figure 1 of Wang et al. 2020. For a linear model it is the map that the projection stands for.
    /// </summary>
    /// <param name="encoder">An encoder in evaluation mode.</param>
    /// <param name="inputIds">Token ids [1, length], int64.</param>
    /// <returns>For each layer a tensor [heads, length] of singular values, descending; float64, on the CPU, the caller's to dispose.</returns>
    /// <exception cref="ArgumentException"><paramref name="inputIds"/> is not one sequence that the encoder can read.</exception>
    public static IReadOnlyList<Tensor> Spectra(Encoder encoder, Tensor inputIds) => Trace(encoder, inputIds, trace =>
    {
        var (query, keys) = (trace.Query[0].to_type(SpectrumType), trace.Keys[0].to_type(SpectrumType)); // [heads, length, d]
        var map = (query * (1 / Math.Sqrt(query.shape[2]))).matmul(keys.transpose(-2, -1)).softmax(-1);  // [heads, length, length]
        return linalg.svdvals(map.cpu());
    });

    /// <summary>What share of the sum of all singular values the largest ones hold (the y axis of figure 1).</summary>
    /// <param name="values">Singular values, descending; at least one is above 0.</param>
    /// <returns>For each i the share of the first i + 1; the last is 1.</returns>
    public static double[] Cumulative(ReadOnlySpan<double> values)
    {
        var sums = new double[values.Length];
        var sum = 0.0;
        for (var i = 0; i < values.Length; i++)
        {
            sums[i] = sum += values[i];
        }

        return Array.ConvertAll(sums, part => part / sum);
    }

    private static List<Tensor> Trace(Encoder encoder, Tensor inputIds, Func<AttentionTrace, Tensor> take)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(inputIds);
        if (inputIds.dim() != 2 || inputIds.shape[0] != 1)
        {
            throw new ArgumentException($"input_ids has shape [{string.Join(", ", inputIds.shape)}]; one sequence, [1, length], is expected.", nameof(inputIds));
        }

        var taken = new List<Tensor>();
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        encoder.Watch(trace => taken.Add(take(trace).MoveToOuterDisposeScope()));
        try
        {
            encoder.call(inputIds, null);
        }
        finally
        {
            encoder.Watch(null);
        }

        return taken;
    }
}
