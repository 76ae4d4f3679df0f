using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange.Formats;

/// <summary>
/// <c>LinformerLM</c> of tatp22/linformer-pytorch: post-norm without a norm of the embeddings, queries, keys and values of each head by
/// themselves and without biases, E and F as dense layers with biases, sinusoidal positions, a head of its own.
/// </summary>
internal sealed class Tatp22Format : IModelFormat
{
    private const double PositionBase = 100_000;

    // Of the product of two matrices in float32.
    private const double LargestLoss = 1e-5;

    private static readonly string[] Options =
    [
        "num_tokens", "input_size", "channels", "dim_k", "dim_ff", "dim_d", "dropout_ff", "dropout_tokens", "nhead", "depth", "ff_intermediate", "dropout", "activation",
        "checkpoint_level", "parameter_sharing", "k_reduce_by_layer", "full_attention", "include_ff", "w_o_intermediate_dim", "emb_dim", "return_emb", "decoder_mode", "causal", "method",
    ];

    public string Name => "tatp22";

    public bool LooksLike(StateDict state) => state.Names.Any(name => name.Contains("seq.0.fn.to_q.0.weight", StringComparison.Ordinal));

    public ImportedModel Import(SourceTensors tensors, FormatOptions options)
    {
        CheckOptions(tensors, options);
        return new Tatp22Import(tensors, options, PositionBase).Run(Name);
    }

    public ExportedModel Export(ExportSource model)
    {
        CheckExport(model);
        var config = model.Config;
        var tensors = new List<(string, Tensor)> { ("to_token_emb.weight", model["encoder.token.weight"]), ("pos_emb.inv_freq", Frequencies(config.Embedding)) };
        for (var layer = 0; layer < config.Layers; layer++)
        {
            AddLayer(model, layer, config.Embedding == config.Hidden ? "linformer.seq." : "linformer.fn.seq.", tensors);
        }

        AddHead(model, tensors);
        return new ExportedModel(tensors, Arguments(config));
    }

    private static Tensor Frequencies(long width) => arange(0, width, 2, dtype: ScalarType.Float32).mul(-Math.Log(PositionBase) / width).exp();

    private static void CheckOptions(SourceTensors tensors, FormatOptions options)
    {
        options.AllowOnly(Options);
        if (tensors.Names.FirstOrDefault(name => name.StartsWith("encoder.", StringComparison.Ordinal) || name.StartsWith("decoder.", StringComparison.Ordinal)) is { } part)
        {
            throw new ModelFormatException($"{tensors.Path}: '{part}' is of LinformerEncDec, which is not supported: its decoder has another order of layers, and sees all of its own input. Only LinformerLM is read.");
        }

        if (!tensors.Has("to_token_emb.weight"))
        {
            throw new ModelFormatException($"{tensors.Path}: there is no 'to_token_emb.weight'. A Linformer by itself, without embeddings, is not supported; only LinformerLM is read.");
        }

        options.Refuse("decoder_mode", "a decoder by itself is no model; only encoders are read.");
        options.CheckSame("include_ff", tensors.Names.Any(name => name.EndsWith(".fn.w_1.weight", StringComparison.Ordinal)), tensors.Path);
        options.CheckSame("return_emb", !tensors.Has("to_logits.weight"), tensors.Path);
    }

    private static void CheckExport(ExportSource model)
    {
        var config = model.Config;
        model.Require(config.Projection is ProjectionKind.Learned or ProjectionKind.Convolution, "projection", config.Projection, "learned or a convolution (what is random and fixed is not kept there)");
        model.Require(config.Normalization == Normalization.Post && !config.OuterNorm, "norms", "before sub-layers or after the embeddings", "after sub-layers alone (normalization: post, outerNorm: false)");
        model.Require(config is { Positions: PositionKind.Sinusoidal, PositionBase: PositionBase }, "positions", "learned or of another base", "sinusoidal with a base of 100,000");
        model.Require(config.Head == HeadKind.Linear, "head", "transformed", "linear");
        model.Require(config.KeyValueHeads == config.Heads && !config.ShareKeyValue, "key/value heads", "shared", "those of the queries");
        model.Require(!config.Gated && config.FeedForwards is null, "feed-forward layer", "gated or of different widths", "neither");
        model.Require(!config.Reversible, "reversible", "true", "false");
        model.Require(config.ProjectedLengths is null || Step(config) >= 0, "projectedLengths", config.ProjectedLengths?.ToString() ?? string.Empty, "falling by the same number (k_reduce_by_layer)");
        model.Require(config.Causal != CausalKind.Segments, "causal", "segments", "none or mask-map");
        model.Require(config.Causal == CausalKind.None || config.ProjectedLengths is null, "projectedLengths", config.ProjectedLengths?.ToString() ?? string.Empty, "the same for all layers when it is causal");
        model.Require(config.NormEpsilon == 1e-5, "layer_norm_eps", config.NormEpsilon, "1e-5");
        model.RequireNoBias("query", "key", "value");
    }

