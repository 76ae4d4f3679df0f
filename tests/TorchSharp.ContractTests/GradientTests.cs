using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>Gradients against central differences in float64, and how backward behaves.</summary>
public sealed class GradientTests : IDisposable
{
    private const double Step = 1e-5;

    private readonly DisposeScope _scope = NewDisposeScope();

    public static TheoryData<string> Names => new(Functions.Keys);

    private static Dictionary<string, Func<Tensor, Tensor>> Functions { get; } = new()
    {
        ["arithmetic"] = x => ((x * x) + (2 / (x + 5)) - (x / 3)).sum(),
        ["exp and log"] = x => (x.exp() * (x + 4).log()).sum(),
        ["sqrt and rsqrt"] = x => ((x + 4).sqrt() + (x + 4).rsqrt()).sum(),
        ["pow"] = x => (x.pow(3) + (x + 4).pow(1.5)).sum(),
        ["matmul"] = x => (x.matmul(x.t()) * Weights(3, 3)).sum(),
        ["bmm"] = x => (x.view(3, 2, 2).bmm(x.view(3, 2, 2)) * Weights(3, 2, 2)).sum(),
        ["einsum"] = x => einsum("ij,kj->ik", x, x).square().sum(),
        ["softmax"] = x => (x.softmax(-1) * Weights(3, 4)).sum(),
        ["log_softmax"] = x => (x.log_softmax(-1) * Weights(3, 4)).sum(),
        ["layer_norm"] = x => (nn.functional.layer_norm(x, [4], Weights(4), Weights(4)) * Weights(3, 4)).sum(),
        ["gelu"] = x => x.gelu().sum(),
        ["silu"] = x => nn.functional.silu(x).sum(),
        ["tanh and sigmoid"] = x => (x.tanh() * x.sigmoid()).sum(),
        ["cross_entropy"] = x => nn.functional.cross_entropy(x, tensor(new[] { 1L, 3, 0 })),
        ["mse_loss"] = x => nn.functional.mse_loss(x, Weights(3, 4)),
        ["linear"] = x => nn.functional.linear(x, Weights(2, 4), Weights(2)).square().sum(),
        ["reductions"] = x => (x.mean([0]) * x.var(0) * x.sum([0])).sum() + x.norm(),
        ["views"] = x => (x.t().reshape(2, 6).narrow(1, 1, 4).transpose(0, 1) * Weights(4, 2)).sum(),
        ["index_select"] = x => (x.index_select(0, tensor(new[] { 2L, 0, 2 })) * Weights(3, 4)).sum(),
        ["gather"] = x => x.gather(1, tensor(new[,] { { 0L, 0 }, { 3, 1 } })).square().sum(),
        ["index"] = x => (x[tensor(new[] { 1L, 1 })] * Weights(2, 4)).sum(),
        ["masked_fill"] = x => (x.masked_fill(Weights(3, 4) > 0, 0) * x).sum(),
        ["cat and stack"] = x => (cat([x, x * x], 1).sum(1) * stack([x.sum(1), x.prod(1)]).sum([0])).sum(),
        ["expand"] = x => (x.unsqueeze(0).expand(2, 3, 4) * Weights(2, 3, 4)).sum(),
        ["cumsum"] = x => (x.cumsum(1) * Weights(3, 4)).sum(),
        ["where and clamp"] = x => where(x > 0, x * 2, x * 3).sum() + x.clamp(-0.5, 0.5).sum(),
        ["addcmul in place"] = x => x.clone().mul_(2).addcmul_(x, x, 3).add_(x, 4).sum(),
    };

    public void Dispose() => _scope.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_agree_with_finite_differences(string name)
    {
        var function = Functions[name];
        var x = Weights(3, 4).requires_grad_();
        function(x).backward();
        double[] gradient = x.grad!.Numbers();

        double[] point = x.Numbers();
        var expected = new double[point.Length];
        using var off = no_grad();
        for (int i = 0; i < point.Length; i++)
        {
            double At(double shift)
            {
                using var scope = NewDisposeScope();
                var moved = (double[])point.Clone();
                moved[i] += shift;
                return function(tensor(moved).view(3, 4)).item<double>();
            }
            expected[i] = (At(Step) - At(-Step)) / (2 * Step);
        }
        for (int i = 0; i < point.Length; i++)
        {
            gradient[i].ShouldBe(expected[i], 1e-7 * (1 + Math.Abs(expected[i])), $"element {i}");
        }
    }

    [Fact]
    public void Backward_adds_to_what_is_there()
    {
        var x = tensor(new[] { 1f, 2 }, requires_grad: true);
        x.grad.ShouldBeNull();
        (x * 3).sum().backward();
        (x * 4).sum().backward();
        x.grad!.ShouldHold(7, 7);
        x.grad = null;
        x.grad.ShouldBeNull();
    }

    [Fact]
    public void Backward_takes_weights_of_the_outputs()
    {
        var x = tensor(new[] { 1f, 2 }, requires_grad: true);
        (x * x).backward([tensor(new[] { 1f, 10 })]);
        x.grad!.ShouldHold(2, 40);
    }

    [Fact]
    public void A_graph_is_freed_unless_retained()
    {
        var x = tensor(2f, requires_grad: true);
        var kept = x * x;
        kept.backward(retain_graph: true);
        kept.backward();
        x.grad!.item<float>().ShouldBe(8);
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => kept.backward());
    }

    [Fact]
    public void Autograd_grad_returns_gradients_and_leaves_grad_alone()
    {
        var x = tensor(new[] { 1.0, 2 }, requires_grad: true);
        var y = tensor(3.0, requires_grad: true);
        var results = autograd.grad([(x * x * y).sum()], [x, y]);
        results[0].ShouldHold(6, 12);
        results[1].ShouldHold(5);
        x.grad.ShouldBeNull();

        var first = autograd.grad([(x * x * x).sum()], [x], retain_graph: true, create_graph: true)[0];
        autograd.grad([first.sum()], [x])[0].ShouldHold(6, 12);
    }

    [Fact]
    public void Leaves_and_detached_tensors()
    {
        var x = tensor(1f, requires_grad: true);
        var y = x * 2;
        y.requires_grad.ShouldBeTrue();
        y.is_leaf.ShouldBeFalse();
        var cut = y.detach();
        cut.requires_grad.ShouldBeFalse();
        cut.is_leaf.ShouldBeTrue();
        y.retain_grad();
        (y * 3).backward();
        y.grad!.item<float>().ShouldBe(3);
        x.grad!.item<float>().ShouldBe(6);
        y.detach_().ShouldBeSameAs(y);
        y.requires_grad.ShouldBeFalse();
        tensor(new[] { 1.0 }, requires_grad: true).is_leaf.ShouldBeTrue();
        // Converted on the way, so it is computed from the leaf.
        tensor(new[] { 1.0 }, dtype: float32, requires_grad: true).is_leaf.ShouldBeFalse();
    }

    [Fact]
    public void A_leaf_that_requires_grad_is_changed_in_place_only_without_grad()
    {
        var x = tensor(1f, requires_grad: true);
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => x.add_(1));
        using (no_grad())
        {
            x.add_(1);
        }
        x.item<float>().ShouldBe(2);
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => tensor(1L).requires_grad_());
    }

    /// <summary>Numbers without a pattern, away from the kinks of the functions above.</summary>
    private static Tensor Weights(params long[] shape)
    {
        long count = shape.Aggregate(1L, (product, size) => product * size);
        return tensor(Enumerable.Range(0, (int)count).Select(i => Math.Sin((3.7 * i) + 1)).ToArray()).view(shape);
    }
}
