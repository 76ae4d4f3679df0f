namespace TorchSharp.Modules
{
    /// <summary>A tensor that a module registers as one of its parameters.</summary>
    public class Parameter : torch.Tensor
    {
        /// <summary>Takes the tensor over: <paramref name="data"/> is empty afterwards.</summary>
        public Parameter(torch.Tensor data, bool requires_grad = true)
            : base(data.with_requires_grad(requires_grad).MoveHandle(), register: false)
        {
            DisposeScope.Replace(data, this);
        }

        internal Parameter(nint handle)
            : base(handle)
        {
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Modules.Parameter Parameter(Tensor data, bool requires_grad = true) =>
                new(data, requires_grad);
        }
    }
}
