using Linformer.Model.Kernels;
using Linformer.Model.Layers;
using static TorchSharp.torch;

namespace Linformer.Model.Tests.Variants;

/// <summary>What holds for a model of every shape; outputs and gradients are compared with PyTorch elsewhere.</summary>
public sealed class VariantTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Names() => [.. All.Keys];

    private static Dictionary<string, LinformerConfig> All { get; } = WithProjections();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void A_padded_sequence_gives_what_it_gives_alone(string name)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var config = All[name];
        using var model = ModelVariants.Build(config, ScalarType.Float64);
        var ids = tensor(ModelVariants.Ids(16, config.VocabularySize, 5), [1, 16]);
        for (var length = 1; length <= 16; length++)
        {
            var alone = model.call(ids.narrow(1, 0, length), null);
            var mask = zeros([1, 16], dtype: ScalarType.Int64);
            mask.narrow(1, 0, length).fill_(1);
            var padded = model.call(ids, mask).narrow(1, 0, length);
            (alone - padded).abs().max().item<double>().ShouldBeLessThan(1e-11, $"length {length}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_sequence_of_nothing_but_padding_gives_finite_numbers_and_gradients(string name)
    {
        using var scope = NewDisposeScope();
        using var model = ModelVariants.Build(All[name]);
        var mask = zeros([2, 8], dtype: ScalarType.Int64);
        mask[1].narrow(0, 0, 3).fill_(1);
        var logits = model.call(ones([2, 8], dtype: ScalarType.Int64), mask);
        logits.square().sum().backward();

        isfinite(logits).all().item<bool>().ShouldBeTrue();
        foreach (var (parameterName, parameter) in model.named_parameters().Where(p => p.parameter.requires_grad))
        {
            isfinite(parameter.grad!).all().item<bool>().ShouldBeTrue(parameterName);
        }
    }

    // Dropout is seeded anew before each pass, so that all see the same masks: a pass that is computed anew with others shows.
    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_with_dropout_agree_with_finite_differences(string name)
    {
        using var scope = NewDisposeScope();
        var config = All[name] with { Dropout = 0.2, ProjectionDropout = 0.1, FeedForwardDropout = 0.1 };
        using var model = ModelVariants.Build(config, ScalarType.Float64);
        model.train();
        var batch = new Sample(config);

        batch.Loss(model).backward();

        const double Step = 1e-6;
        using var noGrad = no_grad();
        foreach (var (parameterName, parameter) in model.named_parameters().Where(p => p.parameter.requires_grad))
        {
            using var inner = NewDisposeScope();
            var random = CounterRandom.For(11, parameterName);
            var direction = tensor([.. Enumerable.Range(0, (int)parameter.numel()).Select(i => random.NormalAt((ulong)i))], parameter.shape);
            parameter.add_(direction, Step);
            var above = batch.Loss(model).item<double>();
            parameter.add_(direction, -2 * Step);
            var below = batch.Loss(model).item<double>();
            parameter.add_(direction, Step);
            var expected = (above - below) / (2 * Step);
            var actual = (parameter.grad! * direction).sum().item<double>();
            Math.Abs(actual - expected).ShouldBeLessThan(1e-5 * Math.Max(1, Math.Abs(expected)), parameterName);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Products_in_bfloat16_stay_near_the_exact_ones(string name)
    {
        using var scope = NewDisposeScope();
        var config = All[name] with { Dropout = 0, AttentionDropout = null, EmbeddingDropout = null, FeedForwardDropout = 0 };
        using var exact = ModelVariants.Build(config, ScalarType.Float64);
        using var model = new MaskedLanguageModel(config, new Placement(ScalarType.Float32, Precision: Precision.BFloat16));
        Initialization.Apply(exact, seed: 1);
        Initialization.Apply(model, seed: 1);
        var batch = new Sample(config);

        var expected = batch.Loss(exact);
        expected.backward();
        var actual = batch.Loss(model);
        actual.backward();

        actual.dtype.ShouldBe(ScalarType.Float32);
        ((double)actual.item<float>()).ShouldBe(expected.item<double>(), 0.01 * expected.item<double>());
        var (wanted, got) = (Gradients(exact), Gradients(model));
        ((wanted * got).sum() / (wanted.norm() * got.norm())).item<double>().ShouldBeGreaterThan(0.998);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_saved_model_comes_back_and_its_matrices_are_those_of_the_config(string name)
    {
        using var model = ModelVariants.Build(All[name]);
        ModelFolder.Save(_folder.File("model"), model);

        using var back = ModelFolder.Load(_folder.File("model"));

        back.Config.ShouldBe(model.Config);
        foreach (var (expected, actual) in model.parameters().Zip(back.parameters()))
        {
            actual.Equals(expected).ShouldBeTrue();
            actual.requires_grad.ShouldBe(expected.requires_grad);
        }

        var matrices = model.Encoder.named_parameters().Where(p => p.parameter.dim() >= 2).Sum(p => p.parameter.numel());
        ((long)model.Config.MatrixElements).ShouldBe(matrices);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Kernels_leave_it_to_the_modules(string name)
    {
        using var model = new MaskedLanguageModel(All[name]);
        using var plain = new MaskedLanguageModel(ModelVariants.Config());

        FusedLanguageModel.WhyNot(model, Precision.Float32).ShouldNotBeNull();
        FusedLanguageModel.WhyNot(plain, Precision.Float32).ShouldBeNull();
    }

    private static Tensor Gradients(MaskedLanguageModel model) =>
        cat(model.parameters().Where(p => p.requires_grad).Select(parameter => parameter.grad!.reshape(-1).to_type(ScalarType.Float64)).ToList());

    private static Dictionary<string, LinformerConfig> WithProjections()
    {
        var all = new Dictionary<string, LinformerConfig>(ModelVariants.Others);
        foreach (var kind in Enum.GetValues<ProjectionKind>())
        {
            foreach (var sharing in new[] { ProjectionSharing.None, ProjectionSharing.Headwise, ProjectionSharing.Layerwise })
            {
                all[$"{kind}, {sharing}"] = ModelVariants.Config(sharing) with { Projection = kind, ProjectedLength = 4, ProjectionBias = kind == ProjectionKind.Learned };
            }
        }

        return all;
    }

    private sealed class Sample(LinformerConfig config)
    {
        private readonly Tensor _ids = tensor(ModelVariants.Ids(22, config.VocabularySize, 1), [2, 11]);
        private readonly Tensor _mask = tensor([.. Enumerable.Range(0, 22).Select(i => i < 17 ? 1L : 0L)], [2, 11]);
        private readonly Tensor _positions = tensor(new long[] { 2, 7, 12 });
        private readonly Tensor _targets = tensor(new long[] { 5, 6, 7 });

        public Tensor Loss(MaskedLanguageModel model)
        {
            manual_seed(5);
            return nn.functional.cross_entropy(model.LogitsAt(_ids, _mask, _positions), _targets, reduction: nn.Reduction.Sum);
        }
    }
}
