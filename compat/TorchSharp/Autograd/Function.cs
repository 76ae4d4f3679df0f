// The package has no annotations here, so that nulls may stand among arguments and gradients.
#nullable disable annotations

using System.Runtime.InteropServices;
using System.Text;
using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public static partial class autograd
    {
        /// <summary>A differentiable function with a backward of its own.</summary>
        public abstract class Function<T>
            where T : Function<T>, new()
        {
            private static readonly T Instance = new();

            public abstract string Name { get; }

            public static List<Tensor> apply_internal(params object[] vars) =>
                FunctionNode.Apply(Instance.forward_internal, Instance.backward_internal, Instance.Name, vars);

            internal abstract List<Tensor> forward_internal(AutogradContext ctx, object[] vars);

            internal abstract List<Tensor> backward_internal(AutogradContext ctx, List<Tensor> grad_outputs);
        }

        /// <summary>A function with one result.</summary>
        public abstract class SingleTensorFunction<T> : Function<T>
            where T : SingleTensorFunction<T>, new()
        {
            public static Tensor apply(params object[] vars) => apply_internal(vars)[0];

            public abstract Tensor forward(AutogradContext ctx, params object[] vars);

            public abstract List<Tensor> backward(AutogradContext ctx, Tensor grad_output);

            internal sealed override List<Tensor> forward_internal(AutogradContext ctx, object[] vars) =>
                [forward(ctx, vars)];

            internal sealed override List<Tensor> backward_internal(AutogradContext ctx, List<Tensor> grad_outputs) =>
                backward(ctx, grad_outputs[0]);
        }

        /// <summary>A function with several results.</summary>
        public abstract class MultiTensorFunction<T> : Function<T>
            where T : MultiTensorFunction<T>, new()
        {
            public static List<Tensor> apply(params object[] vars) => apply_internal(vars);

            public abstract List<Tensor> forward(AutogradContext ctx, params object[] vars);

            public abstract List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs);

            internal sealed override List<Tensor> forward_internal(AutogradContext ctx, object[] vars) =>
                forward(ctx, vars);

            internal sealed override List<Tensor> backward_internal(AutogradContext ctx, List<Tensor> grad_outputs) =>
                backward(ctx, grad_outputs);
        }

        /// <summary>The managed side of a node in the graph. The native node holds it, and lets go when it dies.</summary>
        private sealed unsafe class FunctionNode
        {
            private readonly Func<AutogradContext, List<Tensor>, List<Tensor>> _backward;
            private readonly string _name;
            private readonly AutogradContext _context = new();
            private readonly bool[] _isTensor;

            // What the last backward returned, until the native side has copied it.
            private List<Tensor> _grads;

            private FunctionNode(Func<AutogradContext, List<Tensor>, List<Tensor>> backward, string name, bool[] isTensor)
            {
                _backward = backward;
                _name = name;
                _isTensor = isTensor;
            }

            public static List<Tensor> Apply(Func<AutogradContext, object[], List<Tensor>> forward,
                Func<AutogradContext, List<Tensor>, List<Tensor>> backward, string name, object[] arguments)
            {
                var isTensor = Array.ConvertAll(arguments, a => a is Tensor { IsInvalid: false });
                var inputs = arguments.OfType<Tensor>().Where(tensor => !tensor.IsInvalid).ToList();
                bool executable = is_grad_enabled() && inputs.Any(tensor => tensor.requires_grad);
                var node = new FunctionNode(backward, name, isTensor);
                node.Create(inputs, executable);
                var context = node._context;
                nint handle = context.Node;
                try
                {
                    List<Tensor> outputs;
                    using (no_grad())
                    {
                        outputs = forward(context, arguments);
                    }
                    var results = new nint[outputs.Count];
                    fixed (nint* i = Handles(inputs), f = Handles(context.NotDifferentiable), d = Handles(context.Dirty),
                        o = Handles(outputs), r = results)
                    {
                        NativeMethods.Check(NativeMethods.tb_node_wrap(handle, i, inputs.Count, f,
                            context.NotDifferentiable.Count, d, context.Dirty.Count, o, outputs.Count,
                            executable ? 1 : 0, r));
                    }
                    KeepAlive(inputs, outputs, context);
                    var wrapped = results.Select(result => new Tensor(result)).ToList();
                    if (executable)
                    {
                        context.Save();
                    }
                    return wrapped;
                }
                finally
                {
                    NativeMethods.tb_node_attached(handle);
                }
            }

            /// <summary>The native node's call. Whatever happens, no exception leaves this method.</summary>
            [UnmanagedCallersOnly]
            private static int Backward(nint managed, nint* gradOutputs, int outputCount, nint* grads, int gradCount,
                byte* message, int messageSize)
            {
                try
                {
                    var node = (FunctionNode)GCHandle.FromIntPtr(managed).Target!;
                    var outputs = new List<Tensor>(outputCount);
                    for (int i = 0; i < outputCount; i++)
                    {
                        outputs.Add(new Tensor(gradOutputs[i]));
                    }
                    node.Run(outputs, new Span<nint>(grads, gradCount));
                    return 0;
                }
                catch (Exception e)
                {
                    var room = new Span<byte>(message, messageSize - 1);
                    Encoding.UTF8.TryGetBytes(e.Message.AsSpan(0, Math.Min(e.Message.Length, room.Length / 4)), room, out int written);
                    message[written] = 0;
                    return 1;
                }
            }

            [UnmanagedCallersOnly]
            private static void Release(nint managed)
            {
                var reference = GCHandle.FromIntPtr(managed);
                var node = (FunctionNode)reference.Target!;
                reference.Free();
                NativeMethods.tb_node_free(node._context.Node);
                node._context.Node = 0;
            }

            private void Create(List<Tensor> inputs, bool executable)
            {
                var reference = GCHandle.Alloc(this);
                nint handle;
                fixed (nint* i = Handles(inputs))
                {
                    int status = NativeMethods.tb_node_new(GCHandle.ToIntPtr(reference), &Backward, &Release, i,
                        inputs.Count, executable ? 1 : 0, &handle);
                    if (status != 0)
                    {
                        reference.Free();
                    }
                    NativeMethods.Check(status);
                }
                GC.KeepAlive(inputs);
                _context.Node = handle;
            }

            private void Run(List<Tensor> gradOutputs, Span<nint> grads)
            {
                var results = _backward(_context, gradOutputs);
                if (results.Count < _isTensor.Length
                    || results.Skip(_isTensor.Length).Any(tensor => tensor is { IsInvalid: false }))
                {
                    throw new InvalidOperationException(
                        $"Function {_name} returned an incorrect number of gradients (expected {_isTensor.Length}), got {results.Count}");
                }
                int next = 0;
                for (int i = 0; i < _isTensor.Length; i++)
                {
                    if (_isTensor[i])
                    {
                        grads[next++] = results[i]?.handle ?? 0;
                    }
                    else if (results[i] is { IsInvalid: false })
                    {
                        throw new InvalidOperationException(
                            $"Function {_name} returned a gradient at position {i + 1}, where the input was no tensor");
                    }
                }
                _grads = results;
            }
        }
    }
}
