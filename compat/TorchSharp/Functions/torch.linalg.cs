using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    // Decompositions of matrices.
    public static class linalg
    {
        public static Tensor svdvals(Tensor input) => Aten.LinalgSvdvals.Call(input);
    }
}
