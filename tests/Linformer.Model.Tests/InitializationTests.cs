using TorchSharp;

namespace Linformer.Model.Tests;

public sealed class InitializationTests
{
    [Fact]
    public void Weights_are_normal_biases_zero_and_gains_one()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new MaskedLanguageModel(LinformerConfig.Preset("linformer-tiny", 1000));
        Initialization.Apply(model, seed: 3);
        var parameters = model.named_parameters().ToDictionary(p => p.name, p => p.parameter, StringComparer.Ordinal);

        var weights = parameters["encoder.token.weight"];
        weights.mean().item<float>().ShouldBe(0, 0.0005);
        weights.std().item<float>().ShouldBe(0.02f, 0.0005);
        (weights.abs() > 0.04).to_type(torch.ScalarType.Float64).mean().item<double>().ShouldBe(0.0455, 0.003); // two sigma
        parameters["encoder.layers.0.feed_forward.input.bias"].abs().max().item<float>().ShouldBe(0);
        parameters["head_bias"].abs().max().item<float>().ShouldBe(0);
        parameters["encoder.norm.weight"].eq(1).all().item<bool>().ShouldBeTrue();
        parameters["head_norm.weight"].eq(1).all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void Projections_average_windows_of_n_over_k_positions()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new MaskedLanguageModel(LinformerConfig.Preset("linformer-tiny", 300));
        Initialization.Apply(model, seed: 3);
        var projection = model.named_parameters().Single(p => p.name == "encoder.projection").parameter;
        for (var row = 0; row < 32; row++)
        {
            var window = projection[row].narrow(0, row * 4, 4);
            window.mean().item<float>().ShouldBe(0.5f, 0.04);
            ((projection[row].sum() - window.sum()) / 124).item<float>().ShouldBe(0, 0.01);
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits_and_another_seed_others()
    {
        using var first = new MaskedLanguageModel(ModelVariants.Config());
        using var second = new MaskedLanguageModel(ModelVariants.Config());
        Initialization.Apply(first, 1);
        Initialization.Apply(second, 1);
        Same(first, second).ShouldBeTrue();
        Initialization.Apply(second, 2);
        Same(first, second).ShouldBeFalse();

        static bool Same(MaskedLanguageModel a, MaskedLanguageModel b) =>
            a.parameters().Zip(b.parameters()).All(pair => pair.First.Equals(pair.Second));
    }
}
