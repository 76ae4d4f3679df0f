using Linformer.Model.Classification;
using Linformer.Model.Kernels;
using Linformer.Model.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Linformer.Model.Tests.Kernels;

/// <summary>The fused encoder under a classification head against the modules in float64.</summary>
[Collection("The generator of torch")] // A process has one.
public sealed class FusedEncoderTests
{
    private const int Classes = 3;

    // Long and short enough to go through the layers in three groups; one is of one token, one is nothing but padding.
    private static readonly int[] Lengths = [37, 700, 1, 610, 0, 40, 300];

    public static TheoryData<ProjectionSharing, Normalization, Precision, Pooling> Kinds()
    {
        var data = new TheoryData<ProjectionSharing, Normalization, Precision, Pooling>();
        foreach (var sharing in Enum.GetValues<ProjectionSharing>())
        {
            foreach (var normalization in Enum.GetValues<Normalization>())
            {
                foreach (var precision in Enum.GetValues<Precision>())
                {
                    data.Add(sharing, normalization, precision, Pooling.First);
                    data.Add(sharing, normalization, precision, Pooling.Mean);
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Scores_and_gradients_of_texts_of_many_lengths_are_those_of_the_modules_in_float64(
        ProjectionSharing sharing, Normalization normalization, Precision precision, Pooling pooling)
    {
        using var scope = NewDisposeScope();
        var config = Config(sharing, normalization) with { Dropout = 0 };
        using var exact = Build(config, pooling, ScalarType.Float64);
        using var rounded = Build(config, pooling, ScalarType.Float64, toBFloat16: true);
        using var model = Build(config, pooling);
        using var fused = new FusedEncoder(model.Encoder, precision);
        var (ids, mask) = Batch(config, Lengths);

        var expected = exact.call(ids, mask);
        Loss(expected).backward();
        Loss(rounded.call(ids, mask)).backward();
        var actual = model.Scores(fused.Pooled(ids, mask, pooling));
        Loss(actual).backward();

        // In bfloat16 the yardstick is what rounding nothing but the weights does to the exact gradient.
        var tolerance = precision == Precision.Float32 ? 2e-5 : 2e-2;
        (actual.to_type(ScalarType.Float64) - expected).norm().item<double>().ShouldBeLessThan(2 * tolerance * expected.norm().item<double>());
        foreach (var (name, parameter) in exact.named_parameters())
        {
            var rounding = precision == Precision.Float32 ? 0 : (Gradient(rounded, name) - parameter.grad!).norm().item<double>();
            var difference = (Gradient(model, name).to_type(ScalarType.Float64) - parameter.grad!).norm().item<double>();
            difference.ShouldBeLessThan((3 * rounding) + (tolerance * Math.Max(0.05, parameter.grad!.norm().item<double>())), name);
        }
    }

    [Theory]
    [InlineData(Normalization.Pre)]
    [InlineData(Normalization.Post)]
    public void Hidden_states_are_those_of_the_encoder_in_float64(Normalization normalization)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var config = Config(normalization: normalization);
        using var exact = Build(config, Pooling.First, ScalarType.Float64);
        using var model = Build(config, Pooling.First);
        using var fused = new FusedEncoder(model.Encoder, Precision.Float32);
        var (ids, mask) = Batch(config, [20, 33, 7]);

        foreach (var given in new[] { mask, null })
        {
            var expected = exact.Encoder.call(ids, given);
            (fused.Forward(ids, given).to_type(ScalarType.Float64) - expected).abs().max().item<double>().ShouldBeLessThan(2e-5);
        }
    }

    [Fact]
    public void A_text_gives_the_same_whatever_stands_beside_it_and_under_padding()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var config = Config();
        using var model = Build(config, Pooling.Mean);
        using var fused = new FusedEncoder(model.Encoder, Precision.Float32);
        var (ids, mask) = Batch(config, Lengths);
        var together = fused.Pooled(ids, mask, Pooling.Mean);
        var under = fused.Pooled(ids.where(mask.ne(0), full_like(ids, 5)), mask, Pooling.Mean);

        under.bytes.ToArray().ShouldBe(together.bytes.ToArray());
        for (var row = 0; row < Lengths.Length; row++)
        {
            if (Lengths[row] > 0)
            {
                var alone = fused.Pooled(ids[row].narrow(0, 0, Lengths[row]).unsqueeze(0).contiguous(), null, Pooling.Mean);
                (alone[0] - together[row]).abs().max().item<float>().ShouldBeLessThan(1e-5f, $"row {row}");
            }
        }
    }

    [Fact]
    public void Padding_may_stand_anywhere()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var config = Config();
        using var exact = Build(config, Pooling.Mean, ScalarType.Float64);
        using var model = Build(config, Pooling.Mean);
        using var fused = new FusedEncoder(model.Encoder, Precision.Float32);
        var (ids, mask) = Batch(config, [20, 400, 390]);
        mask[0].narrow(0, 3, 1).zero_();
        mask[1].narrow(0, 0, 5).zero_();

        var expected = exact.call(ids, mask);
        (model.Scores(fused.Pooled(ids, mask, Pooling.Mean)).to_type(ScalarType.Float64) - expected).abs().max().item<double>().ShouldBeLessThan(2e-5);
    }

    [Theory]
    [InlineData(Pooling.First)]
    [InlineData(Pooling.Mean)]
    public void With_dropout_gradients_are_those_of_the_loss_of_the_same_mask(Pooling pooling)
    {
        using var scope = NewDisposeScope();
        var config = Config() with { Dropout = 0.3 };
        using var model = Build(config, pooling);
        model.train();
        using var fused = new FusedEncoder(model.Encoder, Precision.Float32);
        var (ids, mask) = Batch(config, [37, 300, 20]);

        Sum().backward();

        const double Step = 2e-3;
        foreach (var (name, parameter) in model.named_parameters())
        {
            var direction = randn_like(parameter);
            direction /= direction.norm();
            var expected = (Shifted(parameter, direction, Step) - Shifted(parameter, direction, -Step)) / (2 * Step);
            var actual = (Gradient(model, name) * direction).sum().item<float>();
            Math.Abs(actual - expected).ShouldBeLessThan(0.02 * Math.Max(1, Math.Abs(expected)), name);
        }

        Tensor Sum()
        {
            using var generator = manual_seed(5);
            return Loss(model.Scores(fused.Pooled(ids, mask, pooling)));
        }

        // With gradients on: without them there is no dropout.
        double Shifted(Tensor parameter, Tensor direction, double by)
        {
            using (no_grad())
            {
                parameter.add_(direction, by);
            }

            var loss = Sum().item<float>();
            using (no_grad())
            {
                parameter.add_(direction, -by);
            }

            return loss;
        }
    }

    [Theory]
    [InlineData(Precision.Float32)]
    [InlineData(Precision.BFloat16)]
    public void The_same_input_gives_the_same_bits_and_another_seed_others(Precision precision)
    {
        using var scope = NewDisposeScope();
        var config = Config() with { Dropout = 0.1 };
        using var model = Build(config, Pooling.Mean);
        model.train();
        using var fused = new FusedEncoder(model.Encoder, precision);
        var (ids, mask) = Batch(config, Lengths);

        var first = Run(11);
        Run(12).ShouldNotBe(first);
        Run(11).ShouldBe(first);

        byte[] Run(long seed)
        {
            foreach (var parameter in model.parameters())
            {
                parameter.grad = null;
            }

            using var generator = manual_seed(seed);
            var scores = model.Scores(fused.Pooled(ids, mask, Pooling.Mean));
            Loss(scores).backward();
            return [.. scores.bytes, .. model.parameters().SelectMany(parameter => parameter.grad!.bytes.ToArray())];
        }
    }

    [Theory]
    [InlineData(Normalization.Pre)]
    [InlineData(Normalization.Post)]
    public void Gradients_are_told_of_once_all_groups_have_added_theirs(Normalization normalization)
    {
        using var scope = NewDisposeScope();
        var config = Config(ProjectionSharing.Layerwise, normalization) with { Dropout = 0 };
        using var model = Build(config, Pooling.Mean);
        using var fused = new FusedEncoder(model.Encoder, Precision.Float32);
        var (ids, mask) = Batch(config, Lengths);
        var names = model.named_parameters().ToDictionary(p => (object)p.parameter, p => p.name, ReferenceEqualityComparer.Instance);
        var told = new List<(string Name, byte[] Gradient)>();
        fused.GradientsReady = parameters => told.AddRange(parameters.Select(parameter => (names[parameter], parameter.grad!.bytes.ToArray())));

        Loss(model.Scores(fused.Pooled(ids, mask, Pooling.Mean))).backward();

        var own = names.Values.Where(name => name.StartsWith("encoder.", StringComparison.Ordinal) && (normalization == Normalization.Post || !name.StartsWith("encoder.norm", StringComparison.Ordinal)));
        told.Select(entry => entry.Name).Order(StringComparer.Ordinal).ShouldBe(own.Order(StringComparer.Ordinal));
        foreach (var (name, gradient) in told)
        {
            Gradient(model, name).bytes.ToArray().ShouldBe(gradient, name);
        }
    }

    [Fact]
    public void Batches_of_ever_other_lengths_leave_neither_tensors_nor_memory_behind()
    {
        const int Rows = 4;
        const int Batches = 60;
        // Of each batch of the longest texts some 50 MB are kept from forward to backward.
        using var model = Build(Config() with { Layers = 6, ProjectedLength = 256 }, Pooling.Mean);
        model.train();
        using var fused = new FusedEncoder(model.Encoder, Precision.Float32);
        var random = CounterRandom.For(3, "lengths");
        // Products of nearly all shapes that there are get their code here.
        Take(from: 0);
        var (tensors, bytes) = (DisposeScopeManager.Statistics.ThreadTotalLiveCount, Environment.WorkingSet);

        Take(from: Batches);

        DisposeScopeManager.Statistics.ThreadTotalLiveCount.ShouldBe(tensors);
        // What other tests take meanwhile counts, too.
        Environment.WorkingSet.ShouldBeLessThan(bytes + (256 << 20));

        void Take(int from)
        {
            for (var batch = from; batch < from + Batches; batch++)
            {
                Step([.. Enumerable.Range(0, Rows).Select(row => 1 + (int)random.BelowAt((ulong)((batch * Rows) + row), 700))]);
            }
        }

        void Step(int[] lengths)
        {
            using var scope = NewDisposeScope();
            var (ids, mask) = Batch(model.Config, lengths);
            Loss(model.Scores(fused.Pooled(ids, mask, Pooling.Mean))).backward();
        }
    }

    [Fact]
    public void What_does_not_fit_is_named()
    {
        using var scope = NewDisposeScope();
        var config = Config();
        using var model = Build(config, Pooling.Mean);
        using var fused = new FusedEncoder(model.Encoder, Precision.Float32);
        var (ids, mask) = Batch(config, [20, 30]);

        Should.Throw<KernelException>(() => fused.Pooled(full_like(ids, 37), mask, Pooling.Mean)).Message.ShouldContain("37");
        Should.Throw<ArgumentException>(() => fused.Pooled(ids, mask.narrow(1, 0, 4), Pooling.Mean)).Message.ShouldContain("[2, 4]");
        Should.Throw<ArgumentException>(() => fused.Forward(zeros([1, 701], dtype: ScalarType.Int64), null)).Message.ShouldContain("700");
    }

    [Fact]
    public void An_encoder_that_the_kernels_cannot_run_is_told_why()
    {
        using var full = Build(Config() with { Attention = AttentionKind.Full }, Pooling.Mean);
        using var gated = Build(Config() with { Gated = true }, Pooling.Mean);
        using var linear = Build(Config() with { Head = HeadKind.Linear }, Pooling.Mean);
        using var frozen = Build(Config(), Pooling.Mean);
        frozen.Encoder.named_parameters().First(entry => entry.name == "token.weight").parameter.requires_grad = false;

        FusedEncoder.WhyNot(full.Encoder, Precision.Float32)!.ShouldContain("linear attention");
        FusedEncoder.WhyNot(gated.Encoder, Precision.Float32)!.ShouldContain("variants");
        FusedEncoder.WhyNot(frozen.Encoder, Precision.Float32)!.ShouldContain("'encoder.token.weight' is of type Float32 on CPU and frozen");
        FusedEncoder.WhyNot(linear.Encoder, Precision.Float32).ShouldBeNull(); // the language model's head is none of the encoder's
        FusedEncoder.TryCreate(full.Encoder, Precision.Float32).ShouldBeNull();
        Should.Throw<NotSupportedException>(() => new FusedEncoder(full.Encoder, Precision.Float32));
    }

    private static LinformerConfig Config(ProjectionSharing sharing = ProjectionSharing.Layerwise, Normalization normalization = Normalization.Pre) =>
        ModelVariants.Config(sharing, normalization) with { SequenceLength = 700 };

    private static ClassificationModel Build(LinformerConfig config, Pooling pooling, ScalarType type = ScalarType.Float32, bool toBFloat16 = false)
    {
        var head = new ClassificationHead { Classes = ["a", "b", "c"], Pooling = pooling };
        var model = new ClassificationModel(config, head, new Placement(type));
        using var noGrad = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var random = CounterRandom.For(7, name);
            // E and F sum over hundreds of tokens.
            var (middle, scale) = name.EndsWith("norm.weight", StringComparison.Ordinal) ? (1.0, 0.2) : (0.0, name.Contains("projection", StringComparison.Ordinal) ? 0.05 : 0.3);
            var values = Enumerable.Range(0, (int)parameter.numel()).Select(i => middle + (scale * random.NormalAt((ulong)i))).ToArray();
            using var drawn = tensor(values, parameter.shape);
            using var taken = toBFloat16 ? drawn.to_type(ScalarType.BFloat16) : drawn.alias();
            parameter.copy_(taken);
        }

        model.eval();
        return model;
    }

    private static (Tensor Ids, Tensor Mask) Batch(LinformerConfig config, int[] lengths)
    {
        var longest = lengths.Max();
        var ids = tensor(ModelVariants.Ids(lengths.Length * longest, config.VocabularySize, 1), [lengths.Length, longest]);
        var mask = tensor(lengths.SelectMany(length => Enumerable.Range(0, longest).Select(i => i < length ? 1L : 0L)).ToArray(), [lengths.Length, longest]);
        return (ids, mask);
    }

    // Cross-entropy with the classes in turn.
    private static Tensor Loss(Tensor scores)
    {
        var classes = tensor(Enumerable.Range(0, (int)scores.shape[0]).Select(row => (long)(row % Classes)).ToArray());
        return nn.functional.cross_entropy(scores, classes, reduction: nn.Reduction.Sum);
    }

    private static Tensor Gradient(ClassificationModel model, string name) =>
        model.named_parameters().First(p => p.name == name).parameter.grad!;
}
