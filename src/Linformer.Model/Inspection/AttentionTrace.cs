using static TorchSharp.torch;

namespace Linformer.Model.Inspection;

/// <summary>What one layer's attention has computed. Its tensors live in the dispose scope of the forward pass.</summary>
/// <param name="Query">Queries by heads, [batch, heads, length, d].</param>
/// <param name="Keys">Keys by heads before any projection, [batch, heads, length, d]; one head where one stands for all.</param>
/// <param name="Weights">The map: the softmax of each query's scores, [batch, heads, length, k], or [batch, heads, length, length] if full.</param>
public sealed record AttentionTrace(Tensor Query, Tensor Keys, Tensor Weights);
