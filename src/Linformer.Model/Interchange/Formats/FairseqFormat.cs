using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange.Formats;

/// <summary>
/// <c>linformer_roberta</c> of fairseq's examples/linformer. There the biases of keys and values are added behind the projections: that of
/// keys adds the same to every score of a query, so it changes nothing and is left out; that of values comes through the weights, which sum to 1,
/// as it is, so it is folded into the bias behind it.
/// </summary>
internal sealed class FairseqFormat : IModelFormat
{
    private const int Offset = 2;
    private const string Encoder = "encoder.sentence_encoder.";
    private const string Head = "encoder.lm_head.";

    public string Name => "fairseq";

    public bool LooksLike(StateDict state) => state.Contains(Encoder + "embed_tokens.weight") && state.Names.Any(name => name.Contains(".compress_k.", StringComparison.Ordinal));

    public ImportedModel Import(SourceTensors tensors, FormatOptions options)
    {
        CheckOptions(options);
        var config = Config(tensors, options);
        config.Validate();
        var parameters = new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            ["encoder.token.weight"] = tensors.Take(Encoder + "embed_tokens.weight", config.VocabularySize, config.Hidden),
        };
        using (var positions = tensors.Take(Encoder + "embed_positions.weight", config.SequenceLength + Offset, config.Hidden))
        {
            parameters["encoder.position.weight"] = positions.narrow(0, Offset, config.SequenceLength).clone();
        }

        if (config.OuterNorm)
        {
            Both(OuterNorm(tensors)!, "encoder.norm", config.Hidden);
        }

        for (var layer = 0; layer < config.Layers; layer++)
        {
            TakeLayer(tensors, config, layer, parameters);
        }

        var notes = new List<string> { "fairseq leaves padding in the sums of E and F; here it is zeroed, so outputs are the same for sequences without padding." };
        if (tensors.Has(Head + "dense.weight"))
        {
            Both(Head + "dense", "head_dense", config.Hidden, config.Hidden);
            Both(Head + "layer_norm", "head_norm", config.Hidden);
            parameters["head_bias"] = tensors.Take(Head + "bias", config.VocabularySize);
            if (tensors.Has(Head + "weight") && !tensors.AreSame(Head + "weight", Encoder + "embed_tokens.weight"))
            {
                throw new ModelFormatException($"{tensors.Path}: '{Head}weight' is not the matrix of the tokens' embeddings; a head of its own behind a dense layer is not supported.");
            }
        }
        else
        {
            notes.Add("The file has no head for masked words; a new one was drawn at random, and has to be trained.");
        }

        tensors.LeaveOut(name => name is Head + "weight" || name.EndsWith("version", StringComparison.Ordinal)
            || name.Contains("compress_", StringComparison.Ordinal) && name.EndsWith(".bias", StringComparison.Ordinal)
            || name.Contains("shared_compress_layer", StringComparison.Ordinal) || name.Contains(".compress_layer.", StringComparison.Ordinal));
        if (tensors.LeaveOut(name => name.Contains("classification_heads.", StringComparison.Ordinal)) is { Count: > 0 } heads)
        {
            notes.Add($"Left out, since a masked language model has no place for them: {string.Join(", ", heads)}.");
        }

        tensors.CheckAllUsed(Name);
        return new ImportedModel(new ModelDescription(ModelKind.MaskedLanguage, config), parameters, notes);

