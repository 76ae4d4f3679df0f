using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Decoding;

internal static class TokenIds
{
    // Checked here because real TorchSharp ends the process on some of the errors that would follow.
    public static void Check(Tensor ids, string name)
    {
        if (ids.dim() != 2 || ids.shape[1] < 1)
        {
            throw new ArgumentException($"{name} has shape [{string.Join(", ", ids.shape)}]; it must be [batch, length] with a length of at least 1.", name);
        }

        if (ids.dtype != ScalarType.Int64)
        {
            throw new ArgumentException($"{name} has elements of type {ids.dtype}; they must be Int64.", name);
        }
    }

    /// <summary>The product of hidden states [..., hidden] with the token embeddings [vocabulary, hidden].</summary>
    public static Tensor TiedLogits(this Placement placement, Tensor hidden, Tensor embeddings) =>
        nn.functional.linear(placement.Operand(hidden), placement.Operand(embeddings)).to_type(hidden.dtype);
}
