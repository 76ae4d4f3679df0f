namespace Linformer.Model;

/// <summary>In what the matrix products of a model are computed. Parameters, their gradients and the optimizer are float32 in either case.</summary>
public enum Precision
{
    /// <summary>float32 throughout.</summary>
    Float32,

    /// <summary>
    /// Products and the activations between them in bfloat16, with sums in float32; the residual stream, the statistics of
    /// norms, the sums of softmax and the loss in float32.
    /// </summary>
    BFloat16,
}
