using System.Runtime.CompilerServices;
using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        [IndexerName("TensorItems")]
        public Tensor this[params TensorIndex[] indices]
        {
            get => index(indices);
            set => index_put_(value, indices);
        }

        [IndexerName("TensorItems")]
        public Tensor this[params Tensor[] indices]
        {
            get => index(indices);
            set => index_put_(value, indices);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1]
        {
            get => At(i1);
            set => Put(value, i1);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1, long i2]
        {
            get => At(i1, i2);
            set => Put(value, i1, i2);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3]
        {
            get => At(i1, i2, i3);
            set => Put(value, i1, i2, i3);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3, long i4]
        {
            get => At(i1, i2, i3, i4);
            set => Put(value, i1, i2, i3, i4);
        }

        [IndexerName("TensorItems")]
        public Tensor this[params long[] indices]
        {
            get => At(indices);
            set => Put(value, indices);
        }

        public Tensor index(params TensorIndex[] indices)
        {
            var view = Narrowed(indices, out var tensors);
            if (tensors is null)
            {
                return view;
            }
            var picked = Aten.Index_Tensor.Call(view, Argument.Optional(tensors));
            view.Dispose();
            return picked;
        }

        public Tensor index(params Tensor[] indices) => index(Array.ConvertAll(indices, TensorIndex.Tensor));

        public Tensor index_put_(Tensor value, params TensorIndex[] indices) => index_put_(value, indices, false);

        public Tensor index_put_(Tensor value, TensorIndex[] indices, bool accumulate = false)
        {
            using var view = Narrowed(indices, out var tensors);
            if (tensors is not null)
            {
                Aten.IndexPutInPlace.CallInPlace(view, Argument.Optional(tensors), value, accumulate);
            }
            else if (accumulate)
            {
                view.add_(value);
            }
            else
            {
                view.copy_(value);
            }
            return this;
        }

        public Tensor index_put_(Tensor value, params Tensor[] indices) => index_put_(value, indices, false);

        public Tensor index_put_(Tensor value, Tensor[] indices, bool accumulate = false) =>
            index_put_(value, Array.ConvertAll(indices, TensorIndex.Tensor), accumulate);

        public Tensor index_put_(Scalar value, params TensorIndex[] indices)
        {
            using var filler = Aten.ScalarTensor.Call(value, dtype);
            return index_put_(filler, indices, false);
        }

        public Tensor index_put_(Scalar value, params Tensor[] indices) =>
            index_put_(value, Array.ConvertAll(indices, TensorIndex.Tensor));

        private Tensor At(params ReadOnlySpan<long> indices)
        {
            var view = Aten.Select_int.Call(this, 0L, indices[0]);
            foreach (long index in indices[1..])
            {
                var next = Aten.Select_int.Call(view, 0L, index);
                view.Dispose();
                view = next;
            }
            return view;
        }

        private void Put(Tensor value, params ReadOnlySpan<long> indices)
        {
            using var view = At(indices);
            view.copy_(value);
        }

        /// <summary>
        /// Applies everything in the indices that makes a view. What is left are index tensors, by dimension of that
        /// view (null where there is none), or null when there are none at all.
        /// </summary>
        private Tensor Narrowed(TensorIndex[] indices, out Tensor?[]? tensors)
        {
            long consumed = indices.Sum(i => i.Kind switch
            {
                TensorIndex.Kinds.Single or TensorIndex.Kinds.Slice => 1,
                TensorIndex.Kinds.Tensor => i.Mask!.dtype is ScalarType.Bool or ScalarType.Byte ? i.Mask.ndim : 1,
                _ => 0,
            });
            var view = alias();
            var places = new List<Tensor?>();
            int dim = 0;
            void Step(Tensor next)
            {
                view.Dispose();
                view = next;
            }
            void Place(Tensor tensor)
            {
                while (places.Count < dim)
                {
                    places.Add(null);
                }
                places.Add(tensor);
            }
            foreach (var index in indices)
            {
                switch (index.Kind)
                {
                    case TensorIndex.Kinds.Single:
                        Step(view.select(dim, index.Start.GetValueOrDefault()));
                        break;
                    case TensorIndex.Kinds.Slice:
                        Step(Aten.Slice_Tensor.Call(view, (long)dim, index.Start, index.Stop, index.Step ?? 1));
                        dim++;
                        break;
                    case TensorIndex.Kinds.None:
                        Step(view.unsqueeze(dim));
                        dim++;
                        break;
                    case TensorIndex.Kinds.Ellipsis:
                        dim += (int)(ndim - consumed);
                        break;
                    case TensorIndex.Kinds.Bool:
                        Step(view.unsqueeze(dim));
                        Place(tensor(new[] { index.Start != 0 }));
                        dim++;
                        break;
                    case TensorIndex.Kinds.Tensor:
                        Place(index.Mask!);
                        dim += index.Mask!.dtype is ScalarType.Bool or ScalarType.Byte ? (int)index.Mask.ndim : 1;
                        break;
                }
            }
            tensors = places.Count == 0 ? null : places.ToArray();
            return view;
        }
    }
}
