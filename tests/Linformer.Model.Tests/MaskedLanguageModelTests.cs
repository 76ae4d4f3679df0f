using Linformer.Model.Layers;
using TorchSharp;

namespace Linformer.Model.Tests;

public sealed class MaskedLanguageModelTests
{
    public static TheoryData<ProjectionSharing, AttentionKind> Kinds()
    {
        var data = new TheoryData<ProjectionSharing, AttentionKind>();
        foreach (var sharing in Enum.GetValues<ProjectionSharing>())
        {
            data.Add(sharing, AttentionKind.Linear);
        }

        data.Add(ProjectionSharing.Layerwise, AttentionKind.Full);
        return data;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Gradients_agree_with_finite_differences(ProjectionSharing sharing, AttentionKind attention)
    {
        using var scope = torch.NewDisposeScope();
        var config = ModelVariants.Config(sharing, attention: attention);
        using var model = ModelVariants.Build(config, torch.ScalarType.Float64);
        var ids = torch.tensor(ModelVariants.Ids(22, config.VocabularySize, 1), [2, 11]);
        var mask = torch.ones([2, 11], dtype: torch.ScalarType.Int64);
        mask[1].narrow(0, 6, 5).zero_();
        var positions = torch.tensor(new long[] { 2, 7, 12 });
        var targets = torch.tensor(new long[] { 5, 6, 7 });
        torch.Tensor Loss() => torch.nn.functional.cross_entropy(
            model.LogitsAt(ids, mask, positions), targets, reduction: torch.nn.Reduction.Sum);

        Loss().backward();

        const double Step = 1e-5;
        using var noGrad = torch.no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            // Along one random direction per parameter: a wrong gradient of any element shows in it.
            var direction = torch.tensor(
                [.. Enumerable.Range(0, (int)parameter.numel()).Select(i => CounterRandom.For(11, name).NormalAt((ulong)i))], parameter.shape);
            parameter.add_(direction, Step);
            var above = Loss().item<double>();
            parameter.add_(direction, -2 * Step);
            var below = Loss().item<double>();
            parameter.add_(direction, Step);
            var expected = (above - below) / (2 * Step);
            var actual = (parameter.grad! * direction).sum().item<double>();
            Math.Abs(actual - expected).ShouldBeLessThan(1e-6 * Math.Max(1, Math.Abs(expected)), name);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Products_in_bfloat16_leave_parameters_gradients_and_loss_in_float32_near_the_exact_ones(ProjectionSharing sharing, AttentionKind attention)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var normalization in Enum.GetValues<Normalization>())
        {
            var config = ModelVariants.Config(sharing, normalization, attention) with { Dropout = 0 };
            using var exact = ModelVariants.Build(config, torch.ScalarType.Float64);
            using var model = new MaskedLanguageModel(config, new Placement(torch.ScalarType.Float32, Precision: Precision.BFloat16));
            Initialization.Apply(exact, seed: 1);
            Initialization.Apply(model, seed: 1);
            var ids = torch.tensor(ModelVariants.Ids(22, config.VocabularySize, 1), [2, 11]);
            var mask = torch.ones([2, 11], dtype: torch.ScalarType.Int64);
            mask[1].narrow(0, 6, 5).zero_();
            var positions = torch.tensor(new long[] { 2, 7, 12 });
            var targets = torch.tensor(new long[] { 5, 6, 7 });
            torch.Tensor Loss(MaskedLanguageModel of) => torch.nn.functional.cross_entropy(of.LogitsAt(ids, mask, positions), targets, reduction: torch.nn.Reduction.Sum);

            var expected = Loss(exact);
            expected.backward();
            var actual = Loss(model);
            actual.backward();

            actual.dtype.ShouldBe(torch.ScalarType.Float32);
            ((double)actual.item<float>()).ShouldBe(expected.item<double>(), 0.01 * expected.item<double>());
            actual.item<float>().ShouldNotBe((float)expected.item<double>());
            var wanted = torch.cat(exact.parameters().Select(parameter => parameter.grad!.reshape(-1)).ToList());
            var got = torch.cat(model.parameters().Select(parameter => parameter.grad!.reshape(-1)).ToList());
            got.dtype.ShouldBe(torch.ScalarType.Float32);
            got = got.to_type(torch.ScalarType.Float64);
            ((wanted * got).sum() / (wanted.norm() * got.norm())).item<double>().ShouldBeGreaterThan(0.999);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_padded_sequence_gives_what_it_gives_alone(ProjectionSharing sharing, AttentionKind attention)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var config = ModelVariants.Config(sharing, attention: attention);
        using var model = ModelVariants.Build(config, torch.ScalarType.Float64);
        var ids = torch.tensor(ModelVariants.Ids(16, config.VocabularySize, 5), [1, 16]);
        for (var length = 1; length <= 16; length++)
        {
            var alone = model.call(ids.narrow(1, 0, length), null);
            var mask = torch.zeros([1, 16], dtype: torch.ScalarType.Int64);
            mask.narrow(1, 0, length).fill_(1);
            var padded = model.call(ids, mask).narrow(1, 0, length);
            (alone - padded).abs().max().item<double>().ShouldBeLessThan(1e-12);
        }
    }

    [Fact]
    public void What_stands_under_padding_changes_nothing()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var config = ModelVariants.Config();
        using var model = ModelVariants.Build(config);
        var ids = torch.tensor(ModelVariants.Ids(16, config.VocabularySize, 5), [1, 16]);
        var mask = torch.ones([1, 16], dtype: torch.ScalarType.Int64);
        mask.narrow(1, 9, 7).zero_();
        var first = model.call(ids, mask).narrow(1, 0, 9);
        ids.narrow(1, 9, 7).fill_(1);
        var second = model.call(ids, mask).narrow(1, 0, 9);
        first.Equals(second).ShouldBeTrue();
    }

