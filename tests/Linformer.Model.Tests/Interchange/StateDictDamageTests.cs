using System.Text.Json.Nodes;
using Linformer.Model.Interchange;
using static TorchSharp.torch;

namespace Linformer.Model.Tests.Interchange;

/// <summary>State dicts that are whole files with tensors of other shapes or names than they should have, and options that do not fit.</summary>
public sealed class StateDictDamageTests : IDisposable
{
    private static readonly string[] OptionNames = ["heads", "dim_head", "input_size", "ff_intermediate", "encoder_attention_heads", "method", "parameter_sharing", "dropout", "causal", "include_ff", "shared_layer_kv_compressed"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("lucidrains")]
    [InlineData("tatp22")]
    [InlineData("fairseq")]
    public void They_are_read_or_refused(string format)
    {
        using var model = ModelVariants.Build(Config(format));
        using var exported = ModelFormats.Export(format, model);
        var refused = 0;
        for (var seed = 0; seed < 150; seed++)
        {
            using var scope = NewDisposeScope();
            var random = new Random(seed);
            var tensors = exported.Tensors.Select(t => (t.Name, Tensor: t.Tensor)).ToList();
            for (var changes = random.Next(1, 3); changes > 0; changes--)
            {
                Damage(tensors, random);
            }

            Weights.Write(_folder.File("damaged.safetensors"), tensors.DistinctBy(t => t.Name));
            refused += IsRefused(format, Options(exported.Options, random)) ? 1 : 0;
        }

        refused.ShouldBeInRange(50, 150);
    }

    [Fact]
    public void A_length_that_has_no_window_is_named()
    {
        var config = Config("tatp22") with { Projection = ProjectionKind.Convolution, ProjectedLength = 4, ProjectionBias = false };
        using var model = ModelVariants.Build(config);
        using var exported = ModelFormats.Export("tatp22", model);
        exported.Write(_folder.File("a.pt"));

        Should.Throw<ModelFormatException>(() => ModelFormats.Import("tatp22", _folder.File("a.pt"), new JsonObject { ["input_size"] = 3 })).Message.ShouldContain("ProjectedLength is 0");
    }

    private bool IsRefused(string format, JsonObject options)
    {
        try
        {
            using var imported = ModelFormats.Import(format, _folder.File("damaged.safetensors"), options);
            using var model = imported.Build();
            return false;
        }
        catch (ModelFormatException)
        {
            return true;
        }
    }

    private static void Damage(List<(string Name, Tensor Tensor)> tensors, Random random)
    {
        var at = random.Next(tensors.Count);
        var (name, tensor) = tensors[at];
        switch (random.Next(4))
        {
            case 0:
                tensors.RemoveAt(at);
                break;
            case 1:
                tensors[at] = (tensors[random.Next(tensors.Count)].Name, tensor);
                break;
            case 2:
                tensors[at] = (name, zeros([.. Enumerable.Range(0, random.Next(4)).Select(_ => (long)random.Next(0, 20))]));
                break;
            default:
                tensors[at] = (name.Replace("0", $"{random.Next(12)}", StringComparison.Ordinal), tensor);
                break;
        }
    }

    private static JsonObject Options(JsonObject given, Random random)
    {
        var options = (JsonObject)given.DeepClone();
        if (random.Next(2) == 0)
        {
            JsonNode[] values = [0, -1, 3, int.MaxValue, 0.5, 1e300, true, "convolution", new JsonArray()];
            options[OptionNames[random.Next(OptionNames.Length)]] = values[random.Next(values.Length)];
        }

        // tatp22 and lucidrains refuse what they do not know, which is not what is asked here.
        return new JsonObject(options.Where(option => given.ContainsKey(option.Key)).Select(option => KeyValuePair.Create(option.Key, option.Value?.DeepClone())));
    }

    private static LinformerConfig Config(string format)
    {
        var config = ModelVariants.Config(ProjectionSharing.Headwise) with { AttentionBias = false, Hidden = 12, FeedForward = 48 };
        return format switch
        {
            "fairseq" => config with { Normalization = Normalization.Post },
            "lucidrains" => config with { OuterNorm = false, Head = HeadKind.Linear },
            _ => config with
            {
                OuterNorm = false,
                Head = HeadKind.Linear,
                Normalization = Normalization.Post,
                Positions = PositionKind.Sinusoidal,
                PositionBase = 100_000,
                ProjectionBias = true,
            },
        };
    }
}