    // By how much k falls from layer to layer; -1 if not always by the same.
    private static int Step(LinformerConfig config)
    {
        var step = config.Layers > 1 ? config.ProjectedLengthOf(0) - config.ProjectedLengthOf(1) : 0;
        return step >= 0 && Enumerable.Range(0, config.Layers).All(layer => config.ProjectedLengthOf(layer) == Math.Max(1, config.ProjectedLengthOf(0) - (layer * step))) ? step : -1;
    }

    // With ff_intermediate it refuses to share among layers; what is shared can be written several times.
    private static ProjectionSharing SharingThere(LinformerConfig config) =>
        config is { InnerHidden: not null, Sharing: ProjectionSharing.Layerwise } ? ProjectionSharing.KeyValue : config.Sharing;

    private static JsonObject Arguments(LinformerConfig config) => new()
    {
        ["num_tokens"] = config.VocabularySize,
        ["input_size"] = config.SequenceLength,
        ["channels"] = config.Hidden,
        ["dim_k"] = config.ProjectedLengthOf(0),
        ["dim_ff"] = config.FeedForward,
        ["dim_d"] = config.HeadSize,
        ["emb_dim"] = config.Embedding,
        ["nhead"] = config.Heads,
        ["depth"] = config.Layers,
        ["dropout"] = config.Dropout,
        ["dropout_ff"] = config.FeedForwardDropout,
        ["dropout_tokens"] = config.EmbeddingDropout ?? config.Dropout,
        ["activation"] = config.Activation == Activation.Relu ? "relu" : "gelu",
        ["checkpoint_level"] = config.Checkpointing switch { Checkpointing.Layer => "C1", Checkpointing.Head => "C2", _ => "C0" },
        ["parameter_sharing"] = Tatp22Import.SharingNames.First(pair => pair.Value == SharingThere(config)).Name,
        ["k_reduce_by_layer"] = config.ProjectedLengths is null ? 0 : Step(config),
        ["full_attention"] = config.Attention == AttentionKind.Full,
        ["causal"] = config.Causal == CausalKind.MaskMap,
        ["include_ff"] = config.HasFeedForward,
        ["ff_intermediate"] = config.InnerHidden,
        ["method"] = config is { Projection: ProjectionKind.Convolution, Attention: AttentionKind.Linear } ? "convolution" : "learnable",
    };

    private static void AddLayer(ExportSource model, int layer, string prefix, List<(string, Tensor)> tensors)
    {
        var config = model.Config;
        var first = (config.HasFeedForward ? 2 : 1) * layer;
        var (attention, feedForward, here) = ($"{prefix}{first}.", $"{prefix}{first + 1}.", $"encoder.layers.{layer}.");
        for (var head = 0; head < config.Heads; head++)
        {
            foreach (var isValue in (bool[])[false, true])
            {
                AddProjection(model, layer, head, isValue, $"{attention}fn.heads.{head}.{(isValue ? "F" : "E")}", tensors);
            }
        }

        foreach (var (there, name) in ((string, string)[])[("to_q", "query"), ("to_k", "key"), ("to_v", "value")])
        {
            using var weight = model[$"{here}attention.{name}.weight"];
            for (var head = 0; head < config.Heads; head++)
            {
                tensors.Add(($"{attention}fn.{there}.{head}.weight", weight.narrow(0, head * config.HeadSize, config.HeadSize).clone()));
            }
        }

        Both(attention + "fn.w_o", "attention.output");
        Both(attention + "norm", "attention_norm");
        if (config.HasFeedForward)
        {
            Both(feedForward + "fn.w_1", "feed_forward.input");
            Both(feedForward + "fn.w_2", "feed_forward.output");
            Both(feedForward + "norm", "feed_forward_norm");
        }

        if (model.Has(here + "residual.weight"))
        {
            Both(feedForward + "resample", "residual");
        }

        void Both(string there, string part)
        {
            tensors.Add((there + ".weight", model[here + part + ".weight"]));
            tensors.Add((there + ".bias", model[here + part + ".bias"]));
        }
    }

