using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// Runs parts of a network of which the forward pass keeps the inputs alone: the backward pass computes the inside anew (Chen et al. 2016,
/// "Training deep nets with sublinear memory cost"). The results are the same, dropout included.
/// </summary>
internal sealed class Recomputed
{
    private readonly BackwardGuard _guard = new();

    /// <summary>Runs a part, plainly if nothing flows back through its inputs.</summary>
    /// <param name="body">The part: a function of its inputs and of parameters, whose gradients it adds to.</param>
    /// <param name="inputs">All tensors that it takes gradients to, but parameters.</param>
    /// <exception cref="InvalidOperationException">An earlier backward pass has failed.</exception>
    public Tensor Run(Func<IReadOnlyList<Tensor>, Tensor> body, params Tensor[] inputs)
    {
        _guard.ThrowIfFailed();
        return is_grad_enabled() && inputs.Any(input => input.requires_grad)
            ? Function.apply([.. inputs, new Call(body, _guard, [.. inputs.Select(input => input.requires_grad)])])
            : body(inputs);
    }

    private sealed class Call(Func<IReadOnlyList<Tensor>, Tensor> body, BackwardGuard guard, bool[] differentiable)
    {
        private GeneratorState? _generators;

        public Tensor Forward(Tensor[] inputs)
        {
            _generators = GeneratorState.Take(inputs[0].device);
            using var noGrad = no_grad();
            using var scope = NewDisposeScope();
            return body(inputs).MoveToOuterDisposeScope();
        }

        public List<Tensor?> Backward(List<Tensor> inputs, Tensor gradient) => guard.Run(inputs, () =>
        {
            using var restored = _generators!.Restore();
            using var withGrad = enable_grad();
            var leaves = inputs.Select((input, i) =>
            {
                var leaf = input.detach();
                leaf.requires_grad = differentiable[i];
                return leaf;
            }).ToArray();
            autograd.backward([body(leaves)], [gradient]);
            return Array.ConvertAll(leaves, leaf => leaf.grad);
        });
    }

    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        public override string Name => "linformer_recomputed";

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var inputs = vars.OfType<Tensor>().ToArray();
            var call = (Call)vars[^1];
            ctx.save_for_backward([.. inputs]);
            ctx.save_data("call", call);
            return call.Forward(inputs);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var inputs = ctx.get_saved_variables();
            var gradients = ((Call)ctx.get_data("call")).Backward(inputs, grad_output);
            inputs.ForEach(input => input.Dispose());
            grad_output.Dispose();
            return HandedOver.List([.. gradients, null]);
        }
    }
}
