using Linformer.Model.SafeTensors;
using static TorchSharp.torch;

namespace Linformer.Model.Tests.Variants;

public sealed class ProjectionResizeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Kinds() => ["None", "Headwise", "KeyValue", "Layerwise", "Convolution", "Fixed", "MaxPool"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_longer_projection_is_interpolated_and_keeps_the_sums_of_its_rows()
    {
        using var scope = NewDisposeScope();
        foreach (var length in new[] { 10L, 12, 37, 4096 })
        {
            double[] row = [0, 0, 2, 4, 0, 0, -3, 0, 0, 0];
            var resized = ProjectionResize.Projection(tensor(row, [1, 10]), length);

            resized.shape.ShouldBe([1, length]);
            for (var i = 0; i < length; i += (int)Math.Max(1, length / 37))
            {
                resized[0, i].item<double>().ShouldBe(Interpolated(row, length, i) * 10 / length, 1e-12);
            }
        }

        // Twice as long, a window of ones stays one of halves: its neighbours share its edges.
        var window = zeros([3, 12], dtype: ScalarType.Float64);
        window.narrow(1, 4, 4).fill_(1);
        ProjectionResize.Projection(window, 24).sum(1, keepdim: false).sub(4).abs().max().item<double>().ShouldBeLessThan(1e-12);
    }

    [Fact]
    public void Positions_are_interpolated_as_they_are()
    {
        using var scope = NewDisposeScope();
        double[] values = [1, 5, -2];
        var resized = ProjectionResize.Positions(tensor(values, [3, 1]), 7);

        for (var i = 0; i < 7; i++)
        {
            resized[i, 0].item<double>().ShouldBe(Interpolated(values, 7, i), 1e-12);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_model_goes_on_at_another_length(string kind)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var config = Config(kind);
        using var model = ModelVariants.Build(config);
        ModelFolder.Save(_folder.File("model"), model);
        var ids = tensor(ModelVariants.Ids(16, config.VocabularySize, 5), [2, 8]);

        foreach (var length in new[] { 8, 16, 48 })
        {
            using var other = ModelVariants.Build(config with { SequenceLength = length });
            var resized = ModelFolder.LoadResizedWeightsFile(_folder.File("model/model.safetensors"), other);

            resized.Count.ShouldBe(length == 16 ? 0 : other.named_parameters().Count(p => !p.parameter.shape.SequenceEqual(model.get_parameter(p.name)!.shape)));
            (resized.Count > 0).ShouldBe(length != 16);
            other.get_parameter("head_bias")!.Equals(model.get_parameter("head_bias")!).ShouldBeTrue();
            if (length <= 16 && kind is not ("Convolution" or "MaxPool"))
            {
                other.call(ids, null).Equals(model.call(ids, null)).ShouldBeTrue("a shorter n is the same function");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_a_projection_makes_of_a_constant_sequence_stays(string kind)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var config = Config(kind) with { Positions = PositionKind.Sinusoidal };
        using var model = ModelVariants.Build(config);
        using var longer = ModelVariants.Build(config with { SequenceLength = 64 });
        ModelFolder.Save(_folder.File("model"), model);

        var resized = ModelFolder.LoadResizedWeightsFile(_folder.File("model/model.safetensors"), longer);

        resized.Count.ShouldBe(kind switch { "MaxPool" => 0, "None" or "Headwise" => 4, "KeyValue" => 2, _ => 1 });
        foreach (var one in resized)
        {
            (one.From[^1], one.To[^1]).ShouldBe(kind == "Convolution" ? (4, 16) : (16, 64));
            var difference = longer.get_parameter(one.Name)!.sum(-1, keepdim: false) - model.get_parameter(one.Name)!.sum(-1, keepdim: false);
            difference.abs().max().item<float>().ShouldBeLessThan(1e-5f, one.ToString());
        }
    }

    [Fact]
    public void Another_k_is_refused()
    {
        using var model = ModelVariants.Build(ModelVariants.Config());
        using var other = ModelVariants.Build(ModelVariants.Config() with { SequenceLength = 32, ProjectedLength = 6 });
        ModelFolder.Save(_folder.File("model"), model);

        Should.Throw<ModelFormatException>(() => ModelFolder.LoadResizedWeightsFile(_folder.File("model/model.safetensors"), other)).Message
            .ShouldContain("tensor 'encoder.projection' projects to k = 5, and the model to 6; n may change when a model is taken on, k may not");
    }

    [Fact]
    public void What_differs_in_more_than_n_is_refused()
    {
        using var model = ModelVariants.Build(ModelVariants.Config());
        using var other = ModelVariants.Build(ModelVariants.Config() with { SequenceLength = 32, Hidden = 27 });
        ModelFolder.Save(_folder.File("model"), model);

        Should.Throw<ModelFormatException>(() => ModelFolder.LoadResizedWeightsFile(_folder.File("model/model.safetensors"), other)).Message.ShouldContain("is expected");
        using var file = SafeTensorsFile.Open(_folder.File("model/model.safetensors"));
        using var strange = zeros(3, 4);
        Should.Throw<ModelFormatException>(() => ProjectionResize.ReadInto(file, "encoder.projection", strange)).Message.ShouldContain("k = 5");
    }

    private static LinformerConfig Config(string kind) => kind switch
    {
        "Convolution" => ModelVariants.Config() with { Projection = ProjectionKind.Convolution, ProjectedLength = 4 },
        "Fixed" => ModelVariants.Config() with { Projection = ProjectionKind.Fixed },
        "MaxPool" => ModelVariants.Config() with { Projection = ProjectionKind.MaxPool, ProjectedLength = 4 },
        _ => ModelVariants.Config(Enum.Parse<ProjectionSharing>(kind)),
    };

    // By the middles of cells of width before / length.
    private static double Interpolated(double[] values, long length, long i)
    {
        var place = Math.Clamp(((i + 0.5) * values.Length / length) - 0.5, 0, values.Length - 1);
        var low = (int)place;
        var high = Math.Min(low + 1, values.Length - 1);
        return values[low] + ((place - low) * (values[high] - values[low]));
    }
}