    private static void AddHead(ExportSource model, List<(string, Tensor)> tensors)
    {
        var config = model.Config;
        if (config.Embedding == config.Hidden)
        {
            tensors.Add(("to_logits.weight", model["head_weight"]));
        }
        else
        {
            using var head = model["head_weight"];
            var (logits, back) = Factors(head, config.Embedding, model);
            tensors.Add(("linformer.project_in.weight", model["encoder.embedding_dense.weight"]));
            tensors.Add(("linformer.project_in.bias", model["encoder.embedding_dense.bias"]));
            tensors.Add(("linformer.project_out.weight", back));
            tensors.Add(("linformer.project_out.bias", zeros(config.Embedding)));
            tensors.Add(("to_logits.weight", logits));
        }

        tensors.Add(("to_logits.bias", model["head_bias"]));
    }

    // There the way from the layers to the logits leads through the width of the embeddings: [vocabulary, hidden] as [vocabulary, embedding] · [embedding, hidden].
    private static (Tensor Logits, Tensor Back) Factors(Tensor weight, int rank, ExportSource model)
    {
        using var scope = NewDisposeScope();
        var exact = weight.to_type(ScalarType.Float64);
        var (left, size) = (exact, exact.norm().item<double>());
        var rows = new List<Tensor>();
        for (var i = 0; i < Math.Min(rank, weight.shape[1]); i++)
        {
            var largest = left.square().sum(1, keepdim: false).argmax().item<long>();
            var row = left[largest];
            row = row / row.norm().clamp_min(1e-300);
            rows.Add(row);
            left = left - left.mv(row).outer(row);
        }

        rows.AddRange(Enumerable.Repeat(zeros(weight.shape[1], dtype: ScalarType.Float64), rank - rows.Count));
        model.Require(left.norm().item<double>() <= LargestLoss * size, "head", $"of a higher rank than {rank}", "one that leads through the embeddings' width, as that of a model that came from there");
        var basis = stack(rows, 0);
        return (exact.matmul(basis.t()).to_type(ScalarType.Float32).DetachFromDisposeScope(), basis.to_type(ScalarType.Float32).DetachFromDisposeScope());
    }

    private static void AddProjection(ExportSource model, int layer, int head, bool isValue, string there, List<(string, Tensor)> tensors)
    {
        var config = model.Config;
        var (k, n, size) = (config.ProjectedLengthOf(layer), config.SequenceLength, config.HeadSize);
        var ofEachHead = config.Sharing == ProjectionSharing.None;
        if (config.Attention == AttentionKind.Full)
        {
            // They are there, and nothing reads them.
            tensors.Add((there + ".weight", zeros(k, n)));
            tensors.Add((there + ".bias", zeros(k)));
        }
        else if (config.Projection == ProjectionKind.Convolution)
        {
            using var weight = model[model.ProjectionName(layer, isValue, string.Empty, "convolution")];
            using var bias = model[model.ProjectionName(layer, isValue, "_bias", "convolution")];
            tensors.Add((there + ".weight", ofEachHead ? weight.select(0, head).clone() : weight.clone()));
            tensors.Add((there + ".bias", bias.narrow(0, ofEachHead ? head * size : 0, size).clone()));
        }
        else
        {
            using var weight = model.Projection(layer, isValue);
            using var bias = model.ProjectionBias(layer, isValue);
            tensors.Add((there + ".weight", ofEachHead ? weight.select(0, head).clone() : weight.clone()));
            tensors.Add((there + ".bias", bias.narrow(0, ofEachHead ? head * k : 0, k).clone()));
        }
    }
}
