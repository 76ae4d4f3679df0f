using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    // Views and other ways to rearrange a tensor.
    public partial class Tensor
    {
        public Tensor view(params long[] shape) => Aten.View.Call(this, shape);

        public Tensor view_as(Tensor other) => Aten.ViewAs.Call(this, other);

        public Tensor reshape(params long[] shape) => Aten.Reshape.Call(this, shape);

        public Tensor flatten(long start_dim = 0, long end_dim = -1) =>
            Aten.Flatten_using_ints.Call(this, start_dim, end_dim);

        public Tensor unsqueeze(long dim) => Aten.Unsqueeze.Call(this, dim);

        public Tensor unsqueeze_(long dim)
        {
            Aten.UnsqueezeInPlace.CallInPlace(this, dim);
            return this;
        }

        public Tensor squeeze(long? dim = null) =>
            dim is { } only ? Aten.Squeeze_dim.Call(this, only) : Aten.Squeeze.Call(this);

        public Tensor expand(long[] sizes, bool isImplicit = false) => Aten.Expand.Call(this, sizes, isImplicit);

        public Tensor expand(params long[] sizes) => Aten.Expand.Call(this, sizes);

        public Tensor expand(ReadOnlySpan<long> sizes, bool isImplicit = false) =>
            Aten.Expand.Call(this, sizes, isImplicit);

        public Tensor expand(Size sizes, bool isImplicit = false) =>
            Aten.Expand.Call(this, sizes.Shape, isImplicit);

        public Tensor expand_as(Tensor other) => Aten.ExpandAs.Call(this, other);

        public Tensor broadcast_to(params long[] shape) => Aten.BroadcastTo.Call(this, shape);

        public Tensor transpose(long dim0, long dim1) => Aten.Transpose_int.Call(this, dim0, dim1);

        public Tensor transpose_(long dim0, long dim1)
        {
            Aten.TransposeInPlace.CallInPlace(this, dim0, dim1);
            return this;
        }

        public Tensor swapaxes(long dim0, long dim1) => transpose(dim0, dim1);

        public Tensor swapdims(long dim0, long dim1) => transpose(dim0, dim1);

        public Tensor t() => Aten.T.Call(this);

        public Tensor permute(params long[] permutation) => Aten.Permute.Call(this, permutation);

        public Tensor permute(IEnumerable<long> permutation) => Aten.Permute.Call(this, permutation.ToArray());

        public Tensor movedim(long[] source, long[] destination) =>
            Aten.Movedim_intlist.Call(this, source, destination);

        public Tensor contiguous() => Aten.Contiguous.Call(this);

        public Tensor narrow(long dim, long start, long length) => Aten.Narrow.Call(this, dim, start, length);

        public Tensor select(long dim, long index) => Aten.Select_int.Call(this, dim, index);

        public Tensor[] split(long size, int dim = 0) => Aten.Split_Tensor.CallForList(this, size, dim);

        public Tensor[] split(long[] sizes, long dim = 0) => Aten.SplitWithSizes.CallForList(this, sizes, dim);

        public Tensor[] split(params long[] sizes) => Aten.SplitWithSizes.CallForList(this, sizes);

        public Tensor[] split(ReadOnlySpan<long> sizes, long dim = 0) =>
            Aten.SplitWithSizes.CallForList(this, sizes, dim);

        public Tensor[] chunk(long chunks, long dim = 0) => Aten.Chunk.CallForList(this, chunks, dim);

        public Tensor[] unbind(long dimension = 0) => Aten.Unbind_int.CallForList(this, dimension);

        public Tensor repeat(params long[] sizes) => Aten.Repeat.Call(this, sizes);

        public Tensor repeat_interleave(Tensor repeats, long? dim = null, long? output_size = null) =>
            Aten.RepeatInterleave_self_Tensor.Call(this, repeats, dim, output_size);

        public Tensor repeat_interleave(long repeats, long? dim = null, long? output_size = null) =>
            Aten.RepeatInterleave_self_int.Call(this, repeats, dim, output_size);

        public Tensor tile(long[] reps) => Aten.Tile.Call(this, reps);

        public Tensor flip(params long[] dims) => Aten.Flip.Call(this, dims);

        public Tensor roll(long[] shifts, long[] dims) => Aten.Roll.Call(this, shifts, dims);

        public Tensor roll(long[] shifts) => Aten.Roll.Call(this, shifts, new[] { 0L });

        public Tensor tril(long diagonal = 0) => Aten.Tril.Call(this, diagonal);

        public Tensor triu(long diagonal = 0) => Aten.Triu.Call(this, diagonal);

        public Tensor diag(long diagonal = 0) => Aten.Diag.Call(this, diagonal);

        public Tensor diagonal(long offset = 0, long dim1 = 0, long dim2 = 1) =>
            Aten.Diagonal.Call(this, offset, dim1, dim2);

        public Tensor unfold(long dimension, long size, long step) => Aten.Unfold.Call(this, dimension, size, step);

        public Tensor as_strided(long[] size, long[] strides, long storageOffset = 0) =>
            Aten.AsStrided.Call(this, size, strides, storageOffset);
    }
}
