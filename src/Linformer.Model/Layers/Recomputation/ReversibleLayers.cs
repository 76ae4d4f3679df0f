using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>
/// Layers as reversible blocks (Gomez et al. 2017, "The reversible residual network"; Kitaev et al. 2020, "Reformer"; as in
/// lucidrains/linformer): two streams x₁ and x₂, both the input at first, and y₁ = x₁ + F(x₂), y₂ = x₂ + G(y₁) with F the attention and G the
/// feed-forward layer; the result is the sum of both. The backward pass computes the streams anew from the last ones, x₂ = y₂ − G(y₁),
/// x₁ = y₁ − F(x₂), so memory does not grow with the number of layers.
/// </summary>
internal sealed class ReversibleLayers(IReadOnlyList<EncoderLayer> layers)
{
    private readonly BackwardGuard _guard = new();

    private IReadOnlyList<EncoderLayer> Layers => layers;

    /// <summary>Runs the layers.</summary>
    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">[batch, length, 1], 1 for a token and 0 for padding; null when nothing is padded.</param>
    /// <returns>[batch, length, hidden].</returns>
    /// <exception cref="InvalidOperationException">An earlier backward pass has failed.</exception>
    public Tensor Run(Tensor x, Tensor? mask)
    {
        _guard.ThrowIfFailed();
        var pass = new Pass(this);
        if (is_grad_enabled() && x.requires_grad)
        {
            return Function.apply(x, mask!, pass);
        }

        var (first, second) = pass.Forward(x, mask);
        return first + second;
    }

    private sealed class Pass(ReversibleLayers owner)
    {
        private readonly List<(GeneratorState Attend, GeneratorState Feed)> _generators = [];

        public (Tensor First, Tensor Second) Forward(Tensor x, Tensor? mask)
        {
            var (x1, x2) = (x, x);
            foreach (var layer in owner.Layers)
            {
                var attend = GeneratorState.Take(x.device);
                var y1 = Sum(x1, () => layer.Attend(x2, mask));
                var feed = GeneratorState.Take(x.device);
                var y2 = Sum(x2, () => layer.Feed(y1));
                _generators.Add((attend, feed));
                Release(x, x1, x2);
                (x1, x2) = (y1, y2);
            }

            return (x1, x2);
        }

        public List<Tensor?> Backward(Tensor y1, Tensor y2, Tensor? mask, Tensor gradient) => owner._guard.Run([gradient], () =>
        {
            var (dy1, dy2) = (gradient, gradient);
            for (var i = owner.Layers.Count - 1; i >= 0; i--)
            {
                using var scope = NewDisposeScope();
                var layer = owner.Layers[i];
                var (fed, dFed) = Again(_generators[i].Feed, layer.Feed, y1, dy2);
                var (x2, dx1) = (y2 - fed, dy1 + dFed);
                var (attended, dAttended) = Again(_generators[i].Attend, x => layer.Attend(x, mask), x2, dx1);
                var (x1, dx2) = (y1 - attended, dy2 + dAttended);
                Release(gradient, y1, y2, dy1, dy2);
                (y1, y2) = (x1.MoveToOuterDisposeScope(), x2.MoveToOuterDisposeScope());
                (dy1, dy2) = (dx1.MoveToOuterDisposeScope(), dx2.MoveToOuterDisposeScope());
            }

            return [dy1 + dy2];
        });

        private static Tensor Sum(Tensor x, Func<Tensor> function)
        {
            using var scope = NewDisposeScope();
            return (x + function()).MoveToOuterDisposeScope();
        }

        // Adds to the gradients of the parameters; gives the value and the gradient to the input.
        private static (Tensor Value, Tensor Gradient) Again(GeneratorState generators, Func<Tensor, Tensor> function, Tensor x, Tensor gradient)
        {
            using var scope = NewDisposeScope();
            using var restored = generators.Restore();
            using var withGrad = enable_grad();
            var leaf = x.detach();
            leaf.requires_grad = true;
            var value = function(leaf);
            autograd.backward([value], [gradient.to_type(value.dtype)]);
            return (value.detach().MoveToOuterDisposeScope(), leaf.grad!.MoveToOuterDisposeScope());
        }

        private static void Release(Tensor kept, params ReadOnlySpan<Tensor> tensors)
        {
            foreach (var tensor in tensors)
            {
                if (!ReferenceEquals(tensor, kept))
                {
                    tensor.Dispose();
                }
            }
        }
    }

    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        public override string Name => "linformer_reversible";

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (x, mask, pass) = ((Tensor)vars[0], (Tensor?)vars[1], (Pass)vars[2]);
            using var noGrad = no_grad();
            using var scope = NewDisposeScope();
            var (first, second) = pass.Forward(x, mask);
            ctx.save_for_backward(mask is null ? [first, second] : [first, second, mask]);
            ctx.save_data("pass", pass);
            // Saved tensors live until the graph has them.
            first.MoveToOuterDisposeScope();
            second.MoveToOuterDisposeScope();
            return (first + second).MoveToOuterDisposeScope();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var saved = ctx.get_saved_variables();
            var gradients = ((Pass)ctx.get_data("pass")).Backward(saved[0], saved[1], saved.Count > 2 ? saved[2] : null, grad_output);
            saved.ForEach(tensor => tensor.Dispose());
            grad_output.Dispose();
            return HandedOver.List(gradients[0], null, null);
        }
    }
}
