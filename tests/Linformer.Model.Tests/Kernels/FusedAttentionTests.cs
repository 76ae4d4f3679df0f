using Linformer.Model.Kernels;
using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Tests.Kernels;

/// <summary>The fused attention against the plain module in float64.</summary>
[Collection("The generator of torch")] // A process has one.
public sealed class FusedAttentionTests
{
    private const long Batch = 2;

    public static TheoryData<ProjectionSharing, bool, Precision, long> Kinds()
    {
        var data = new TheoryData<ProjectionSharing, bool, Precision, long>();
        foreach (var sharing in new[] { ProjectionSharing.None, ProjectionSharing.Headwise, ProjectionSharing.KeyValue })
        {
            foreach (var precision in Enum.GetValues<Precision>())
            {
                // Shorter than k; one chunk; several of which the last is shorter.
                foreach (var length in new[] { 4L, 13L, 1111L })
                {
                    data.Add(sharing, false, precision, length);
                    data.Add(sharing, true, precision, length);
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Output_and_gradients_are_those_of_the_module_in_float64(ProjectionSharing sharing, bool padded, Precision precision, long length)
    {
        using var scope = NewDisposeScope();
        var config = Config(sharing) with { Dropout = 0 };
        var exact = Layer.Of(config, ScalarType.Float64);
        var layer = Layer.Of(config, ScalarType.Float32);
        using var fused = new FusedAttention(layer.Attention, layer.Projection, config, precision);
        var (input, direction) = (Values("x", Batch, length, config.Hidden), Values("dy", Batch, length, config.Hidden));
        var mask = padded ? Mask(length) : null;

        var wide = input.clone();
        wide.requires_grad = true;
        var expected = exact.Attention.call(wide, mask?.to_type(ScalarType.Float64).unsqueeze(-1));
        (expected * direction).sum().backward();
        var x = input.to_type(ScalarType.Float32);
        x.requires_grad = true;
        var actual = fused.Forward(x, mask);
        (actual * direction.to_type(ScalarType.Float32)).sum().backward();

        // Of bfloat16, a rounding of the operands is 2^-9 at most.
        var tolerance = precision == Precision.Float32 ? 1e-5 : 2e-2;
        Near(actual, expected, tolerance, "y");
        Near(x.grad!, wide.grad!, tolerance, "x");
        foreach (var (name, parameter) in exact.Parameters)
        {
            Near(layer.Parameters[name].grad!, parameter.grad!, tolerance, name);
        }

        using var off = no_grad();
        Near(fused.Forward(x, mask), expected, tolerance, "y in evaluation");
    }

    [Fact]
    public void Gradients_add_up_and_have_the_same_bits_each_time()
    {
        using var scope = NewDisposeScope();
        var config = Config(ProjectionSharing.KeyValue) with { Dropout = 0.2 };
        var layer = Layer.Of(config, ScalarType.Float32);
        layer.Attention.train();
        using var fused = new FusedAttention(layer.Attention, layer.Projection, config, Precision.Float32);
        var x = Values("x", Batch, 700, config.Hidden).to_type(ScalarType.Float32);

        var once = Run();
        foreach (var parameter in layer.Parameters.Values)
        {
            parameter.grad = null;
        }

        Run().SelectMany(gradient => gradient.bytes.ToArray()).ShouldBe(once.SelectMany(gradient => gradient.bytes.ToArray()));
        foreach (var (twice, first) in Run().Zip(once))
        {
            Near(twice, first * 2, 1e-5, "twice");
        }

        List<Tensor> Run()
        {
            using var generator = manual_seed(3);
            fused.Forward(x).sum().backward();
            return [.. layer.Parameters.Values.Select(parameter => parameter.grad!.clone())];
        }
    }

    [Fact]
    public void With_dropout_gradients_are_those_of_the_loss_of_the_same_mask()
    {
        using var scope = NewDisposeScope();
        var config = Config(ProjectionSharing.Headwise) with { Dropout = 0.3 };
        var layer = Layer.Of(config, ScalarType.Float32);
        layer.Attention.train();
        using var fused = new FusedAttention(layer.Attention, layer.Projection, config, Precision.Float32);
        var x = Values("x", Batch, 13, config.Hidden).to_type(ScalarType.Float32);
        var weights = Values("dy", Batch, 13, config.Hidden).to_type(ScalarType.Float32);

        Loss().backward();

        const double Step = 2e-3;
        foreach (var (name, parameter) in layer.Parameters)
        {
            var direction = randn_like(parameter);
            direction /= direction.norm();
            var expected = (Shifted(parameter, direction, Step) - Shifted(parameter, direction, -Step)) / (2 * Step);
            var actual = (parameter.grad! * direction).sum().item<float>();
            Math.Abs(actual - expected).ShouldBeLessThan(0.02 * Math.Max(1, Math.Abs(expected)), name);
        }

        Tensor Loss()
        {
            using var generator = manual_seed(5);
            return (fused.Forward(x) * weights).sum();
        }

        double Shifted(Tensor parameter, Tensor direction, double by)
        {
            using (no_grad())
            {
                parameter.add_(direction, by);
            }

            var loss = Loss().item<float>();
            using (no_grad())
            {
                parameter.add_(direction, -by);
            }

            return loss;
        }
    }

    [Fact]
    public void A_gradient_may_lie_in_another_order()
    {
        using var scope = NewDisposeScope();
        var config = Config(ProjectionSharing.KeyValue);
        var layer = Layer.Of(config, ScalarType.Float32);
        using var fused = new FusedAttention(layer.Attention, layer.Projection, config, Precision.Float32);
        var direction = Values("dy", Batch, config.Hidden, 13).to_type(ScalarType.Float32);
        var expected = GradientOf(y => y * direction.transpose(1, 2).contiguous());

        GradientOf(y => y.transpose(1, 2) * direction).bytes.SequenceEqual(expected.bytes).ShouldBeTrue();

        Tensor GradientOf(Func<Tensor, Tensor> use)
        {
            var x = Values("x", Batch, 13, config.Hidden).to_type(ScalarType.Float32);
            x.requires_grad = true;
            use(fused.Forward(x)).sum().backward();
            return x.grad!.contiguous();
        }
    }

    [Fact]
    public void What_does_not_fit_is_named()
    {
        using var scope = NewDisposeScope();
        var config = Config(ProjectionSharing.KeyValue);
        var layer = Layer.Of(config, ScalarType.Float32);
        using var fused = new FusedAttention(layer.Attention, layer.Projection, config, Precision.Float32);

        Should.Throw<ArgumentException>(() => fused.Forward(zeros(1, config.SequenceLength + 1, config.Hidden))).Message.ShouldContain($"length from 1 to {config.SequenceLength}");
        Should.Throw<ArgumentException>(() => fused.Forward(zeros(1, 8, 5))).Message.ShouldContain("[1, 8, 5]");
        Should.Throw<ArgumentException>(() => fused.Forward(zeros([1, 8, config.Hidden], dtype: ScalarType.Float64))).Message.ShouldContain("Float64");
        Should.Throw<ArgumentException>(() => fused.Forward(zeros(1, 8, config.Hidden), ones(1, 7))).Message.ShouldContain("[1, 7]");
        var wide = Layer.Of(config, ScalarType.Float64);
        Should.Throw<NotSupportedException>(() => new FusedAttention(wide.Attention, wide.Projection, config, Precision.Float32)).Message.ShouldContain("query.weight");
        FusedAttention.WhyNot(layer.Attention, layer.Projection, config with { ProjectedLength = 7 }, Precision.Float32).ShouldNotBeNull().ShouldContain("'E'");
    }

    private static LinformerConfig Config(ProjectionSharing sharing) =>
        ModelVariants.Config(sharing) with { SequenceLength = 1200, ProjectedLength = 6 };

    private static Tensor Mask(long length)
    {
        var mask = ones(Batch, length);
        mask[1].narrow(0, length / 2, length - (length / 2)).zero_();
        return mask;
    }

    private static Tensor Values(string name, params long[] shape)
    {
        var random = CounterRandom.For(11, name);
        var values = new double[shape.Aggregate((a, b) => a * b)];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = random.NormalAt((ulong)i);
        }

        return tensor(values, shape);
    }

    private static void Near(Tensor actual, Tensor expected, double tolerance, string what)
    {
        var wanted = expected.to_type(ScalarType.Float64);
        var difference = (actual.to_type(ScalarType.Float64) - wanted).norm().item<double>();
        difference.ShouldBeLessThan(tolerance * Math.Max(0.05, wanted.norm().item<double>()), what);
    }

    private sealed record Layer(Attention Attention, MatrixProjection Projection, Dictionary<string, Parameter> Parameters)
    {
        public static Layer Of(LinformerConfig config, ScalarType type)
        {
            var placement = new Placement(type);
            var by = config.Sharing == ProjectionSharing.None ? new long[] { config.Heads } : [];
            long[] shape = [.. by, config.ProjectedLength, config.SequenceLength];
            var key = New("projection_key", shape, 0.1);
            var projection = new MatrixProjection(key, config.Sharing == ProjectionSharing.KeyValue ? key : New("projection_value", shape, 0.1), null, null, config.Heads);
            var attention = new Attention(config, projection, placement);
            attention.eval();
            var parameters = attention.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter, StringComparer.Ordinal);
            using var off = no_grad();
            foreach (var (name, parameter) in parameters)
            {
                parameter.copy_(Values(name, parameter.shape).mul_(0.2));
            }

            parameters["projection_key"] = projection.Key;
            parameters["projection_value"] = projection.Value;
            return new Layer(attention, projection, parameters);

            Parameter New(string name, long[] dimensions, double scale) => new(Values(name, dimensions).mul_(scale).to_type(type));
        }
    }
}