        void Both(string there, string here, params long[] shape)
        {
            parameters[here + ".weight"] = tensors.Take(there + ".weight", shape);
            parameters[here + ".bias"] = tensors.Take(there + ".bias", shape[0]);
        }
    }

    public ExportedModel Export(ExportSource model)
    {
        CheckExport(model);
        var config = model.Config;
        var tensors = new List<(string, Tensor)> { ("encoder.version", tensor(2L)) };
        Add("version", tensor(new float[] { 3 }));
        Add("embed_tokens.weight", model["encoder.token.weight"]);
        Add("embed_positions.weight", cat([zeros(Offset, config.Hidden), model.Positions()], 0));
        if (config.OuterNorm)
        {
            var norm = config.Normalization == Normalization.Pre ? "layer_norm" : "layernorm_embedding";
            Add(norm + ".weight", model["encoder.norm.weight"]);
            Add(norm + ".bias", model["encoder.norm.bias"]);
        }

        if (config.Sharing == ProjectionSharing.Layerwise)
        {
            Compress("compress_layer", 0, value: false);
        }

        for (var layer = 0; layer < config.Layers; layer++)
        {
            AddLayer(layer);
        }

        tensors.Add((Head + "weight", model["encoder.token.weight"]));
        tensors.Add((Head + "bias", model["head_bias"]));
        foreach (var ending in (string[])[".weight", ".bias"])
        {
            tensors.Add((Head + "dense" + ending, model["head_dense" + ending]));
            tensors.Add((Head + "layer_norm" + ending, model["head_norm" + ending]));
        }

        return new ExportedModel(tensors, Arguments(config));

        void Add(string name, Tensor value) => tensors.Add((Encoder + name, value));

        void Compress(string name, int layer, bool value)
        {
            Add(name + ".weight", model.Projection(layer, value));
            if (config.Sharing == ProjectionSharing.Layerwise)
            {
                // Its layer has a bias, which nothing reads.
                Add(name + ".bias", zeros(config.ProjectedLength));
            }
        }

        void AddLayer(int layer)
        {
            Add($"layers.{layer}.version", tensor(2L));
            Compress($"layers.{layer}.self_attn.compress_k", layer, value: false);
            if (config.Sharing != ProjectionSharing.KeyValue)
            {
                Compress($"layers.{layer}.self_attn.compress_v", layer, value: true);
            }

            foreach (var (there, here, width) in Parts(config))
            {
                var name = $"encoder.layers.{layer}.{here}";
                Add($"layers.{layer}.{there}.weight", model[name + ".weight"]);
                Add($"layers.{layer}.{there}.bias", model.Has(name + ".bias") ? model[name + ".bias"] : zeros(width));
            }
        }
    }

    private static IEnumerable<(string There, string Here, long Outputs)> Parts(LinformerConfig config) =>
    [
        ("self_attn.q_proj", "attention.query", config.Hidden),
        ("self_attn.k_proj", "attention.key", config.Hidden),
        ("self_attn.v_proj", "attention.value", config.Hidden),
        ("self_attn.out_proj", "attention.output", config.Hidden),
        ("self_attn_layer_norm", "attention_norm", config.Hidden),
        ("fc1", "feed_forward.input", config.FeedForward),
        ("fc2", "feed_forward.output", config.Hidden),
        ("final_layer_norm", "feed_forward_norm", config.Hidden),
    ];

    private static void CheckOptions(FormatOptions options)
    {
        options.Refuse("untie_weights_roberta", "a head of its own behind a dense layer is not supported.");
        options.Refuse("no_token_positional_embeddings", "models here have positions.");
        options.Refuse("quant_noise_pq", "there is a further dense layer behind the embeddings.");
        options.Refuse("adaptive_input", "all tokens have embeddings of one width.");
        RequireTrue("encoder_learned_pos", "sinusoidal positions of fairseq are of another order.");
        RequireTrue("no_scale_embedding", "embeddings are not multiplied by anything.");

        void RequireTrue(string name, string why)
        {
            if (!options.Flag(name, absent: true))
            {
                throw new ModelFormatException($"The options of the model: {name} is false, which is not supported: {why}");
            }
        }
    }

    // With encoder_normalize_before there is a norm behind the last layer.
    private static bool IsPre(SourceTensors tensors) => tensors.Has(Encoder + "layer_norm.weight");

    private static string? OuterNorm(SourceTensors tensors)
    {
        var old = tensors.Has(Encoder + "emb_layer_norm.weight");
        var embedding = old ? Encoder + "emb_layer_norm" : Encoder + "layernorm_embedding";
        return (IsPre(tensors), tensors.Has(embedding + ".weight")) switch
        {
            (true, true) => throw new ModelFormatException($"{tensors.Path}: encoder_normalize_before and layernorm_embedding are both true, which is not supported: models here have a norm behind the embeddings or behind the last layer."),
            (true, false) => Encoder + "layer_norm",
            (false, true) => embedding,
            _ => null,
        };
    }

    private static LinformerConfig Config(SourceTensors tensors, FormatOptions options)
    {
        var first = Encoder + "layers.0.self_attn.";
        var sharing = options.Flag("shared_layer_kv_compressed", tensors.Has(Encoder + "compress_layer.weight")) ? ProjectionSharing.Layerwise
            : tensors.Has(first + "compress_v.weight") ? ProjectionSharing.Headwise : ProjectionSharing.KeyValue;
        return new LinformerConfig
        {
            VocabularySize = tensors.Size(Encoder + "embed_tokens.weight", 0),
            Hidden = tensors.Size(Encoder + "embed_tokens.weight", 1),
            Layers = tensors.Count(layer => $"{Encoder}layers.{layer}.self_attn.q_proj.weight"),
            Heads = options.Whole("encoder_attention_heads"),
            FeedForward = tensors.Size(Encoder + "layers.0.fc1.weight", 0),
            SequenceLength = tensors.Size(Encoder + "embed_positions.weight", 0) - Offset,
            ProjectedLength = tensors.Size(first + "compress_k.weight", 0),
            Sharing = sharing,
            TrainProjection = !options.Flag("freeze_compress"),
            Normalization = IsPre(tensors) ? Normalization.Pre : Normalization.Post,
            OuterNorm = OuterNorm(tensors) is not null,
            Activation = options.OneOf("activation_fn", Activation.Gelu, ("gelu", Activation.Gelu)),
            // That of attention, too: nothing there reads attention_dropout.
            Dropout = options.Number("dropout", 0.1),
            FeedForwardDropout = options.Number("activation_dropout", 0),
        };
    }

    private static void TakeLayer(SourceTensors tensors, LinformerConfig config, int layer, Dictionary<string, Tensor> parameters)
    {
        var (there, here) = ($"{Encoder}layers.{layer}.", $"encoder.layers.{layer}.");
        foreach (var (from, to, outputs) in Parts(config))
        {
            var inputs = from == "fc2" ? config.FeedForward : config.Hidden;
            parameters[here + to + ".weight"] = tensors.Take(there + from + ".weight", from.EndsWith("norm", StringComparison.Ordinal) ? [outputs] : [outputs, inputs]);
            parameters[here + to + ".bias"] = tensors.Take(there + from + ".bias", outputs);
        }

        using (var valueBias = parameters[here + "attention.value.bias"])
        using (var outputBias = parameters[here + "attention.output.bias"])
        {
            parameters[here + "attention.output.bias"] = outputBias + parameters[here + "attention.output.weight"].mv(valueBias);
            parameters[here + "attention.value.bias"] = zeros_like(valueBias);
        }

        parameters[here + "attention.key.bias"].zero_();
        TakeProjections(tensors, config, there + "self_attn.", here, parameters);
    }

    private static void TakeProjections(SourceTensors tensors, LinformerConfig config, string there, string here, Dictionary<string, Tensor> parameters)
    {
        var key = tensors.Take(there + "compress_k.weight", config.ProjectedLength, config.SequenceLength);
        var sharesAll = config.Sharing == ProjectionSharing.Layerwise;
        if (sharesAll && (!tensors.AreSame(there + "compress_k.weight", Encoder + "layers.0.self_attn.compress_k.weight") || (tensors.Has(there + "compress_v.weight") && !tensors.AreSame(there + "compress_k.weight", there + "compress_v.weight"))))
        {
            throw new ModelFormatException($"{tensors.Path}: layers are said to share E and F, and '{there}' has others than the first.");
        }

        var name = sharesAll ? "encoder.projection" : config.Sharing == ProjectionSharing.KeyValue ? here + "projection" : here + "projection_key";
        if (!parameters.TryAdd(name, key))
        {
            key.Dispose();
        }

        if (config.Sharing == ProjectionSharing.Headwise)
        {
            parameters[here + "projection_value"] = tensors.Take(there + "compress_v.weight", config.ProjectedLength, config.SequenceLength);
        }
        else
        {
            tensors.LeaveOut(other => other == there + "compress_v.weight");
        }
    }

    private static void CheckExport(ExportSource model)
    {
        var config = model.Config;
        model.Require(config.Attention == AttentionKind.Linear && config.Projection is ProjectionKind.Learned or ProjectionKind.Fixed, "attention", "full, or with another projection than matrices", "linear with matrices");
        model.Require(config.Sharing != ProjectionSharing.None, "sharing", "none", "headwise, key-value or layerwise");
        model.Require(config.ProjectedLengths is null && !config.ProjectionBias, "projection", "of different k or with biases", "neither");
        model.Require(config.ProjectedLength == config.SequenceLength / (config.SequenceLength / config.ProjectedLength), "projectedLength", config.ProjectedLength, "n divided by a whole number");
        model.Require(config.Normalization == Normalization.Post || config.OuterNorm, "outerNorm", "false", "true, with normalization: pre");
        model.Require(config.Head == HeadKind.Transformed, "head", "linear", "transformed");
        model.Require(config.Embedding == config.Hidden && config.KeyValueHeads == config.Heads && config.QueryWidth == config.Hidden && !config.ShareKeyValue, "width of embeddings or heads", "another", "hidden, or hidden / heads");
        model.Require(config.Activation == Activation.Gelu && !config.Gated && config.FeedForwards is null, "feed-forward layer", "gated, with ReLU or of different widths", "none of that");
        model.Require(config.NormEpsilon == 1e-5, "layer_norm_eps", config.NormEpsilon, "1e-5");
        model.RequireUsualLayers();
        model.RequireNoBias("key", "value");
    }

    private static JsonObject Arguments(LinformerConfig config) => new()
    {
        ["arch"] = "linformer_roberta",
        ["encoder_layers"] = config.Layers,
        ["encoder_embed_dim"] = config.Hidden,
        ["encoder_ffn_embed_dim"] = config.FeedForward,
        ["encoder_attention_heads"] = config.Heads,
        ["max_positions"] = config.SequenceLength,
        ["compressed"] = config.SequenceLength / config.ProjectedLength,
        ["shared_kv_compressed"] = config.Sharing == ProjectionSharing.KeyValue ? 1 : 0,
        ["shared_layer_kv_compressed"] = config.Sharing == ProjectionSharing.Layerwise ? 1 : 0,
        ["freeze_compress"] = config.TrainProjection && config.Projection != ProjectionKind.Fixed ? 0 : 1,
        ["encoder_normalize_before"] = config.Normalization == Normalization.Pre,
        ["layernorm_embedding"] = config.Normalization == Normalization.Post && config.OuterNorm,
        ["activation_fn"] = "gelu",
        ["dropout"] = config.Dropout,
        ["attention_dropout"] = config.Dropout,
        ["activation_dropout"] = config.FeedForwardDropout,
    };
}
