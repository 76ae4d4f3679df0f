using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>Functions with a backward of their own.</summary>
public sealed class FunctionTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void A_function_gives_values_and_its_own_gradients()
    {
        var x = tensor(new[] { 1.0, 2 }, requires_grad: true);
        var y = ScaledSquare.apply(x, 3.0);
        y.ShouldHold(3, 12);
        y.requires_grad.ShouldBeTrue();
        (y * tensor(new[] { 1.0, 10 })).sum().backward();
        // The factor 100 tells this backward from the true derivative.
        x.grad!.ShouldHold(600, 12000);
    }

    [Fact]
    public void Outside_of_a_graph_nothing_is_recorded()
    {
        ScaledSquare.apply(tensor(2.0), 3.0).requires_grad.ShouldBeFalse();
        using (no_grad())
        {
            ScaledSquare.apply(tensor(2.0, requires_grad: true), 3.0).requires_grad.ShouldBeFalse();
        }
    }

    [Fact]
    public void Several_results_bring_several_gradients_and_unused_ones_are_zeros()
    {
        var a = tensor(new[] { 1.0, 2 }, requires_grad: true);
        var b = tensor(new[] { 5.0, 7 }, requires_grad: true);
        var results = SumAndProduct.apply(a, b);
        results[0].ShouldHold(6, 9);
        results[1].ShouldHold(5, 14);
        results[1].sum().backward();
        a.grad!.ShouldHold(5, 7);
        b.grad!.ShouldHold(1, 2);

        var again = SumAndProduct.apply(a, b);
        (again[0].sum() + again[1].sum()).backward();
        a.grad!.ShouldHold(11, 15);
    }

    [Fact]
    public void Functions_compose_and_can_be_applied_many_times()
    {
        var x = tensor(1.0, requires_grad: true);
        var y = x;
        for (int i = 0; i < 20; i++)
        {
            y = Double.apply(y);
        }
        y.ToDouble().ShouldBe(1 << 20);
        y.backward();
        x.grad!.ToDouble().ShouldBe(1 << 20);
    }

    [Fact]
    public void Backward_may_build_graphs_itself()
    {
        var x = tensor(new[] { 0.5, 1.5 }, requires_grad: true);
        var weight = tensor(new[] { 2.0, 3 }, requires_grad: true);
        Recomputed.apply(x, weight).sum().backward();
        // d/dx sin(w x) = w cos(w x)
        x.grad!.ShouldHold(2 * Math.Cos(1), 3 * Math.Cos(4.5));
        weight.grad!.ShouldHold(0.5 * Math.Cos(1), 1.5 * Math.Cos(4.5));
    }

    [Fact]
    public void A_gradient_may_be_missing()
    {
        var x = tensor(2.0, requires_grad: true);
        var y = tensor(3.0, requires_grad: true);
        FirstOnly.apply(x, y).backward();
        x.grad!.ToDouble().ShouldBe(1);
        y.grad.ShouldBeNull();
    }

    [Fact]
    public void An_input_that_comes_back_marked_dirty_is_changed_in_place()
    {
        var x = tensor(2.0, requires_grad: true);
        var y = x * 3;
        var z = DoubleInPlace.apply(y);
        z.ToDouble().ShouldBe(12);
        y.ToDouble().ShouldBe(12);
        z.backward();
        x.grad!.ToDouble().ShouldBe(6);
    }

    private sealed class ScaledSquare : autograd.SingleTensorFunction<ScaledSquare>
    {
        public override string Name => nameof(ScaledSquare);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var x = (Tensor)vars[0];
            is_grad_enabled().ShouldBeFalse();
            ctx.save_for_backward([x]);
            ctx.save_data("factor", vars[1]);
            return x * x * (double)vars[1];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var x = ctx.get_saved_variables()[0];
            return [grad_output * x * 2 * (double)ctx.get_data("factor") * 100, null!];
        }
    }

    private sealed class SumAndProduct : autograd.MultiTensorFunction<SumAndProduct>
    {
        public override string Name => nameof(SumAndProduct);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (a, b) = ((Tensor)vars[0], (Tensor)vars[1]);
            ctx.save_for_backward([a, b]);
            return [a + b, a * b];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            var saved = ctx.get_saved_variables();
            return [grad_outputs[0] + (grad_outputs[1] * saved[1]), grad_outputs[0] + (grad_outputs[1] * saved[0])];
        }
    }

    private sealed class Double : autograd.SingleTensorFunction<Double>
    {
        public override string Name => nameof(Double);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars) => (Tensor)vars[0] * 2;

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => [grad_output * 2];
    }

    private sealed class Recomputed : autograd.SingleTensorFunction<Recomputed>
    {
        public override string Name => nameof(Recomputed);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (x, weight) = ((Tensor)vars[0], (Tensor)vars[1]);
            ctx.save_for_backward([x, weight]);
            return (x * weight).sin();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var inputs = ctx.get_saved_variables().Select(saved => saved.detach().requires_grad_()).ToList();
            using (enable_grad())
            {
                var output = (inputs[0] * inputs[1]).sin();
                return autograd.grad([output], inputs, [grad_output]).ToList();
            }
        }
    }

    private sealed class FirstOnly : autograd.SingleTensorFunction<FirstOnly>
    {
        public override string Name => nameof(FirstOnly);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars) =>
            (Tensor)vars[0] + (Tensor)vars[1];

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => [grad_output, null!];
    }

    private sealed class DoubleInPlace : autograd.SingleTensorFunction<DoubleInPlace>
    {
        public override string Name => nameof(DoubleInPlace);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var x = (Tensor)vars[0];
            ctx.mark_dirty([x]);
            return x.mul_(2);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => [grad_output * 2];
    }
}
