using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public static partial class autograd
    {
        /// <summary>Gradients of the outputs' sum for the inputs; an unused input gets an invalid tensor if allowed.</summary>
        public static unsafe IList<Tensor> grad(IList<Tensor> outputs, IList<Tensor> inputs,
            IList<Tensor>? grad_outputs = null, bool retain_graph = false, bool create_graph = false,
            bool allow_unused = false)
        {
            var results = new nint[inputs.Count];
            fixed (nint* o = Handles(outputs), i = Handles(inputs), g = Handles(grad_outputs), r = results)
            {
                NativeMethods.Check(NativeMethods.tb_grad(o, outputs.Count, i, inputs.Count, g, grad_outputs?.Count ?? 0,
                    retain_graph ? 1 : 0, create_graph ? 1 : 0, allow_unused ? 1 : 0, r));
            }
            KeepAlive(outputs, inputs, grad_outputs);
            return results.Select(handle => new Tensor(handle)).ToList();
        }

        public static unsafe void backward(IList<Tensor> tensors, IList<Tensor>? grad_tensors = null,
            bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null)
        {
            fixed (nint* t = Handles(tensors), g = Handles(grad_tensors), i = Handles(inputs))
            {
                NativeMethods.Check(NativeMethods.tb_backward(t, tensors.Count, g, grad_tensors?.Count ?? 0,
                    retain_graph ?? create_graph ? 1 : 0, create_graph ? 1 : 0, i, inputs?.Count ?? 0));
            }
            KeepAlive(tensors, grad_tensors, inputs);
        }

        public static void backward(Tensor tensor, IList<Tensor>? grad_tensors = null, bool? retain_graph = null,
            bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], grad_tensors, retain_graph, create_graph, inputs);

        public static void backward(Tensor tensor, Tensor grad_tensor, bool? retain_graph = null,
            bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], [grad_tensor], retain_graph, create_graph, inputs);

        internal static nint[] Handles(IEnumerable<Tensor?>? tensors) =>
            tensors is null ? [] : tensors.Select(tensor => tensor?.handle ?? 0).ToArray();

        internal static void KeepAlive(params ReadOnlySpan<object?> lists)
        {
            foreach (object? list in lists)
            {
                GC.KeepAlive(list);
            }
        }
    }

    public partial class Tensor
    {
        public bool is_leaf => Read(NativeMethods.tb_tensor_is_leaf(Handle)) != 0;

        public bool requires_grad
        {
            get => Read(NativeMethods.tb_tensor_requires_grad(Handle)) != 0;
            set
            {
                NativeMethods.Check(NativeMethods.tb_tensor_set_requires_grad(Handle, value ? 1 : 0));
                GC.KeepAlive(this);
            }
        }

        /// <summary>Each reading makes another object for the gradient.</summary>
        public unsafe Tensor? grad
        {
            get
            {
                nint result;
                NativeMethods.Check(NativeMethods.tb_tensor_grad(Handle, &result));
                GC.KeepAlive(this);
                return result == 0 ? null : new Tensor(result);
            }

            set
            {
                NativeMethods.Check(NativeMethods.tb_tensor_set_grad(Handle, value?.Handle ?? 0));
                autograd.KeepAlive(this, value);
            }
        }

        public Tensor requires_grad_(bool requires_grad = true)
        {
            this.requires_grad = requires_grad;
            return this;
        }

        public Tensor with_requires_grad(bool requires_grad = true) => requires_grad_(requires_grad);

        public void retain_grad()
        {
            NativeMethods.Check(NativeMethods.tb_tensor_retain_grad(Handle));
            GC.KeepAlive(this);
        }

        public void backward() => autograd.backward(this);

        public void backward(IList<Tensor>? grad_tensors = null, bool retain_graph = false, bool create_graph = false,
            IList<Tensor>? inputs = null) =>
            autograd.backward([this], grad_tensors, retain_graph, create_graph, inputs);
    }
}
