using TorchSharp;
using static TorchSharp.torch;

namespace Linformer.Model.Tests.Variants;

/// <summary>Dropout at each place, checkpointing, first values, and configurations that cannot be built.</summary>
public sealed class VariantSettingsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<Checkpointing> Checkpoints() => new(Checkpointing.Layer, Checkpointing.Head);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("dropout")]
    [InlineData("attention")]
    [InlineData("embedding")]
    [InlineData("feed-forward")]
    [InlineData("projection")]
    public void Dropout_at_one_place_is_a_function_of_the_seed_and_of_training_alone(string place)
    {
        var none = ModelVariants.Config() with { Dropout = 0 };
        var config = place switch
        {
            "dropout" => none with { Dropout = 0.3, AttentionDropout = 0, EmbeddingDropout = 0 },
            "attention" => none with { AttentionDropout = 0.3 },
            "embedding" => none with { EmbeddingDropout = 0.3 },
            "feed-forward" => none with { FeedForwardDropout = 0.3 },
            _ => none with { ProjectionDropout = 0.3 },
        };
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var model = ModelVariants.Build(config);
        using var without = ModelVariants.Build(none);
        var ids = tensor(ModelVariants.Ids(32, config.VocabularySize, 5), [2, 16]);
        Tensor Logits(long seed)
        {
            manual_seed(seed);
            return model.call(ids, null);
        }

        Logits(1).Equals(without.call(ids, null)).ShouldBeTrue("when the model does not train");
        model.train();
        Logits(1).Equals(Logits(1)).ShouldBeTrue();
        Logits(1).Equals(Logits(2)).ShouldBeFalse();
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void What_is_computed_anew_is_the_same_and_leaves_the_generator_where_it_was(Checkpointing checkpointing)
    {
        using var scope = NewDisposeScope();
        var config = ModelVariants.Config(ProjectionSharing.Headwise) with { Dropout = 0.3, AttentionDropout = checkpointing == Checkpointing.Head ? 0 : 0.3 };
        using var kept = ModelVariants.Build(config);
        using var anew = ModelVariants.Build(config with { Checkpointing = checkpointing });

        var (expected, after) = Run(kept);
        var (actual, afterAnew) = Run(anew);

        // By layers to the bit; by heads, sums are made in another order.
        var tolerance = checkpointing == Checkpointing.Layer ? 0 : 1e-5f;
        (actual - expected).abs().item<float>().ShouldBeLessThanOrEqualTo(tolerance * expected.item<float>());
        afterAnew.Equals(after).ShouldBeTrue();
        foreach (var (name, parameter) in kept.named_parameters())
        {
            var gradient = anew.get_parameter(name)!.grad!;
            (gradient - parameter.grad!).abs().max().item<float>().ShouldBeLessThanOrEqualTo(tolerance * Math.Max(1, parameter.grad!.abs().max().item<float>()), name);
        }

        static (Tensor Loss, Tensor State) Run(MaskedLanguageModel model)
        {
            model.train();
            manual_seed(9);
            var loss = model.call(tensor(ModelVariants.Ids(32, 37, 5), [2, 16]), null).square().mean();
            loss.backward();
            return (loss, get_rng_state());
        }
    }

    [Fact]
    public void Gradients_add_up_over_passes_through_what_is_computed_anew()
    {
        using var scope = NewDisposeScope();
        var ids = tensor(ModelVariants.Ids(32, 37, 5), [2, 16]);
        foreach (var config in new[] { ModelVariants.Config() with { Checkpointing = Checkpointing.Layer }, ModelVariants.Config() with { Reversible = true } })
        {
            using var once = ModelVariants.Build(config, ScalarType.Float64);
            using var twice = ModelVariants.Build(config, ScalarType.Float64);
            once.call(ids, null).square().mean().backward();
            twice.call(ids, null).square().mean().backward();
            twice.call(ids, null).square().mean().backward();

            foreach (var (name, parameter) in once.named_parameters())
            {
                (twice.get_parameter(name)!.grad! - (parameter.grad! * 2)).abs().max().item<double>().ShouldBeLessThan(1e-12, name);
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Outside_of_a_dispose_scope_a_backward_pass_leaves_nothing_to_the_collector_whatever_the_number_of_layers(bool reversible)
    {
        var config = ModelVariants.Config() with { Layers = 8, Reversible = reversible, Checkpointing = reversible ? Checkpointing.None : Checkpointing.Layer };
        using var model = ModelVariants.Build(config);
        using var ids = tensor(ModelVariants.Ids(32, config.VocabularySize, 5), [2, 16]);
        using var loss = model.call(ids, null).sum();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;

        loss.backward();

        // What is on its way into the graph is freed by the next pass.
        (DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount - before).ShouldBeLessThanOrEqualTo(1);
    }

    [Fact]
    public void Fixed_projections_are_normal_of_variance_1_over_k_and_convolutions_average_windows()
    {
        using var scope = NewDisposeScope();
        var config = LinformerConfig.Preset("linformer-tiny", 300);
        using var chance = new MaskedLanguageModel(config with { Projection = ProjectionKind.Fixed });
        using var windows = new MaskedLanguageModel(config with { Projection = ProjectionKind.Convolution });
        Initialization.Apply(chance, seed: 3);
        Initialization.Apply(windows, seed: 3);

        var values = chance.get_parameter("encoder.fixed_projection")!;
        values.shape.ShouldBe([32, 128]);
        values.mean().item<float>().ShouldBe(0, 0.01);
        values.square().mean().item<float>().ShouldBe(1 / 32f, 0.002);
        var kernel = windows.get_parameter("encoder.convolution")!;
        kernel.shape.ShouldBe([32, 32, 4]);
        var diagonal = kernel.diagonal(0, 0, 1); // [window, channel]
        diagonal.mean().item<float>().ShouldBe(0.5f, 0.01);
        ((kernel.sum() - diagonal.sum()) / (32 * 31 * 4)).item<float>().ShouldBe(0, 0.002);
        windows.get_parameter("encoder.convolution_bias")!.abs().max().item<float>().ShouldBe(0);
    }

    [Fact]
    public void A_file_without_the_fields_of_variants_is_the_plain_model_and_the_plain_model_is_written_without_them()
    {
        const string Fields = """
              "vocab_size": 37,
              "num_hidden_layers": 2,
              "num_attention_heads": 3,
              "hidden_size": 24,
              "intermediate_size": 40,
              "max_position_embeddings": 16,
              "projected_length": 5,
              "sharing": "layerwise",
              "attention": "linear",
              "normalization": "pre",
              "hidden_dropout_prob": 0.1,
              "layer_norm_eps": 1E-05
            }
            """;

        Written(ModelVariants.Config()).TrimEnd().ShouldEndWith(Fields);
        ConfigFile.Read("{ \"model_type\": \"linformer\"," + Fields, "config.json").Config.ShouldBe(ModelVariants.Config());
    }

    [Theory]
    [InlineData("\"gated\": 1", "gated is 1; true or false is expected")]
    [InlineData("\"projection\": \"conv\"", "projection is 'conv'; allowed are learned, convolution, mean-pool, max-pool, fixed")]
    [InlineData("\"projected_lengths\": 4", "projected_lengths is 4; a list of whole numbers is expected")]
    [InlineData("\"projected_lengths\": [4, 1.5]", "projected_lengths is [4,1.5]; a list of whole numbers is expected")]
    [InlineData("\"projected_lengths\": [4]", "ProjectedLengths has 1 elements; it must have one for each of the layers, of which there are 2")]
    [InlineData("\"intermediate_sizes\": [4, 0]", "FeedForwards is [4, 0]; each element must be at least 1")]
    [InlineData("\"num_key_value_heads\": 2", "KeyValueHeads is 2; it must be 1, or Heads, which is 3")]
    [InlineData("\"head_dim\": 2147483647", "it must be at most 2147483647")]
    [InlineData("\"embedding_size\": 0", "Embedding is 0; it must be at least 1")]
    [InlineData("\"inner_hidden_size\": 0", "InnerHidden is 0; it must be at least 1")]
    [InlineData("\"inner_hidden_size\": 8, \"feed_forward\": false", "InnerHidden is 8; feed-forward layers lead to it and back")]
    [InlineData("\"feed_forward\": 1", "feed_forward is 1; true or false is expected")]
    [InlineData("\"attention_probs_dropout_prob\": 1", "AttentionDropout is 1; it must be at least 0 and below 1")]
    [InlineData("\"position_base\": \"10\"", "position_base is \"10\"; a number is expected")]
    public void A_bad_field_of_a_variant_is_named(string field, string expected)
    {
        var json = Written(ModelVariants.Config()).Replace("{", "{" + field + ",", StringComparison.Ordinal);

        var message = Should.Throw<ModelFormatException>(() => ConfigFile.Read(json, "there/config.json")).Message;

        message.ShouldStartWith("there/config.json");
        message.ShouldContain(expected);
    }

    [Fact]
    public void What_does_not_fit_together_is_named()
    {
        var config = ModelVariants.Config();
        Message(config with { ProjectedLengths = [4, 5] }).ShouldContain("ProjectedLengths[1] is 5, and ProjectedLengths[0] is 4; with Sharing layerwise");
        Message(config with { ProjectedLengths = [4, 17], Sharing = ProjectionSharing.None }).ShouldContain("ProjectedLengths[1] (k) is 17; it must be at most SequenceLength");
        Message(config with { Projection = ProjectionKind.MeanPool }).ShouldContain("ProjectedLength (k) is 5; with windows of n/k positions it must divide SequenceLength (n), which is 16");
        Message(config with { ProjectionBias = true, Projection = ProjectionKind.Fixed }).ShouldContain("ProjectionBias is true; only a learned projection has one");
        Message(config with { Positions = PositionKind.Sinusoidal, Embedding = 5 }).ShouldContain("must be even with sinusoidal positions");
        Message(config with { Reversible = true, Normalization = Normalization.Post }).ShouldContain("Reversible is true; it takes Normalization pre");
        Message(config with { Reversible = true, Checkpointing = Checkpointing.Layer }).ShouldContain("Checkpointing is Layer");
        Message(config with { Reversible = true, InnerHidden = 8 }).ShouldContain("Reversible is true; it takes feed-forward layers");
        Message(config with { Projection = (ProjectionKind)9 }).ShouldContain("Projection is 9");
        (config with { ProjectedLengths = [4, 8], Projection = ProjectionKind.MaxPool }).Validate();

        static string Message(LinformerConfig config) => Should.Throw<ArgumentException>(() => new MaskedLanguageModel(config)).Message;
    }

    private static string Written(LinformerConfig config) => ConfigFile.Write(new ModelDescription(ModelKind.MaskedLanguage, config));
}
