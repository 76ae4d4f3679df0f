using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    // Reading and writing by indices and masks.
    public partial class Tensor
    {
        public Tensor index_select(long dim, Tensor index) => Aten.IndexSelect.Call(this, dim, index);

        public Tensor index_add(long dim, Tensor index, Tensor source, Scalar alpha) =>
            Aten.IndexAdd.Call(this, dim, Int64Index(index), source, alpha);

        public Tensor index_add_(long dim, Tensor index, Tensor source, Scalar alpha)
        {
            Aten.IndexAddInPlace.CallInPlace(this, dim, Int64Index(index), source, alpha);
            return this;
        }

        public Tensor index_copy(long dim, Tensor index, Tensor source) =>
            Aten.IndexCopy.Call(this, dim, Int64Index(index), source);

        public Tensor index_copy_(long dim, Tensor index, Tensor source)
        {
            Aten.IndexCopyInPlace.CallInPlace(this, dim, Int64Index(index), source);
            return this;
        }

        public Tensor index_fill(long dim, Tensor index, Scalar value) =>
            Aten.IndexFill_int_Scalar.Call(this, dim, Int64Index(index), value);

        public Tensor index_fill_(long dim, Tensor index, Scalar value)
        {
            Aten.IndexFillInPlace_int_Scalar.CallInPlace(this, dim, Int64Index(index), value);
            return this;
        }

        public Tensor gather(long dim, Tensor index) => Aten.Gather.Call(this, dim, index);

        public Tensor scatter(long dim, Tensor index, Tensor src) => Aten.Scatter_src.Call(this, dim, index, src);

        public Tensor scatter_(long dim, Tensor index, Tensor src)
        {
            Aten.ScatterInPlace_src.CallInPlace(this, dim, index, src);
            return this;
        }

        public Tensor scatter_add(long dim, Tensor index, Tensor src) =>
            Aten.ScatterAdd.Call(this, dim, index, src);

        public Tensor scatter_add_(long dim, Tensor index, Tensor src)
        {
            Aten.ScatterAddInPlace.CallInPlace(this, dim, index, src);
            return this;
        }

        public Tensor masked_fill(Tensor mask, Scalar value) => Aten.MaskedFill_Scalar.Call(this, mask, value);

        public Tensor masked_fill_(Tensor mask, Scalar value)
        {
            Aten.MaskedFillInPlace_Scalar.CallInPlace(this, mask, value);
            return this;
        }

        public Tensor masked_select(Tensor mask) => Aten.MaskedSelect.Call(this, BooleanMask(mask));

        public Tensor masked_scatter(Tensor mask, Tensor value) => Aten.MaskedScatter.Call(this, mask, value);

        public Tensor masked_scatter_(Tensor mask, Tensor value)
        {
            Aten.MaskedScatterInPlace.CallInPlace(this, mask, value);
            return this;
        }

        public Tensor take(Tensor index) => Aten.Take.Call(this, index);

        public Tensor nonzero() => Aten.Nonzero.Call(this);
    }
}