    [Fact]
    public void A_sequence_of_nothing_but_padding_gives_finite_numbers()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var attention in Enum.GetValues<AttentionKind>())
        {
            using var model = ModelVariants.Build(ModelVariants.Config(attention: attention));
            var logits = model.call(torch.ones([2, 8], dtype: torch.ScalarType.Int64), torch.zeros([2, 8], dtype: torch.ScalarType.Int64));
            torch.isfinite(logits).all().item<bool>().ShouldBeTrue();
        }
    }

    [Theory]
    [InlineData(ProjectionSharing.None, 2 * 2 * 3 * 5 * 16)]
    [InlineData(ProjectionSharing.Headwise, 2 * 2 * 5 * 16)]
    [InlineData(ProjectionSharing.KeyValue, 2 * 5 * 16)]
    [InlineData(ProjectionSharing.Layerwise, 5 * 16)]
    public void Sharing_leaves_as_many_projections_as_the_paper_says(ProjectionSharing sharing, long expected)
    {
        using var model = new MaskedLanguageModel(ModelVariants.Config(sharing));
        model.named_parameters().Where(p => p.name.Contains("projection", StringComparison.Ordinal))
            .Sum(p => p.parameter.numel()).ShouldBe(expected);
    }

    [Fact]
    public void Base_has_the_size_of_RoBERTa_base_and_one_shared_projection()
    {
        using var model = new MaskedLanguageModel(LinformerConfig.Preset("linformer-base", 50265));
        const long Block = (4 * ((768 * 768) + 768)) + (2 * 768 * 3072) + 3072 + 768 + (4 * 768);
        const long Head = (768 * 768) + 768 + (2 * 768) + 50265;
        var expected = (50265 * 768L) + (512 * 768) + (2 * 768) + (12 * Block) + Head + (128 * 512);
        model.parameters().Sum(p => p.numel()).ShouldBe(expected);
    }

    [Theory]
    [InlineData(new long[] { 2, 17 }, "[2, 17]")]
    [InlineData(new long[] { 4 }, "[4]")]
    [InlineData(new long[] { 2, 0 }, "[2, 0]")]
    public void Shapes_that_do_not_fit_are_named(long[] shape, string shown)
    {
        using var model = new MaskedLanguageModel(ModelVariants.Config());
        using var ids = torch.zeros(shape, dtype: torch.ScalarType.Int64);
        Should.Throw<ArgumentException>(() => model.call(ids, null)).Message.ShouldContain(shown);
    }

    [Fact]
    public void A_mask_of_another_shape_and_ids_of_another_type_are_named()
    {
        using var model = new MaskedLanguageModel(ModelVariants.Config());
        using var ids = torch.zeros([2, 8], dtype: torch.ScalarType.Int64);
        using var mask = torch.ones([2, 7], dtype: torch.ScalarType.Int64);
        using var floats = torch.zeros([2, 8]);
        Should.Throw<ArgumentException>(() => model.call(ids, mask)).Message.ShouldContain("[2, 7]");
        Should.Throw<ArgumentException>(() => model.call(floats, null)).Message.ShouldContain("Float32");
    }

    [Fact]
    public void Configurations_that_cannot_be_built_name_field_value_and_limit()
    {
        var config = ModelVariants.Config();
        Message(config with { ProjectedLength = 17 }).ShouldContain("17");
        Message(config with { Heads = 5 }).ShouldContain("multiple of Heads, which is 5");
        Message(config with { Dropout = 1 }).ShouldContain("Dropout is 1");
        Message(config with { Layers = 0 }).ShouldContain("Layers is 0");

        static string Message(LinformerConfig config) => Should.Throw<ArgumentException>(() => new MaskedLanguageModel(config)).Message;
    }
}
