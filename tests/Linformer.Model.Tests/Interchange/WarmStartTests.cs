using Linformer.Model.Interchange;
using static TorchSharp.torch;

namespace Linformer.Model.Tests.Interchange;

public class WarmStartTests
{
    private const int N = 16;

    [Fact]
    public void With_k_equal_to_n_nothing_is_lost()
    {
        using var scope = NewDisposeScope();
        using var full = Full();
        var ids = Ids(2);
        foreach (var rule in (ProjectionRule[])[ProjectionRule.MeanPool, ProjectionRule.Strided])
        {
            using var linear = WarmStart.ToLinear(full, new WarmStartOptions { ProjectedLength = N, Rule = rule });
            linear.Config.Attention.ShouldBe(AttentionKind.Linear);
            Distance(full, linear, ids).ShouldBeLessThan(1e-5);
        }
    }

    [Theory]
    [InlineData(ProjectionSharing.None)]
    [InlineData(ProjectionSharing.Headwise)]
    [InlineData(ProjectionSharing.KeyValue)]
    [InlineData(ProjectionSharing.Layerwise)]
    public void Fitting_to_samples_loses_less_than_means(ProjectionSharing sharing)
    {
        using var scope = NewDisposeScope();
        using var full = Full();
        var errors = new List<double>();
        var options = new WarmStartOptions { ProjectedLength = 4, Sharing = sharing, Rule = ProjectionRule.Fit, Samples = Ids(512), Steps = 60, Progress = (_, error) => errors.Add(error) };
        using var means = WarmStart.ToLinear(full, options with { Rule = ProjectionRule.MeanPool });
        using var fitted = WarmStart.ToLinear(full, options);
        errors.Count.ShouldBe(60);
        errors[^1].ShouldBeLessThan(errors[0]);
        var unseen = Ids(64, seed: 9);
        Distance(full, fitted, unseen).ShouldBeLessThan(Distance(full, means, unseen));
        full.named_parameters().ShouldAllBe(p => !p.name.Contains("projection"));
    }

    [Theory]
    [InlineData(Normalization.Pre)]
    [InlineData(Normalization.Post)]
    public void Layers_are_taught_with_what_they_read_in_the_Transformer(Normalization normalization)
    {
        using var scope = NewDisposeScope();
        using var full = ModelVariants.Build(ModelVariants.Config(normalization: normalization, attention: AttentionKind.Full));
        var errors = new List<double>();
        // With k = n means are the identity, so there is nothing to learn unless layers and inputs are mixed up.
        using var linear = WarmStart.ToLinear(full, new WarmStartOptions { ProjectedLength = N, Rule = ProjectionRule.Fit, Samples = Ids(8), Steps = 1, Progress = (_, error) => errors.Add(error) });
        errors.ShouldHaveSingleItem().ShouldBeLessThan(1e-9);
    }

    [Fact]
    public void Principal_rows_are_orthonormal_and_random_ones_have_their_deviation()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var full = Full();
        var options = new WarmStartOptions { ProjectedLength = 4, Sharing = ProjectionSharing.Layerwise, Samples = Ids(8) };
        using var principal = WarmStart.ToLinear(full, options with { Rule = ProjectionRule.Principal });
        var e = Projection(principal);
        (e.matmul(e.t()) - eye(4)).abs().max().item<float>().ShouldBeLessThan(1e-4f);
        using var random = WarmStart.ToLinear(full, options with { Rule = ProjectionRule.Random });
        Projection(random).square().mean().item<float>().ShouldBe(0.25f, 0.12f);
    }

    [Fact]
    public void A_longer_model_has_its_positions_between_those_that_were_there()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var full = Full();
        using var longer = WarmStart.Lengthened(full, (2 * N) - 1);
        var (before, after) = (Positions(full), Positions(longer));
        for (var i = 0; i < N; i++)
        {
            (after[2 * i] - before[i]).abs().max().item<float>().ShouldBeLessThan(1e-6f);
        }

        (after[1] - ((before[0] + before[1]) / 2)).abs().max().item<float>().ShouldBeLessThan(1e-6f);
        using var linear = WarmStart.ToLinear(full, new WarmStartOptions { ProjectedLength = 8, SequenceLength = 3 * N });
        linear.Config.SequenceLength.ShouldBe(3 * N);
    }

    [Fact]
    public void What_cannot_be_done_is_named()
    {
        using var full = Full();
        using var linear = ModelVariants.Build(ModelVariants.Config());
        Message(() => WarmStart.ToLinear(linear, new WarmStartOptions { ProjectedLength = 4 })).ShouldContain("linear attention already");
        Message(() => WarmStart.ToLinear(full, new WarmStartOptions { ProjectedLength = 4, Rule = ProjectionRule.Fit })).ShouldContain("samples");
        Message(() => WarmStart.ToLinear(full, new WarmStartOptions { ProjectedLength = N + 1 })).ShouldContain("17");
        using var samples = zeros([2, 5], dtype: ScalarType.Int64);
        Message(() => WarmStart.ToLinear(full, new WarmStartOptions { ProjectedLength = 4, Samples = samples })).ShouldContain("[2, 5]");
        Message(() => WarmStart.Lengthened(linear, 20)).ShouldContain("linear attention");
    }

    private static string Message(Action action) => Should.Throw<ModelFormatException>(action).Message;

    private static MaskedLanguageModel Full() => ModelVariants.Build(ModelVariants.Config(normalization: Normalization.Post, attention: AttentionKind.Full));

    private static Tensor Ids(int count, int seed = 3) => tensor(ModelVariants.Ids(count * N, 37, seed), [count, N]);

    private static TorchSharp.Modules.Parameter Projection(MaskedLanguageModel model) => model.named_parameters().First(p => p.name == "encoder.projection").parameter;

    private static TorchSharp.Modules.Parameter Positions(MaskedLanguageModel model) => model.named_parameters().First(p => p.name == "encoder.position.weight").parameter;

    private static double Distance(MaskedLanguageModel first, MaskedLanguageModel second, Tensor ids)
    {
        using var noGrad = no_grad();
        return (first.Encoder.call(ids, null) - second.Encoder.call(ids, null)).square().mean().sqrt().item<float>();
    }
}
