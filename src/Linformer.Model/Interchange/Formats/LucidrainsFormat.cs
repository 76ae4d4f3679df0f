using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange.Formats;

/// <summary>
/// <c>LinformerLM</c> of lucidrains/linformer: pre-norm without a norm at the end, no biases of queries, keys and values, E and F of
/// [n, k] for each layer, a head of its own.
/// </summary>
internal sealed class LucidrainsFormat : IModelFormat
{
    private const int UsualHeads = 8;

    private static readonly string[] Options = ["num_tokens", "dim", "seq_len", "depth", "k", "heads", "dim_head", "one_kv_head", "share_kv", "reversible", "dropout"];

    public string Name => "lucidrains";

    public bool LooksLike(StateDict state) => state.Names.Any(name => name.EndsWith(".fn.to_q.weight", StringComparison.Ordinal) && name.Contains("net.", StringComparison.Ordinal));

    public ImportedModel Import(SourceTensors tensors, FormatOptions options)
    {
        options.AllowOnly(Options);
        if (!tensors.Has("token_emb.weight"))
        {
            throw new ModelFormatException($"{tensors.Path}: there is no 'token_emb.weight'. A Linformer by itself, without embeddings, is not supported; only LinformerLM is read.");
        }

        var reversible = tensors.Has("linformer.net.blocks.0.f.net.fn.to_q.weight");
        var config = Config(tensors, options, reversible);
        config.Validate();
        var parameters = new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            ["encoder.token.weight"] = tensors.Take("token_emb.weight", config.VocabularySize, config.Hidden),
            ["encoder.position.weight"] = tensors.Take("pos_emb.weight", config.SequenceLength, config.Hidden),
            ["head_weight"] = tensors.Take("to_logits.weight", config.VocabularySize, config.Hidden),
            ["head_bias"] = tensors.Take("to_logits.bias", config.VocabularySize),
        };
        for (var layer = 0; layer < config.Layers; layer++)
        {
            TakeLayer(tensors, config, layer, parameters);
        }

