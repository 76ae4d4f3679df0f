using TorchSharp.Interop;

namespace TorchSharp;

// What does not fit the pattern "one method, one operator, a new tensor or this one".
public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>Fills with zeros; returns another object for this tensor, as does zeros().</summary>
        public Tensor zero_() => zeros(shape);

        public Tensor zeros(params long[] sizes) =>
            // The layout and the rest are those of the out tensor; out comes second.
            Aten.Zeros_out.Call(sizes, this);

        /// <summary>Returns another object for this tensor.</summary>
        public Tensor tril_(long diagonal = 0) => Aten.TrilInPlace.Call(this, diagonal);

        /// <summary>Returns another object for this tensor.</summary>
        public Tensor triu_(long diagonal = 0) => Aten.TriuInPlace.Call(this, diagonal);

        /// <summary>Returns another object for this tensor.</summary>
        public Tensor gelu_() => Aten.GeluInPlace.Call(this);

        /// <summary>Returns another object for this tensor.</summary>
        public Tensor gelu_(Modules.GELU.Approximate approximate) =>
            Aten.GeluInPlace.Call(this, Approximation(approximate));

        public Tensor squeeze_(long? dim = null)
        {
            if (dim is { } only)
            {
                Aten.SqueezeInPlace_dim.CallInPlace(this, only);
            }
            else
            {
                Aten.SqueezeInPlace.CallInPlace(this);
            }
            return this;
        }

        public Tensor mT => Aten.MT.Call(this);

        public Tensor amax(ReadOnlySpan<long> dims, bool keepdim = false, Tensor? @out = null) =>
            @out is null ? Aten.Amax.Call(this, dims, keepdim) : Aten.Amax_out.Call(this, dims, keepdim, @out);

        public Tensor amin(ReadOnlySpan<long> dims, bool keepdim = false, Tensor? @out = null) =>
            @out is null ? Aten.Amin.Call(this, dims, keepdim) : Aten.Amin_out.Call(this, dims, keepdim, @out);

        /// <summary>As in the package, the flag has no effect here; over dimensions it has.</summary>
        public Tensor var(bool unbiased = true) => Aten.Var.Call(this);

        // The type is there for the signature's sake: the result has this tensor's.
        public Tensor var(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            var((ReadOnlySpan<long>)dimensions, unbiased, keepdim, type);

        public Tensor var(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false,
            ScalarType? type = null) => Aten.Var_dim.Call(this, dimensions, unbiased, keepdim);

        public Tensor var(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            var([dim], unbiased, keepdim, type);

        public Tensor std(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            std((ReadOnlySpan<long>)dimensions, unbiased, keepdim, type);

        public Tensor std(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false,
            ScalarType? type = null) => Aten.Std_dim.Call(this, dimensions, unbiased, keepdim);

        public Tensor std(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            std([dim], unbiased, keepdim, type);

        public Tensor roll(long shifts, long? dims = null) =>
            Aten.Roll.Call(this, new[] { shifts }, dims is { } dim ? new[] { dim } : Array.Empty<long>());

        public Tensor slice(long dim, long start, long finish, long step) => step >= 1
            ? Aten.Slice_Tensor.Call(this, dim, start, finish, step)
            : throw new ArgumentException($"step is {step}, but it should always be positive.");

        public Tensor dot(Tensor target) => ndim == 1 && target.ndim == 1 && numel() == target.numel()
            ? Aten.Dot.Call(this, target)
            : throw new InvalidOperationException("dot arguments must have the same shape.");

        public Tensor unflatten(long dim, params long[] sizes)
        {
            if (dim < 0 || dim >= ndim)
            {
                throw new ArgumentException($"Invalid 'dim' argument: {dim}.");
            }
            return sizes.Length > 0
                ? Aten.Unflatten_int.Call(this, dim, sizes)
                : throw new ArgumentException("The number of output sizes is zero.");
        }

        public Tensor unflatten(long dim, Size sizes) => unflatten(dim, sizes.Shape);

        public bool Equals(Tensor? target) => target is not null && Aten.Equal.CallForBool(this, target);

        private static Tensor Int64Index(Tensor index) => index.dtype == ScalarType.Int64
            ? index
            : throw new ArgumentException("Element type of 'index' must be 'Int64'");

        private static Tensor BooleanMask(Tensor mask) => mask.dtype == ScalarType.Bool
            ? mask
            : throw new ArgumentException("The mask or condition must be a boolean tensor.");

        private static Argument Rounding(RoundingMode mode) => mode switch
        {
            RoundingMode.trunc => "trunc",
            RoundingMode.floor => "floor",
            _ => Argument.None,
        };

        private static Argument Approximation(Modules.GELU.Approximate approximate) => approximate switch
        {
            Modules.GELU.Approximate.none => "none",
            Modules.GELU.Approximate.tanh => "tanh",
            _ => throw new ArgumentOutOfRangeException(nameof(approximate), approximate,
                "The approximation of GELU must be none or tanh."),
        };
    }
}
