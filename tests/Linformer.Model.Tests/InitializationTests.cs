using Linformer.Model.Classification;
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

    // A window has length 1 at any n; 0.45 is the noise's at n = 512.
    [Theory]
    [InlineData(512)]
    [InlineData(4096)]
    public void The_noise_of_a_projection_is_as_long_at_any_n(int length)
    {
        using var scope = torch.NewDisposeScope();
        using var model = new MaskedLanguageModel(LinformerConfig.Preset("linformer-tiny", 300) with { SequenceLength = length });
        Initialization.Apply(model, seed: 3);
        var projection = model.named_parameters().Single(p => p.name == "encoder.projection").parameter;
        for (var row = 0; row < 32; row++)
        {
            var width = length / 32;
            var noise = projection[row].clone();
            noise.narrow(0, row * width, width).sub_(1 / Math.Sqrt(width));

            noise.norm().item<float>().ShouldBe(0.4525f, 0.05);
        }
    }

    [Fact]
    public void Weights_that_begin_by_their_inputs_pass_on_what_they_are_given_at_its_size()
    {
        using var scope = torch.NewDisposeScope();
        var config = LinformerConfig.Preset("linformer-tiny", 300);
        using var model = new ClassificationModel(config, new ClassificationHead { Classes = ["a", "b"] });
        Initialization.Apply(model, seed: 3, InitialScale.FanIn);
        var parameters = model.named_parameters().ToDictionary(p => p.name, p => p.parameter, StringComparer.Ordinal);

        Deviation("encoder.token.weight").ShouldBe(1, 0.02);
        Deviation("encoder.position.weight").ShouldBe(0.02, 0.001);
        Deviation("encoder.layers.0.attention.query.weight").ShouldBe(1 / Math.Sqrt(128), 0.002);
        Deviation("encoder.layers.1.feed_forward.output.weight").ShouldBe(1 / Math.Sqrt(512), 0.001);
        Deviation("classifier_dense.weight").ShouldBe(1 / Math.Sqrt(128), 0.002);
        parameters["encoder.layers.0.attention.query.bias"].abs().max().item<float>().ShouldBe(0);
        parameters["encoder.norm.weight"].eq(1).all().item<bool>().ShouldBeTrue();
        using var other = new ClassificationModel(config, new ClassificationHead { Classes = ["a", "b"] });
        Initialization.Apply(other, seed: 3);
        parameters["encoder.projection"].Equals(other.named_parameters().Single(p => p.name == "encoder.projection").parameter).ShouldBeTrue();

        double Deviation(string name) => parameters[name].std().item<float>();
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
