// The package has no annotations here, so that nulls may be saved.
#nullable disable annotations

using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public static partial class autograd
    {
        /// <summary>What a function's forward keeps for its backward.</summary>
        public class AutogradContext : IDisposable
        {
            private readonly Dictionary<string, object> _data = [];
            private List<Tensor> _toSave = [];

            internal AutogradContext()
            {
            }

            public bool MaterializeGrads { get; private set; } = true;

            /// <summary>The native node, from when it is made until it is gone.</summary>
            internal nint Node { get; set; }

            internal List<Tensor> Dirty { get; private set; } = [];

            internal List<Tensor> NotDifferentiable { get; private set; } = [];

            public void save_for_backward(List<Tensor> tensors) => _toSave = tensors;

            public void save_data(string key, object value) => _data[key] = value;

            public object get_data(string key) => _data.GetValueOrDefault(key);

            public void mark_dirty(List<Tensor> tensors) => Dirty = tensors.ToList();

            public void mark_non_differentiable(List<Tensor> tensors) => NotDifferentiable = tensors.ToList();

            public void set_materialize_grads(bool value) => MaterializeGrads = value;

            /// <summary>New objects for the saved tensors; null stands for one that was null.</summary>
            public unsafe List<Tensor> get_saved_variables()
            {
                if (Node == 0)
                {
                    throw new InvalidOperationException("The graph that saved these variables is gone.");
                }
                var handles = new nint[_toSave.Count];
                fixed (nint* results = handles)
                {
                    NativeMethods.Check(NativeMethods.tb_node_saved(Node, results));
                }
                return handles.Select(handle => handle == 0 ? null : new Tensor(handle)).ToList();
            }

            public void Dispose()
            {
                Dispose(true);
                GC.SuppressFinalize(this);
            }

            /// <summary>Hands the tensors to save over to the native node, which keeps track of their versions.</summary>
            internal unsafe void Save()
            {
                fixed (nint* tensors = Handles(_toSave))
                {
                    NativeMethods.Check(NativeMethods.tb_node_save(Node, tensors, _toSave.Count,
                        MaterializeGrads ? 1 : 0));
                }
                GC.KeepAlive(_toSave);
                // Only the number matters from here on: the objects may be disposed by their owner.
                _toSave = new List<Tensor>(new Tensor[_toSave.Count]);
            }

            protected virtual void Dispose(bool disposing)
            {
            }
        }
    }
}