        tensors.CheckAllUsed(Name);
        return new ImportedModel(new ModelDescription(ModelKind.MaskedLanguage, config), parameters, []);
    }

    public ExportedModel Export(ExportSource model)
    {
        CheckExport(model);
        var config = model.Config;
        var tensors = new List<(string, Tensor)>
        {
            ("token_emb.weight", model["encoder.token.weight"]),
            ("pos_emb.weight", model.Positions()),
        };
        for (var layer = 0; layer < config.Layers; layer++)
        {
            AddLayer(model, layer, tensors);
        }

        tensors.Add(("to_logits.weight", model["head_weight"]));
        tensors.Add(("to_logits.bias", model["head_bias"]));
        return new ExportedModel(tensors, new JsonObject
        {
            ["num_tokens"] = config.VocabularySize,
            ["dim"] = config.Hidden,
            ["seq_len"] = config.SequenceLength,
            ["depth"] = config.Layers,
            ["k"] = config.ProjectedLength,
            ["heads"] = config.Heads,
            ["dim_head"] = config.HeadSize,
            ["one_kv_head"] = config.KeyValueHeads != config.Heads,
            ["share_kv"] = config.ShareKeyValue,
            ["reversible"] = config.Reversible,
            ["dropout"] = config.AttentionDropout ?? config.Dropout,
        });
    }

    private static (string Attention, string FeedForward) Places(int layer, bool reversible) => reversible
        ? ($"linformer.net.blocks.{layer}.f.net", $"linformer.net.blocks.{layer}.g.net")
        : ($"linformer.net.layers.{layer}.0", $"linformer.net.layers.{layer}.1");

    private static LinformerConfig Config(SourceTensors tensors, FormatOptions options, bool reversible)
    {
        var (attention, feedForward) = Places(0, reversible);
        var hidden = tensors.Size("token_emb.weight", 1);
        var queries = tensors.Size(attention + ".fn.to_q.weight", 0);
        var keys = tensors.Size(attention + ".fn.to_k.weight", 0);
        var heads = HeadsOf(tensors, options, queries, keys);
        var dropout = options.Number("dropout", 0);
        var sharesKeyValue = !tensors.Has(attention + ".fn.to_v.weight");
        var width = tensors.Size(feedForward + ".fn.w2.weight", 1);
        var config = new LinformerConfig
        {
            VocabularySize = tensors.Size("token_emb.weight", 0),
            Layers = tensors.Count(layer => Places(layer, reversible).Attention + ".fn.to_q.weight"),
            Heads = heads,
            Hidden = hidden,
            FeedForward = width,
            Gated = tensors.Size(feedForward + ".fn.w1.weight", 0) == 2 * width,
            SequenceLength = tensors.Size("pos_emb.weight", 0),
            ProjectedLength = tensors.Size(attention + ".fn.proj_k", 1),
            Sharing = sharesKeyValue ? ProjectionSharing.KeyValue : ProjectionSharing.Headwise,
            ShareKeyValue = sharesKeyValue,
            AttentionBias = false,
            OuterNorm = false,
            Head = HeadKind.Linear,
            Reversible = reversible,
            Dropout = 0,
            AttentionDropout = dropout,
            FeedForwardDropout = dropout,
        };
        config = keys == queries ? config : config with { KeyValueHeads = 1 };
        return queries == hidden ? config : config with { HeadSize = queries / heads };
    }

    // Heads leave a trace in the shapes only when keys have just one.
    private static int HeadsOf(SourceTensors tensors, FormatOptions options, int queries, int keys)
    {
        var heads = options.Has("heads") ? options.Whole("heads", 0)
            : options.Has("dim_head") && options.Whole("dim_head", 0) is > 0 and var size ? queries / size
            : keys < queries ? queries / keys
            : UsualHeads;
        return heads > 0 && queries % heads == 0 && (keys == queries || keys == queries / heads)
            ? heads
            : throw new ModelFormatException($"{tensors.Path}: queries have a width of {queries} and keys of {keys}, which are not those of {heads} heads. Give \"heads\" with --options.");
    }

    private static void TakeLayer(SourceTensors tensors, LinformerConfig config, int layer, Dictionary<string, Tensor> parameters)
    {
        var here = $"encoder.layers.{layer}";
        var (attention, feedForward) = Places(layer, config.Reversible);
        parameters[here + ".attention.query.weight"] = tensors.Take(attention + ".fn.to_q.weight", config.QueryWidth, config.Hidden);
        parameters[here + ".attention.key.weight"] = tensors.Take(attention + ".fn.to_k.weight", config.KeyValueWidth, config.Hidden);
        parameters[here + ".attention.output.weight"] = tensors.Take(attention + ".fn.to_out.weight", config.Hidden, config.QueryWidth);
        parameters[here + ".attention.output.bias"] = tensors.Take(attention + ".fn.to_out.bias", config.Hidden);
        parameters[here + (config.ShareKeyValue ? ".projection" : ".projection_key")] = Turned(".fn.proj_k");
        if (!config.ShareKeyValue)
        {
            parameters[here + ".attention.value.weight"] = tensors.Take(attention + ".fn.to_v.weight", config.KeyValueWidth, config.Hidden);
            parameters[here + ".projection_value"] = Turned(".fn.proj_v");
        }

        var inner = config.FeedForward * (config.Gated ? 2 : 1);
        parameters[here + ".feed_forward.input.weight"] = tensors.Take(feedForward + ".fn.w1.weight", inner, config.Hidden);
        parameters[here + ".feed_forward.input.bias"] = tensors.Take(feedForward + ".fn.w1.bias", inner);
        parameters[here + ".feed_forward.output.weight"] = tensors.Take(feedForward + ".fn.w2.weight", config.Hidden, config.FeedForward);
        parameters[here + ".feed_forward.output.bias"] = tensors.Take(feedForward + ".fn.w2.bias", config.Hidden);
        foreach (var ending in (string[])["weight", "bias"])
        {
            parameters[$"{here}.attention_norm.{ending}"] = tensors.Take($"{attention}.norm.{ending}", config.Hidden);
            parameters[$"{here}.feed_forward_norm.{ending}"] = tensors.Take($"{feedForward}.norm.{ending}", config.Hidden);
        }

        Tensor Turned(string name)
        {
            using var projection = tensors.Take(attention + name, config.SequenceLength, config.ProjectedLength);
            return projection.t().contiguous();
        }
    }

    private static void CheckExport(ExportSource model)
    {
        var config = model.Config;
        model.Require(config.Attention == AttentionKind.Linear && config.Projection is ProjectionKind.Learned or ProjectionKind.Fixed, "attention", "full, or with another projection than matrices", "linear with matrices");
        model.Require(config.Sharing != ProjectionSharing.None, "sharing", "none", "headwise");
        model.Require(config.ProjectedLengths is null && !config.ProjectionBias, "projection", "of different k or with biases", "neither");
        model.Require(config.Normalization == Normalization.Pre && !config.OuterNorm, "norms", "after sub-layers or after the last layer", "before sub-layers alone (normalization: pre, outerNorm: false)");
        model.Require(config.Head == HeadKind.Linear, "head", "transformed", "linear");
        model.Require(config.Embedding == config.Hidden, "embedding", config.Embedding, "hidden");
        model.Require(config.Activation == Activation.Gelu && !config.Gated, "feed-forward layer", "gated or with ReLU", "neither");
        model.Require(config.FeedForwards is null && config.FeedForward % config.Hidden == 0, "feedForward", config.FeedForward, $"4 times hidden ({4 * config.Hidden})");
        model.Require(config.NormEpsilon == 1e-5, "layer_norm_eps", config.NormEpsilon, "1e-5");
        model.RequireUsualLayers();
        model.Require(!config.ShareKeyValue || config.Sharing is ProjectionSharing.KeyValue or ProjectionSharing.Layerwise, "sharing", "of keys and values but not of E and F", "both or neither");
        model.RequireNoBias("query", "key", "value");
    }

    private static void AddLayer(ExportSource model, int layer, List<(string, Tensor)> tensors)
    {
        var config = model.Config;
        var here = $"encoder.layers.{layer}";
        var (attention, feedForward) = Places(layer, config.Reversible);
        using var key = model.Projection(layer, value: false);
        tensors.Add((attention + ".fn.proj_k", key.t().contiguous()));
        if (!config.ShareKeyValue)
        {
            using var value = model.Projection(layer, value: true);
            tensors.Add((attention + ".fn.proj_v", value.t().contiguous()));
        }

        tensors.Add((attention + ".fn.to_q.weight", model[here + ".attention.query.weight"]));
        tensors.Add((attention + ".fn.to_k.weight", model[here + ".attention.key.weight"]));
        if (!config.ShareKeyValue)
        {
            tensors.Add((attention + ".fn.to_v.weight", model[here + ".attention.value.weight"]));
        }

        Both(attention + ".fn.to_out", ".attention.output");
        Both(attention + ".norm", ".attention_norm");
        Both(feedForward + ".fn.w1", ".feed_forward.input");
        Both(feedForward + ".fn.w2", ".feed_forward.output");
        Both(feedForward + ".norm", ".feed_forward_norm");

        void Both(string there, string part)
        {
            tensors.Add((there + ".weight", model[here + part + ".weight"]));
            tensors.Add((there + ".bias", model[here + part + ".bias"]));
        }
    }
}
