using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>A model on its way to another project: its parameters, and the refusal of what that project does not have.</summary>
/// <param name="model">The model.</param>
/// <param name="description">From what it was built.</param>
/// <param name="format">The project's name, for messages.</param>
internal sealed class ExportSource(nn.Module model, ModelDescription description, string format)
{
    private readonly Dictionary<string, Tensor> _parameters = model.named_parameters().ToDictionary(p => p.name, p => (Tensor)p.parameter, StringComparer.Ordinal);

    public ModelDescription Description => description;

    public LinformerConfig Config => description.Config;

    public bool Has(string name) => _parameters.ContainsKey(name);

    /// <summary>A copy of a parameter on the CPU.</summary>
    public Tensor this[string name] => _parameters[name].detach().cpu().clone();

    /// <summary>Refuses a model without something that the other project always has, or with something that it lacks.</summary>
    public void Require(bool holds, string field, object value, string allowed)
    {
        if (!holds)
        {
            throw new ModelFormatException($"The model cannot be written for {format}: its {field} is {value}; there it is always {allowed}.");
        }
    }

    /// <summary>Refuses what only tatp22/linformer-pytorch has.</summary>
    public void RequireUsualLayers()
    {
        Require(Config.HasFeedForward, "feed_forward", "false", "true");
        Require(Config.InnerHidden is null, "inner_hidden_size", Config.InnerHidden ?? 0, "absent: all layers have one width");
        Require(Config.Causal == CausalKind.None, "causal", Config.Causal, "none");
    }

    /// <summary>Refuses biases that the other project lacks, unless they are zero.</summary>
    public void RequireNoBias(params string[] parts)
    {
        foreach (var (name, bias) in _parameters.Where(parameter => parts.Any(part => parameter.Key.EndsWith($".attention.{part}.bias", StringComparison.Ordinal))))
        {
            if (bias.ne(0).any().item<bool>())
            {
                throw new ModelFormatException($"The model cannot be written for {format}: '{name}' is not zero, and there is no such bias there. Models that are trained with attentionBias: false have none.");
            }
        }
    }

    /// <summary>E or F of a layer, [k, n] or [heads, k, n], whatever shares it.</summary>
    public Tensor Projection(int layer, bool value) => this[ProjectionName(layer, value, string.Empty)];

    /// <summary>The bias of E or F of a layer; zeros if there is none. [k], or [heads · k].</summary>
    public Tensor ProjectionBias(int layer, bool value)
    {
        var k = Config.ProjectedLengthOf(layer);
        return Config.ProjectionBias ? this[ProjectionName(layer, value, "_bias")] : zeros(Config.Sharing == ProjectionSharing.None ? k * Config.KeyValueHeads : k);
    }

    /// <summary>The positions' embeddings, learned or not, [n, embedding].</summary>
    public Tensor Positions() => Has("encoder.position.weight") ? this["encoder.position.weight"]
        : model.named_buffers().First(b => b.name == "encoder.position_waves").buffer.detach().cpu().clone();

    /// <summary>The name of a parameter of a projection.</summary>
    public string ProjectionName(int layer, bool value, string ending, string kind = "projection") => Config.Sharing switch
    {
        ProjectionSharing.Layerwise => $"encoder.{kind}{ending}",
        ProjectionSharing.KeyValue => $"encoder.layers.{layer}.{kind}{ending}",
        _ => $"encoder.layers.{layer}.{kind}_{(value ? "value" : "key")}{ending}",
    };
}
