using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange.Formats;

/// <summary>Puts one encoder or open decoder into the form of <c>LinformerLM</c> of tatp22/linformer-pytorch.</summary>
/// <param name="part">Which.</param>
/// <param name="model">The model that it is of.</param>
/// <param name="config">Its shape.</param>
/// <param name="tensors">What it becomes.</param>
internal sealed class Tatp22Export(Tatp22Part part, ExportSource model, LinformerConfig config, List<(string Name, Tensor Tensor)> tensors)
{
    // Of the product of two matrices in float32.
    private const double LargestLoss = 1e-5;

    private readonly string _layers = part.There + (config.Embedding == config.Hidden ? "linformer.seq." : "linformer.fn.seq.");

    /// <summary>Takes it there.</summary>
    public void Run()
    {
        Check();
        Add("to_token_emb.weight", model[part.Here + "token.weight"]);
        Add("pos_emb.inv_freq", arange(0, config.Embedding, 2, dtype: ScalarType.Float32).mul(-Math.Log(Tatp22Format.PositionBase) / config.Embedding).exp());
        for (var layer = 0; layer < part.LayersThere(config.Layers); layer++)
        {
            AddLayer(layer);
        }

        AddEnds();
    }

    /// <summary>The arguments of its constructor, without a prefix.</summary>
    public JsonObject Arguments() => new()
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
        [Tatp22Part.Activation] = config.Activation == Activation.Relu ? "relu" : "gelu",
        ["checkpoint_level"] = config.Checkpointing switch { Checkpointing.Layer => "C1", Checkpointing.Head => "C2", _ => "C0" },
        ["parameter_sharing"] = Tatp22Import.SharingNames.First(pair => pair.Value == SharingThere()).Name,
        ["k_reduce_by_layer"] = config.ProjectedLengths is null ? 0 : Step(),
        ["full_attention"] = config.Attention == AttentionKind.Full,
        ["decoder_mode"] = part.IsDecoder,
        ["causal"] = config.Causal == CausalKind.MaskMap,
        ["include_ff"] = config.HasFeedForward,
        ["ff_intermediate"] = config.InnerHidden,
        ["method"] = config is { Projection: ProjectionKind.Convolution, Attention: AttentionKind.Linear } ? "convolution" : "learnable",
    };

    private void Check()
    {
        model.Require(config.Projection is ProjectionKind.Learned or ProjectionKind.Convolution, "projection", config.Projection, "learned or a convolution (what is random and fixed is not kept there)");
        model.Require(config.Normalization == Normalization.Post && !config.OuterNorm, "norms", "before sub-layers or after the embeddings", "after sub-layers alone (normalization: post, outerNorm: false)");
        model.Require(config is { Positions: PositionKind.Sinusoidal, PositionBase: Tatp22Format.PositionBase }, "positions", "learned or of another base", "sinusoidal with a base of 100,000");
        model.Require(config.Head == HeadKind.Linear, "head", "transformed", "linear");
        model.Require(config.KeyValueHeads == config.Heads && !config.ShareKeyValue, "key/value heads", "shared", "those of the queries");
        model.Require(!config.Gated && config.FeedForwards is null, "feed-forward layer", "gated or of different widths", "neither");
        model.Require(!config.Reversible, "reversible", "true", "false");
        model.Require(config.ProjectedLengths is null || Step() >= 0, "projectedLengths", config.ProjectedLengths?.ToString() ?? string.Empty, "falling by the same number (k_reduce_by_layer)");
        model.Require(config.Causal != CausalKind.Segments, "causal", "segments", "none or mask-map");
        model.Require(config.Causal == CausalKind.None || config.Attention == AttentionKind.Full || config.ProjectedLengths is null, "projectedLengths", config.ProjectedLengths?.ToString() ?? string.Empty, "the same for all layers when it is causal");
        model.Require(config.NormEpsilon == 1e-5, "layer_norm_eps", config.NormEpsilon, "1e-5");
        model.RequireNoBias("query", "key", "value");
    }

    // By how much k falls from layer to layer; -1 if not always by the same.
    private int Step()
    {
        var step = config.Layers > 1 ? config.ProjectedLengthOf(0) - config.ProjectedLengthOf(1) : 0;
        return step >= 0 && Enumerable.Range(0, config.Layers).All(layer => config.ProjectedLengthOf(layer) == Math.Max(1, config.ProjectedLengthOf(0) - (layer * step))) ? step : -1;
    }

    // With ff_intermediate it refuses to share among layers; what is shared can be written several times.
    private ProjectionSharing SharingThere() =>
        config is { InnerHidden: not null, Sharing: ProjectionSharing.Layerwise } ? ProjectionSharing.KeyValue : config.Sharing;

    private void AddLayer(int layer)
    {
        var first = (config.HasFeedForward ? 2 : 1) * layer;
        var (attention, feedForward, here) = ($"{_layers}{first}.", $"{_layers}{first + 1}.", part.NameOf(layer));
        for (var head = 0; head < config.Heads; head++)
        {
            foreach (var isValue in (bool[])[false, true])
            {
                AddProjection(layer, head, isValue, $"{attention}fn.heads.{head}.{(isValue ? "F" : "E")}");
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

    private void AddEnds()
    {
        var isNarrow = config.Embedding != config.Hidden;
        if (isNarrow)
        {
            Add("linformer.project_in.weight", model[part.Here + "embedding_dense.weight"]);
            Add("linformer.project_in.bias", model[part.Here + "embedding_dense.bias"]);
        }

        if (!part.IsOfTwo || part.IsDecoder)
        {
            AddHead(isNarrow);
        }
        else if (isNarrow)
        {
            Add("linformer.project_out.weight", model["source_dense.weight"]);
            Add("linformer.project_out.bias", model["source_dense.bias"]);
        }
    }

    private void AddHead(bool isNarrow)
    {
        var head = model[part.Head + "head_weight"];
        if (isNarrow)
        {
            using var whole = head;
            (head, var back) = Factors(whole, config.Embedding);
            Add("linformer.project_out.weight", back);
            Add("linformer.project_out.bias", zeros(config.Embedding));
        }

        Add("to_logits.weight", head);
        Add("to_logits.bias", model[part.Head + "head_bias"]);
    }

    // There the way from the layers to the logits leads through the width of the embeddings: [vocabulary, hidden] as [vocabulary, embedding] · [embedding, hidden].
    private (Tensor Logits, Tensor Back) Factors(Tensor weight, int rank)
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

    private void AddProjection(int layer, int head, bool isValue, string there)
    {
        var (k, n, size) = (config.ProjectedLengthOf(part.LayerOf(layer)), config.SequenceLength, config.HeadSize);
        var ofEachHead = config.Sharing == ProjectionSharing.None;
        if (config.Attention == AttentionKind.Full)
        {
            // They are there, and nothing reads them.
            tensors.Add((there + ".weight", zeros(k, n)));
            tensors.Add((there + ".bias", zeros(k)));
            return;
        }

        var isConvolution = config.Projection == ProjectionKind.Convolution;
        var name = part.ProjectionOf(layer, config.Sharing, isValue, isConvolution ? "convolution" : "projection");
        var rows = isConvolution ? size : k;
        using var weight = model[name];
        using var bias = model.Has(name + "_bias") ? model[name + "_bias"] : zeros(ofEachHead ? rows * config.Heads : rows);
        tensors.Add((there + ".weight", ofEachHead ? weight.select(0, head).clone() : weight.clone()));
        tensors.Add((there + ".bias", bias.narrow(0, ofEachHead ? head * rows : 0, rows).clone()));
    }

    private void Add(string name, Tensor tensor) => tensors.Add((part.There + name, tensor));
}
