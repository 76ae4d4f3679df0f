using Linformer.Model.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Linformer.Model.Tests.Kernels;

/// <summary>The fused passes against the model's own modules in float64, whose gradients are checked by finite differences elsewhere.</summary>
[Collection("The generator of torch")] // A process has one.
public sealed class FusedLanguageModelTests
{
    private static readonly long[] Predicted = [0, 3, 10, 11, 17, 25, 38];
    private static readonly long[] Answers = [5, 6, 7, 36, 0, 5, 5];

    public static TheoryData<ProjectionSharing, Normalization, bool, Precision> Kinds()
    {
        var data = new TheoryData<ProjectionSharing, Normalization, bool, Precision>();
        foreach (var sharing in Enum.GetValues<ProjectionSharing>())
        {
            foreach (var normalization in Enum.GetValues<Normalization>())
            {
                foreach (var precision in Enum.GetValues<Precision>())
                {
                    data.Add(sharing, normalization, false, precision);
                    data.Add(sharing, normalization, true, precision);
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Loss_and_gradients_are_those_of_the_modules_in_float64(ProjectionSharing sharing, Normalization normalization, bool padded, Precision precision)
    {
        using var scope = NewDisposeScope();
        // Long enough that projecting first is cheaper in one case, and shorter than k in the other.
        foreach (var length in new[] { 13L, 4L })
        {
            var config = ModelVariants.Config(sharing, normalization) with { Dropout = 0 };
            using var exact = ModelVariants.Build(config, ScalarType.Float64);
            using var model = ModelVariants.Build(config);
            using var fused = new FusedLanguageModel(model, precision);
            var batch = Batch.Of(config, 3, length, padded);

            var expected = batch.PlainLoss(exact);
            expected.backward();
            using var rounded = Rounded(config);
            batch.PlainLoss(rounded).backward();
            var actual = fused.LossAt(batch.Ids, batch.Mask, batch.Positions, batch.Targets);
            actual.backward();

            var tolerance = precision == Precision.Float32 ? 2e-5 : 2e-2;
            Math.Abs(actual.item<float>() - expected.item<double>()).ShouldBeLessThan(tolerance * expected.item<double>());
            foreach (var (name, parameter) in exact.named_parameters())
            {
                // In bfloat16 the yardstick is what rounding nothing but the weights does to the exact gradient.
                var rounding = precision == Precision.Float32 ? 0 : (Gradient(rounded, name) - parameter.grad!).norm().item<double>();
                var difference = (Gradient(model, name).to_type(ScalarType.Float64) - parameter.grad!).norm().item<double>();
                difference.ShouldBeLessThan((3 * rounding) + (tolerance * Math.Max(0.05, parameter.grad!.norm().item<double>())), name);
            }
        }
    }

    [Fact]
    public void A_bfloat16_gradient_of_fresh_weights_points_where_the_exact_one_does()
    {
        using var scope = NewDisposeScope();
        var config = ModelVariants.Config() with { Dropout = 0, Hidden = 64, Heads = 4, FeedForward = 256, SequenceLength = 64, ProjectedLength = 16, VocabularySize = 301 };
        using var exact = ModelVariants.Build(config, ScalarType.Float64);
        using var model = ModelVariants.Build(config);
        Initialization.Apply(exact, seed: 1);
        Initialization.Apply(model, seed: 1);
        using var fused = new FusedLanguageModel(model, Precision.BFloat16);
        var batch = Batch.Of(config, 2, 64, padded: true);

        batch.PlainLoss(exact).backward();
        fused.LossAt(batch.Ids, batch.Mask, batch.Positions, batch.Targets).backward();

        var wanted = cat(exact.parameters().Select(parameter => parameter.grad!.reshape(-1)).ToList());
        var got = cat(model.parameters().Select(parameter => parameter.grad!.reshape(-1)).ToList()).to_type(ScalarType.Float64);
        ((wanted * got).sum() / (wanted.norm() * got.norm())).item<double>().ShouldBeGreaterThan(0.9995);
        (got.norm() / wanted.norm()).item<double>().ShouldBe(1, 0.01);
    }

    [Theory]
    [InlineData(Precision.Float32)]
    [InlineData(Precision.BFloat16)]
    public void The_same_input_gives_the_same_bits(Precision precision)
    {
        using var scope = NewDisposeScope();
        var config = ModelVariants.Config();
        using var model = ModelVariants.Build(config);
        model.train();
        using var fused = new FusedLanguageModel(model, precision);
        var batch = Batch.Of(config, 3, 13, padded: true);
        var (first, second) = (Run(), Run());

        first.ShouldBe(second);

        byte[] Run()
        {
            foreach (var parameter in model.parameters())
            {
                parameter.grad = null;
            }

            using var generator = manual_seed(11);
            var loss = fused.LossAt(batch.Ids, batch.Mask, batch.Positions, batch.Targets);
            loss.backward();
            return [.. loss.bytes, .. model.parameters().SelectMany(parameter => parameter.grad!.bytes.ToArray())];
        }
    }

    [Theory]
    [InlineData(Normalization.Pre)]
    [InlineData(Normalization.Post)]
    public void With_dropout_gradients_are_those_of_the_loss_of_the_same_mask(Normalization normalization)
    {
        using var scope = NewDisposeScope();
        var config = ModelVariants.Config(normalization: normalization) with { Dropout = 0.3 };
        using var model = ModelVariants.Build(config);
        model.train();
        using var fused = new FusedLanguageModel(model, Precision.Float32);
        var batch = Batch.Of(config, 3, 13, padded: false);

        Loss().backward();

        const double Step = 2e-3;
        foreach (var (name, parameter) in model.named_parameters())
        {
            var direction = randn_like(parameter);
            direction /= direction.norm();
            var (above, below) = (Shifted(parameter, direction, Step), Shifted(parameter, direction, -Step));
            var expected = (above - below) / (2 * Step);
            var actual = (Gradient(model, name) * direction).sum().item<float>();
            Math.Abs(actual - expected).ShouldBeLessThan(0.02 * Math.Max(1, Math.Abs(expected)), name);
        }

        Tensor Loss()
        {
            using var generator = manual_seed(5);
            return fused.LossAt(batch.Ids, batch.Mask, batch.Positions, batch.Targets);
        }

        // With gradients on: without them there is no dropout.
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
    public void Dropout_leaves_the_loss_alone_in_evaluation_and_changes_it_with_the_seed_in_training()
    {
        using var scope = NewDisposeScope();
        var config = ModelVariants.Config() with { Dropout = 0.3 };
        using var model = ModelVariants.Build(config);
        using var fused = new FusedLanguageModel(model, Precision.Float32);
        var batch = Batch.Of(config, 3, 13, padded: false);
        using var exact = ModelVariants.Build(config, ScalarType.Float64);
        float Loss(long seed)
        {
            using var generator = manual_seed(seed);
            return fused.LossAt(batch.Ids, batch.Mask, batch.Positions, batch.Targets).item<float>();
        }

        ((double)Loss(1)).ShouldBe(batch.PlainLoss(exact).item<double>(), 1e-3);
        Loss(1).ShouldBe(Loss(2));
        model.train();
        Loss(1).ShouldBe(Loss(1));
        Loss(1).ShouldNotBe(Loss(2));
    }

    [Fact]
    public void Gradients_add_up_and_are_told_of_when_they_are_complete()
    {
        using var scope = NewDisposeScope();
        var config = ModelVariants.Config() with { Dropout = 0 };
        using var model = ModelVariants.Build(config);
        using var fused = new FusedLanguageModel(model, Precision.Float32);
        var batch = Batch.Of(config, 3, 13, padded: false);
        var names = model.named_parameters().ToDictionary(p => (object)p.parameter, p => p.name, ReferenceEqualityComparer.Instance);
        var order = new List<string>();
        var told = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        fused.GradientsReady = parameters =>
        {
            foreach (var parameter in parameters)
            {
                var name = names[parameter];
                order.Add(name);
                told[name] = parameter.grad!.bytes.ToArray();
            }
        };

        fused.LossAt(batch.Ids, batch.Mask, batch.Positions, batch.Targets).backward();

        order.ShouldBe(order.Distinct(StringComparer.Ordinal));
        order.Order(StringComparer.Ordinal).ShouldBe(names.Values.Order(StringComparer.Ordinal));
        order.FindIndex(name => name.Contains("layers.1", StringComparison.Ordinal)).ShouldBeLessThan(order.FindIndex(name => name.Contains("layers.0", StringComparison.Ordinal)));
        order[0].ShouldNotContain("layers");
        order[^1].ShouldContain("encoder.position");
        var once = model.named_parameters().ToDictionary(p => p.name, p => p.parameter.grad!.clone());
        foreach (var (name, bytes) in told)
        {
            once[name].bytes.ToArray().ShouldBe(bytes, name);
        }

        fused.LossAt(batch.Ids, batch.Mask, batch.Positions, batch.Targets).backward();
        foreach (var (name, gradient) in once)
        {
            (Gradient(model, name) - (gradient * 2)).norm().item<float>().ShouldBeLessThan(1e-4f * Math.Max(1, gradient.norm().item<float>()), name);
        }
    }

    [Fact]
    public void Held_weights_are_copied_once_and_released_ones_anew()
    {
        using var scope = NewDisposeScope();
        var config = ModelVariants.Config() with { Dropout = 0 };
        using var model = ModelVariants.Build(config);
        using var fused = new FusedLanguageModel(model, Precision.BFloat16);
        var batch = Batch.Of(config, 3, 13, padded: false);
        float Loss() => fused.LossAt(batch.Ids, batch.Mask, batch.Positions, batch.Targets).item<float>();
        void Double()
        {
            using var noGrad = no_grad();
            model.named_parameters().First(p => p.name == "encoder.layers.0.feed_forward.input.weight").parameter.mul_(2);
        }

        var before = Loss();
        using (fused.HoldWeights())
        {
            Loss().ShouldBe(before);
            Double();
            Loss().ShouldBe(before);
        }

        var after = Loss();
        after.ShouldNotBe(before);
        using (fused.HoldWeights())
        {
            Loss().ShouldBe(after);
        }
    }

    [Fact]
    public void Nan_and_infinity_are_not_lost()
    {
        using var scope = NewDisposeScope();
        var config = ModelVariants.Config() with { Dropout = 0 };
        foreach (var bad in new[] { double.NaN, double.PositiveInfinity })
        {
            foreach (var precision in Enum.GetValues<Precision>())
            {
                using var model = ModelVariants.Build(config);
                using (no_grad())
                {
                    model.named_parameters().First(p => p.name == "encoder.layers.1.attention.value.bias").parameter[3].fill_(bad);
                }

                using var fused = new FusedLanguageModel(model, precision);
                var batch = Batch.Of(config, 3, 13, padded: false);

                float.IsFinite(fused.LossAt(batch.Ids, batch.Mask, batch.Positions, batch.Targets).item<float>()).ShouldBeFalse();
            }
        }
    }

    [Fact]
    public void What_is_out_of_range_is_named()
    {
        using var scope = NewDisposeScope();
        var config = ModelVariants.Config();
        using var model = ModelVariants.Build(config);
        using var fused = new FusedLanguageModel(model, Precision.Float32);
        var batch = Batch.Of(config, 3, 13, padded: false);
        Exception Fails(Tensor ids, Tensor positions, Tensor targets) =>
            Should.Throw<Exception>(() => fused.LossAt(ids, null, positions, targets));

        Fails(full_like(batch.Ids, 37), batch.Positions, batch.Targets).ShouldBeOfType<KernelException>().Message.ShouldContain("37");
        Fails(full_like(batch.Ids, -1), batch.Positions, batch.Targets).ShouldBeOfType<KernelException>().Message.ShouldContain("-1");
        Fails(batch.Ids, tensor(new long[] { 39 }), tensor(new long[] { 1 })).ShouldBeOfType<KernelException>().Message.ShouldContain("39");
        Fails(batch.Ids, tensor(new long[] { 1 }), tensor(new long[] { 37 })).ShouldBeOfType<KernelException>().Message.ShouldContain("37");
        Fails(batch.Ids, tensor(new long[] { 1, 2 }), tensor(new long[] { 3 })).ShouldBeOfType<ArgumentException>().Message.ShouldContain("[2]");
        Fails(zeros([1, 17], dtype: ScalarType.Int64), batch.Positions, batch.Targets).ShouldBeOfType<ArgumentException>().Message.ShouldContain("16");
    }

    [Fact]
    public void A_model_that_the_kernels_cannot_run_is_told_why()
    {
        using var full = ModelVariants.Build(ModelVariants.Config(attention: AttentionKind.Full));
        using var wide = ModelVariants.Build(ModelVariants.Config(), ScalarType.Float64);
        using var frozen = ModelVariants.Build(ModelVariants.Config());
        frozen.named_parameters().First().parameter.requires_grad = false;

        FusedLanguageModel.WhyNot(full, Precision.Float32)!.ShouldContain("linear attention");
        FusedLanguageModel.WhyNot(wide, Precision.Float32)!.ShouldContain("Float64");
        FusedLanguageModel.WhyNot(frozen, Precision.Float32)!.ShouldContain("frozen");
        Should.Throw<NotSupportedException>(() => new FusedLanguageModel(full, Precision.Float32));
    }

    [Fact]
    public void Memory_does_not_grow()
    {
        var config = ModelVariants.Config();
        using var model = ModelVariants.Build(config);
        model.train();
        using var fused = new FusedLanguageModel(model, Precision.Float32);
        using var scope = NewDisposeScope();
        var batch = Batch.Of(config, 3, 13, padded: true);
        Step();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        for (var i = 0; i < 50; i++)
        {
            Step();
        }

        DisposeScopeManager.Statistics.ThreadTotalLiveCount.ShouldBe(before);

        void Step()
        {
            using var step = NewDisposeScope();
            fused.LossAt(batch.Ids, batch.Mask, batch.Positions, batch.Targets).backward();
        }
    }

    private static MaskedLanguageModel Rounded(LinformerConfig config)
    {
        var model = ModelVariants.Build(config, ScalarType.Float64);
        using var noGrad = no_grad();
        foreach (var parameter in model.parameters())
        {
            parameter.copy_(parameter.to_type(ScalarType.BFloat16));
        }

        return model;
    }

    private static Tensor Gradient(MaskedLanguageModel model, string name) =>
        model.named_parameters().First(p => p.name == name).parameter.grad!;

    private sealed record Batch(Tensor Ids, Tensor? Mask, Tensor Positions, Tensor Targets)
    {
        public static Batch Of(LinformerConfig config, long batch, long length, bool padded)
        {
            var ids = tensor(ModelVariants.Ids((int)(batch * length), config.VocabularySize, 1), [batch, length]);
            var mask = padded ? ones([batch, length], dtype: ScalarType.Int64) : null;
            mask?[1].narrow(0, length / 2, length - (length / 2)).zero_();
            var kept = Predicted.Where(position => position < batch * length).ToArray();
            return new Batch(ids, mask, tensor(kept), tensor(Answers[..kept.Length]));
        }

        public Tensor PlainLoss(MaskedLanguageModel model) =>
            nn.functional.cross_entropy(model.LogitsAt(Ids, Mask, Positions), Targets, reduction: nn.Reduction.Sum);
    }
}
