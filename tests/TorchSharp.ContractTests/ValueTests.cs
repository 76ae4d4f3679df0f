using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>Values of operators against numbers worked out by hand or by <see cref="Math"/>.</summary>
public sealed class ValueTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void Arithmetic_takes_tensors_and_numbers_on_either_side()
    {
        var a = tensor(new[] { 1f, 2, 4 });
        var b = tensor(new[] { 3f, 5, 8 });
        (a + b).ShouldHold(4, 7, 12);
        (a - b).ShouldHold(-2, -3, -4);
        (a * b).ShouldHold(3, 10, 32);
        (b / a).ShouldHold(3, 2.5, 2);
        (-a).ShouldHold(-1, -2, -4);
        (a + 1).ShouldHold(2, 3, 5);
        (1 - a).ShouldHold(0, -1, -3);
        (2.0 * a).ShouldHold(2, 4, 8);
        (8 / a).ShouldHold(8, 4, 2);
        (b % 3).ShouldHold(0, 2, 2);
        a.add(b, alpha: 10).ShouldHold(31, 52, 84);
        a.pow(2).ShouldHold(1, 4, 16);
        a.pow(a).ShouldHold(1, 4, 256);
        a.mul(0.5).ShouldHold(0.5, 1, 2);
        a.addcmul(b, b, 0.5).ShouldHold(5.5, 14.5, 36);
        a.addcdiv(b, a, 2).ShouldHold(7, 7, 8);
        a.lerp(b, tensor(0.5f)).ShouldHold(2, 3.5, 6);
        a.div(tensor(new[] { 2f, -2f, 3f }), RoundingMode.floor).ShouldHold(0, -1, 1);
        b.div(3, RoundingMode.trunc).ShouldHold(1, 1, 2);
        maximum(a, tensor(2f)).ShouldHold(2, 2, 4);
        minimum(a, tensor(2f)).ShouldHold(1, 2, 2);
        a.clamp(1.5, 3).ShouldHold(1.5, 2, 3);
        a.clamp(max: 3).ShouldHold(1, 2, 3);
        clamp(a, tensor(2f), tensor(3f)).ShouldHold(2, 2, 3);
    }

    [Fact]
    public void Types_are_promoted_as_in_torch()
    {
        (tensor(new[] { 1, 2 }) + 0.5).dtype.ShouldBe(ScalarType.Float32);
        (tensor(new[] { 1, 2 }) + tensor(new[] { 1L, 2 })).dtype.ShouldBe(ScalarType.Int64);
        (tensor(new[] { 1f }) * 2.5).dtype.ShouldBe(ScalarType.Float32);
        (tensor(new[] { 1.0 }) + tensor(new[] { 1f })).dtype.ShouldBe(ScalarType.Float64);
        tensor(new[] { true, false, true }).sum().ToInt64().ShouldBe(2);
        tensor(new[] { true, false, true }).sum().dtype.ShouldBe(ScalarType.Int64);
        (tensor(3) / 2).ToSingle().ShouldBe(1.5f);
    }

    [Fact]
    public void Functions_of_elements_agree_with_Math()
    {
        double[] x = [-1.7, -0.3, 0.2, 0.9, 2.5];
        var t = tensor(x);
        void Check(Tensor actual, Func<double, double> expected) => actual.ShouldHold(1e-12, x.Select(expected).ToArray());
        Check(t.exp(), Math.Exp);
        Check(t.abs().log(), v => Math.Log(Math.Abs(v)));
        Check(t.abs().sqrt(), v => Math.Sqrt(Math.Abs(v)));
        Check(t.abs().rsqrt(), v => 1 / Math.Sqrt(Math.Abs(v)));
        Check(t.tanh(), Math.Tanh);
        Check(t.sin(), Math.Sin);
        Check(t.sigmoid(), v => 1 / (1 + Math.Exp(-v)));
        Check(t.relu(), v => Math.Max(v, 0));
        Check(t.square(), v => v * v);
        Check(t.reciprocal(), v => 1 / v);
        Check(t.floor(), Math.Floor);
        Check(t.round(), Math.Round);
        Check(t.sign(), v => Math.Sign(v));
        Check(t.gelu(), v => v * Normal(v));
        Check(nn.functional.gelu(t), v => v * Normal(v));
        Check(nn.functional.silu(t), v => v / (1 + Math.Exp(-v)));
        Check(t.gelu(Modules.GELU.Approximate.tanh),
            v => 0.5 * v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + (0.044715 * v * v * v)))));
    }

    [Fact]
    public void Comparisons_and_logic_give_booleans()
    {
        var a = tensor(new[] { 1L, 2, 3 });
        (a == 2).dtype.ShouldBe(ScalarType.Bool);
        (a == 2).ShouldHold(0, 1, 0);
        (a != tensor(new[] { 1L, 0, 3 })).ShouldHold(0, 1, 0);
        (a < 2).ShouldHold(1, 0, 0);
        (a >= 2).ShouldHold(0, 1, 1);
        (2 > a).ShouldHold(1, 0, 0);
        a.le(2).logical_and(a.gt(1)).ShouldHold(0, 1, 0);
        a.lt(2).logical_or(a.gt(2)).ShouldHold(1, 0, 1);
        a.lt(2).logical_not().ShouldHold(0, 1, 1);
        (a < 3).all().ToBoolean().ShouldBeFalse();
        (a < 3).any().ToBoolean().ShouldBeTrue();
        where(a > 1, a, -a).ShouldHold(-1, 2, 3);
        a.equal(tensor(new[] { 1L, 2, 4 })).ShouldHold(1, 1, 0);
        a.Equals(tensor(new[] { 1L, 2, 3 })).ShouldBeTrue();
        a.Equals(tensor(new[] { 1L, 2, 4 })).ShouldBeFalse();
        tensor(1.0).allclose(tensor(1.0 + 1e-9)).ShouldBeTrue();
        tensor(1.0).allclose(tensor(1.1)).ShouldBeFalse();
        var odd = tensor(new[] { 1, float.NaN, float.PositiveInfinity });
        odd.isnan().ShouldHold(0, 1, 0);
        odd.isfinite().ShouldHold(1, 0, 0);
        isfinite(odd).all().ToBoolean().ShouldBeFalse();
    }

    [Fact]
    public void Reductions_work_over_all_elements_and_over_dimensions()
    {
        var m = tensor(new[,] { { 1.0, 2, 6 }, { 4, 0, 5 } });
        m.sum().ShouldHold(18);
        // A literal 0 alone would be taken for the ScalarType of that number.
        m.sum([0]).ShouldHold(5, 2, 11);
        m.sum(0, keepdim: false).ShouldHold(5, 2, 11);
        m.sum(1, keepdim: true).shape.ShouldBe([2, 1]);
        m.sum([0, 1]).ShouldHold(18);
        m.sum(0, 1).ShouldHold(18);
        sum(m, 1).ShouldHold(9, 9);
        m.mean().ShouldHold(3);
        m.mean([1]).ShouldHold(3, 3);
        m.mean([1], keepdim: true).shape.ShouldBe([2, 1]);
        m.max().ShouldHold(6);
        m.min().ShouldHold(0);
        var (largest, places) = m.max(1);
        largest.ShouldHold(6, 5);
        places.ShouldHold(2, 2);
        m.amax([0]).ShouldHold(4, 2, 6);
        m.amin(1, 0).ShouldHold(0);
        m.argmax().ShouldHold(2);
        m.argmax(0).ShouldHold(1, 0, 0);
        m.var(1, unbiased: false).ShouldHold(14.0 / 3, 14.0 / 3);
        m.var(1).ShouldHold(7, 7);
        m.std([0, 1], unbiased: false).ShouldHold(Math.Sqrt(28.0 / 6));
        m.norm().ShouldHold(Math.Sqrt(82));
        m.norm(1, keepdim: true, p: 1).ShouldHold(9, 9);
        m.cumsum(1).ShouldHold(1, 3, 9, 4, 4, 9);
        m.prod().ShouldHold(0);
        m.logsumexp(0)[1].ShouldHold(Math.Log(Math.Exp(2) + 1));
        m.sum(type: ScalarType.Float32).dtype.ShouldBe(ScalarType.Float32);
        var (top, where) = m.topk(2);
        top.ShouldHold(6, 2, 5, 4);
        where.ShouldHold(2, 1, 2, 0);
        var (sorted, order) = m.sort(1, descending: true);
        sorted.ShouldHold(6, 2, 1, 5, 4, 0);
        order.ShouldHold(2, 1, 0, 2, 0, 1);
        m.argsort(1).ShouldHold(0, 1, 2, 1, 0, 2);
    }

    [Fact]
    public void Products_of_matrices()
    {
        var a = tensor(new[,] { { 1.0, 2 }, { 3, 4 } });
        var b = tensor(new[,] { { 5.0, 6 }, { 7, 8 } });
        double[] product = [19, 22, 43, 50];
        a.matmul(b).ShouldHold(product);
        a.mm(b).ShouldHold(product);
        matmul(a, b).ShouldHold(product);
        a.unsqueeze(0).bmm(b.unsqueeze(0)).ShouldHold(product);
        a.t().ShouldHold(1, 3, 2, 4);
        a.mT.ShouldHold(1, 3, 2, 4);
        a[0].dot(b[0]).ShouldHold(17);
        a[0].outer(b[0]).ShouldHold(5, 6, 10, 12);
        einsum("ij,jk->ik", a, b).ShouldHold(product);
        einsum("bhnd,bhkd->bhnk", ones(2, 3, 4, 5), ones(2, 3, 6, 5)).shape.ShouldBe([2, 3, 4, 6]);
        b.addmm(a, b, beta: 2, alpha: 1).ShouldHold(29, 34, 57, 66);
        nn.functional.linear(a, b, tensor(new[] { 1.0, 2 })).ShouldHold(18, 25, 40, 55);
    }

    [Fact]
    public void Singular_values_come_from_the_largest_on()
    {
        // The roots of the eigenvalues 45 and 5 of its product with itself.
        linalg.svdvals(tensor(new[,] { { 3.0, 0 }, { 4, 5 } })).ShouldHold(Math.Sqrt(45), Math.Sqrt(5));
        linalg.svdvals(zeros(2, 5, 3)).shape.ShouldBe([2, 3]);
    }

    [Fact]
    public void Softmax_and_the_losses()
    {
        var logits = tensor(new[,] { { 1.0, 2, 3 }, { 1, 1, 1 } });
        double z = Math.Exp(1) + Math.Exp(2) + Math.Exp(3);
        logits.softmax(1)[0].ShouldHold(Math.Exp(1) / z, Math.Exp(2) / z, Math.Exp(3) / z);
        logits.log_softmax(-1)[0].ShouldHold(1 - Math.Log(z), 2 - Math.Log(z), 3 - Math.Log(z));
        nn.functional.softmax(logits, -1).sum(-1).ShouldHold(1, 1);

        var targets = tensor(new[] { 2L, 0 });
        double first = Math.Log(z) - 3;
        double second = Math.Log(3);
        nn.functional.cross_entropy(logits, targets).ShouldHold((first + second) / 2);
        nn.functional.cross_entropy(logits, targets, reduction: nn.Reduction.Sum).ShouldHold(first + second);
        nn.functional.cross_entropy(logits, targets, reduction: nn.Reduction.None).ShouldHold(first, second);
        nn.functional.cross_entropy(logits, targets, ignore_index: 0).ShouldHold(first);
        nn.functional.cross_entropy(logits, targets, weight: tensor(new[] { 3.0, 1, 1 }))
            .ShouldHold((first + (3 * second)) / 4);
        double smoothed = (0.7 * first) + (0.3 * (Math.Log(z) - 2));
        nn.functional.cross_entropy(logits[TensorIndex.Slice(0, 1)], targets[TensorIndex.Slice(0, 1)], label_smoothing: 0.3)
            .ShouldHold(smoothed);
        nn.functional.nll_loss(logits.log_softmax(1), targets).ShouldHold((first + second) / 2);
        nn.functional.mse_loss(logits, zeros(2, 3, dtype: float64)).ShouldHold(17.0 / 6);
    }

    [Fact]
    public void Layer_norm_normalises_the_last_dimension()
    {
        var x = tensor(new[,] { { 1.0, 2, 6 }, { 4, 0, 5 } });
        double scale = 1 / Math.Sqrt((14.0 / 3) + 1e-5);
        nn.functional.layer_norm(x, [3]).ShouldHold(-2 * scale, -1 * scale, 3 * scale, 1 * scale, -3 * scale, 2 * scale);
        nn.functional.layer_norm(x, [3], tensor(new[] { 1.0, 2, 3 }), tensor(new[] { 1.0, 0, 0 }))[0]
            .ShouldHold(1 - (2 * scale), -2 * scale, 9 * scale);
    }

    [Fact]
    public void Padding_and_one_hot()
    {
        nn.functional.pad(tensor(new[] { 1f, 2 }), [1, 2], value: 9).ShouldHold(9, 1, 2, 9, 9);
        nn.functional.one_hot(tensor(new[] { 1L, 0 }), 3).ShouldHold(0, 1, 0, 1, 0, 0);
    }

    /// <summary>The standard normal distribution function, by its series.</summary>
    private static double Normal(double x)
    {
        double term = x;
        double sum = x;
        for (int k = 3; k < 100; k += 2)
        {
            term *= x * x / k;
            sum += term;
        }
        return 0.5 + (Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI) * sum);
    }
}
