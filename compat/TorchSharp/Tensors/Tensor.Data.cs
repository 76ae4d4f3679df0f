using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    // Copies, conversions and filling.
    public partial class Tensor
    {
        public Tensor clone() => Aten.Clone.Call(this);

        public Tensor copy_(Tensor source, bool nonBlocking = false)
        {
            Aten.CopyInPlace.CallInPlace(this, source, nonBlocking);
            return this;
        }

        public Tensor detach() => Aten.Detach.Call(this);

        public Tensor detach_()
        {
            Aten.DetachInPlace.CallInPlace(this);
            return this;
        }

        public Tensor set_(Tensor source)
        {
            Aten.SetInPlace_source_Tensor.CallInPlace(this, source);
            return this;
        }

        public Tensor fill_(Scalar value)
        {
            Aten.FillInPlace_Scalar.CallInPlace(this, value);
            return this;
        }
    }
}
