using static TorchSharp.torch;

namespace Linformer.Model.Interchange.Formats;

/// <summary>Takes one <c>LinformerLM</c> from tatp22/linformer-pytorch.</summary>
/// <param name="part">Which.</param>
/// <param name="tensors">Its tensors.</param>
/// <param name="options">The arguments of its constructor.</param>
/// <param name="parameters">What they become.</param>
/// <param name="notes">What a user should know.</param>
internal sealed class Tatp22Import(Tatp22Part part, SourceTensors tensors, FormatOptions options, Dictionary<string, Tensor> parameters, List<string> notes)
{
    /// <summary>What it calls the kinds of sharing.</summary>
    public static readonly (string Name, ProjectionSharing Value)[] SharingNames =
    [
        ("none", ProjectionSharing.None), ("headwise", ProjectionSharing.Headwise), ("kv", ProjectionSharing.KeyValue), ("layerwise", ProjectionSharing.Layerwise),
    ];

    private readonly string _layers = tensors.Has("linformer.project_in.weight") ? "linformer.fn.seq." : "linformer.seq.";
    private readonly bool _hasFeedForward = tensors.Names.Any(name => name.EndsWith(".fn.w_1.weight", StringComparison.Ordinal));
    private LinformerConfig _config = null!;

    private bool HasMatrices => _config.Attention == AttentionKind.Linear;

    private IEnumerable<int> LayersThere => Enumerable.Range(0, part.LayersThere(_config.Layers));

    /// <summary>Takes it.</summary>
    /// <returns>Its shape here.</returns>
    public LinformerConfig Run()
    {
        _config = Config();
        _config.Validate();
        parameters[part.Here + "token.weight"] = tensors.Take("to_token_emb.weight", _config.VocabularySize, _config.Embedding);
        foreach (var layer in LayersThere)
        {
            TakeLayer(layer);
            TakeProjections(layer);
        }

        TakeEnds();
        tensors.LeaveOut(name => name == "pos_emb.inv_freq");
        if (!HasMatrices)
        {
            tensors.LeaveOut(name => name.Contains(".fn.heads.", StringComparison.Ordinal));
        }

        var note = $"Behind feed-forward layers dropout is {_config.Dropout} here, that of attention; there it is {_config.FeedForwardDropout}. Outputs without dropout are the same.";
        if (_config.FeedForwardDropout != _config.Dropout && !notes.Contains(note))
        {
            notes.Add(note);
        }

        return _config;
    }

    private string Attention(int layer) => $"{_layers}{(_hasFeedForward ? 2 : 1) * layer}.";

    private string FeedForward(int layer) => $"{_layers}{(2 * layer) + 1}.";

    private string Projection(int layer, int head, bool isValue) => $"{Attention(layer)}fn.heads.{head}.{(isValue ? "F" : "E")}";

    private LinformerConfig Config()
    {
        var embedding = tensors.Size("to_token_emb.weight", 1);
        var heads = tensors.Count(head => $"{Attention(0)}fn.to_q.{head}.weight");
        var (size, hidden) = (tensors.Size($"{Attention(0)}fn.to_q.0.weight", 0), tensors.Size($"{Attention(0)}fn.to_q.0.weight", 1));
        var dropout = options.Number("dropout", 0.05);
        var config = new LinformerConfig
        {
            VocabularySize = tensors.Size("to_token_emb.weight", 0),
            Layers = LayersHere(tensors.Count(layer => Attention(layer) + "fn.to_q.0.weight")),
            Heads = heads,
            Hidden = hidden,
            FeedForward = _hasFeedForward ? tensors.Size(FeedForward(0) + "fn.w_1.weight", 0) : hidden,
            HasFeedForward = _hasFeedForward,
            Causal = options.Flag("causal", absent: part is { IsOfTwo: true, IsDecoder: true }) ? CausalKind.MaskMap : CausalKind.None,
            Attention = options.Flag("full_attention") ? AttentionKind.Full : AttentionKind.Linear,
            Normalization = Normalization.Post,
            OuterNorm = false,
            AttentionBias = false,
            Positions = PositionKind.Sinusoidal,
            PositionBase = Tatp22Format.PositionBase,
            Head = HeadKind.Linear,
            Activation = options.OneOf(Tatp22Part.Activation, Activation.Gelu, ("gelu", Activation.Gelu), ("relu", Activation.Relu)),
            Checkpointing = CheckpointingThere(),
            Dropout = dropout,
            EmbeddingDropout = options.Number("dropout_tokens", 0.1),
            FeedForwardDropout = options.Number("dropout_ff", 0.1),
        };
        config = embedding == hidden ? config : config with { Embedding = embedding };
        config = heads * size == hidden ? config : config with { HeadSize = size };
        return WithProjections(part.IsDecoder ? config : config with { InnerHidden = InnerWidth(config) });
    }

    private int LayersHere(int layers) => layers % part.LayersThere(1) == 0 ? layers / part.LayersThere(1)
        : throw new ModelFormatException($"{tensors.Path}: with decoder_mode attention over the target and over the source take turns, and of both there are {layers}, an odd number.");

    private Checkpointing CheckpointingThere()
    {
        var level = options.OneOf("checkpoint_level", Checkpointing.None, ("C0", Checkpointing.None), ("C1", Checkpointing.Layer), ("C2", Checkpointing.Head));
        return level == Checkpointing.None || !part.IsDecoder ? level
            : throw new ModelFormatException($"{tensors.Path}: checkpoint_level is {options.Text("checkpoint_level", string.Empty)}; a decoder there runs with C0 alone.");
    }

    // What the second layer reads, if that is not what the first does.
    private int? InnerWidth(LinformerConfig config)
    {
        var inner = config.Layers > 1 ? tensors.Size($"{Attention(1)}fn.to_q.0.weight", 1) : config.Hidden;
        if (config.Layers > 1 && options.Whole("ff_intermediate", inner) != inner)
        {
            throw new ModelFormatException($"{tensors.Path}: {options.NameOf("ff_intermediate")} is {options.Whole("ff_intermediate", inner)}, and the second layer's width is {inner}.");
        }

        return inner == config.Hidden ? null : inner;
    }

    private LinformerConfig WithProjections(LinformerConfig config)
    {
        if (!tensors.Has(Projection(0, 0, isValue: false) + ".weight"))
        {
            return config.Attention == AttentionKind.Full ? config with { SequenceLength = options.Whole("input_size"), ProjectedLength = 1 } : throw new ModelFormatException(
                $"{tensors.Path}: there are no E and F. With method=no_params they are drawn at random when a model is made, and are not kept in its state dict.");
        }

        var shared = SharingOf(config);
        var sharing = options.OneOf("parameter_sharing", shared, SharingNames);
        if (sharing > shared)
        {
            throw new ModelFormatException($"{tensors.Path}: {options.NameOf("parameter_sharing")} is {options.Text("parameter_sharing", string.Empty)}, and the tensors are shared less than that.");
        }

        if (tensors.Size(Projection(0, 0, isValue: false) + ".bias", 0) != tensors.Size(Projection(0, 0, isValue: false) + ".weight", 0))
        {
            throw new ModelFormatException($"{tensors.Path}: '{Projection(0, 0, isValue: false)}' is no dense layer or convolution.");
        }

        var isConvolution = options.Has("method") ? options.Text("method", string.Empty) == "convolution" : IsConvolution();
        if (isConvolution)
        {
            var n = options.Whole("input_size");
            var ks = FirstThere(config).Select(layer => n / tensors.Size(Projection(layer, 0, isValue: false) + ".weight", 2)).ToArray();
            return WithLengths(config, ks) with { Projection = ProjectionKind.Convolution, Sharing = sharing, SequenceLength = n };
        }

        var rows = FirstThere(config).Select(layer => tensors.Size(Projection(layer, 0, isValue: false) + ".weight", 0)).ToArray();
        return WithLengths(config, rows) with { ProjectionBias = config.Attention == AttentionKind.Linear, Sharing = sharing, SequenceLength = tensors.Size(Projection(0, 0, isValue: false) + ".weight", 1) };
    }

    // Which layer there is the first in each layer here.
    private IEnumerable<int> FirstThere(LinformerConfig config) => Enumerable.Range(0, config.Layers).Select(layer => part.LayersThere(layer));

    private static LinformerConfig WithLengths(LinformerConfig config, int[] ks) =>
        config with { ProjectedLength = ks[0], ProjectedLengths = Array.TrueForAll(ks, k => k == ks[0]) ? null : PerLayer.Of(ks) };

    private bool IsConvolution() => tensors.Dimensions(Projection(0, 0, isValue: false) + ".weight") == 3;

    // What is shared is there several times.
    private ProjectionSharing SharingOf(LinformerConfig config)
    {
        var headsSame = All(config, (layer, head) => Same((layer, head, false), (layer, 0, false)) && Same((layer, head, true), (layer, 0, true)));
        if (!headsSame)
        {
            return ProjectionSharing.None;
        }

        var valuesSame = All(config, (layer, head) => head > 0 || Same((layer, 0, true), (layer, 0, false)));
        var layersSame = valuesSame && All(config, (layer, head) => head > 0 || Same((layer, 0, false), (0, 0, false)));
        return layersSame ? ProjectionSharing.Layerwise : valuesSame ? ProjectionSharing.KeyValue : ProjectionSharing.Headwise;
    }

    private bool All(LinformerConfig config, Func<int, int, bool> holds) =>
        Enumerable.Range(0, part.LayersThere(config.Layers)).All(layer => Enumerable.Range(0, config.Heads).All(head => holds(layer, head)));

    private bool Same((int Layer, int Head, bool IsValue) first, (int Layer, int Head, bool IsValue) second) =>
        first == second || ((string[])[".weight", ".bias"]).All(ending =>
            tensors.AreSame(Projection(first.Layer, first.Head, first.IsValue) + ending, Projection(second.Layer, second.Head, second.IsValue) + ending));

    private void TakeLayer(int layer)
    {
        var (attention, feedForward, here) = (Attention(layer), FeedForward(layer), part.NameOf(layer));
        var (input, output, width) = (_config.InputWidthOf(part.LayerOf(layer)), _config.OutputWidthOf(part.LayerOf(layer)), _config.FeedForward);
        foreach (var (there, name) in ((string, string)[])[("to_q", "query"), ("to_k", "key"), ("to_v", "value")])
        {
            using var scope = NewDisposeScope();
            var parts = Enumerable.Range(0, _config.Heads).Select(head => tensors.Take($"{attention}fn.{there}.{head}.weight", _config.HeadSize, input)).ToList();
            parameters[$"{here}attention.{name}.weight"] = cat(parts, 0).DetachFromDisposeScope();
        }

        if (tensors.Has(attention + "fn.w_o.weight"))
        {
            Both(attention + "fn.w_o", here + "attention.output", input, _config.QueryWidth);
        }
        else
        {
            TakeTwoOutputs(attention, here, input);
        }

        Both(attention + "norm", here + "attention_norm", input);
        if (!_hasFeedForward)
        {
            return;
        }

        Both(feedForward + "fn.w_1", here + "feed_forward.input", width, input);
        Both(feedForward + "fn.w_2", here + "feed_forward.output", output, width);
        Both(feedForward + "norm", here + "feed_forward_norm", output);
        if (input != output)
        {
            Both(feedForward + "resample", here + "residual", output, input);
        }
    }

    // w_o_intermediate_dim: two dense layers with nothing between them are one.
    private void TakeTwoOutputs(string attention, string here, int hidden)
    {
        using var scope = NewDisposeScope();
        var between = tensors.Size(attention + "fn.w_o_1.weight", 0);
        var second = tensors.Take(attention + "fn.w_o_2.weight", hidden, between);
        var bias = second.mv(tensors.Take(attention + "fn.w_o_1.bias", between)) + tensors.Take(attention + "fn.w_o_2.bias", hidden);
        parameters[here + "attention.output.weight"] = second.matmul(tensors.Take(attention + "fn.w_o_1.weight", between, _config.QueryWidth)).DetachFromDisposeScope();
        parameters[here + "attention.output.bias"] = bias.DetachFromDisposeScope();
    }

    private void TakeProjections(int layer)
    {
        if (!HasMatrices)
        {
            return;
        }

        var isConvolution = _config.Projection == ProjectionKind.Convolution;
        var kind = isConvolution ? "convolution" : "projection";
        foreach (var isValue in (bool[])[false, true])
        {
            using var scope = NewDisposeScope();
            var k = _config.ProjectedLengthOf(part.LayerOf(layer));
            long[] shape = isConvolution ? [_config.HeadSize, _config.HeadSize, _config.SequenceLength / k] : [k, _config.SequenceLength];
            var weights = Enumerable.Range(0, _config.Heads).Select(head => tensors.Take(Projection(layer, head, isValue) + ".weight", shape)).ToList();
            var biases = Enumerable.Range(0, _config.Heads).Select(head => tensors.Take(Projection(layer, head, isValue) + ".bias", shape[0])).ToList();
            var name = part.ProjectionOf(layer, _config.Sharing, isValue, kind);
            if (_config.Sharing == ProjectionSharing.None)
            {
                Set(name, stack(weights, 0));
                Set(name + "_bias", cat(biases, 0));
            }
            else
            {
                Set(name, weights[0]);
                Set(name + "_bias", biases[0]);
            }
        }

        void Set(string name, Tensor value)
        {
            if (parameters.TryAdd(name, value))
            {
                value.DetachFromDisposeScope();
            }
        }
    }

    // With emb_dim, a dense layer leads to the layers and one back.
    private void TakeEnds()
    {
        if (!part.IsOfTwo && !tensors.Has("to_logits.weight"))
        {
            CheckHeadless();
            return;
        }

        if (_config.Embedding != _config.Hidden)
        {
            Both("linformer.project_in", part.Here + "embedding_dense", _config.Hidden, _config.Embedding);
        }

        if (!part.IsOfTwo || part.IsDecoder)
        {
            TakeHead();
        }
        else if (_config.Embedding != _config.Hidden)
        {
            // To what the decoder attends to.
            Both("linformer.project_out", "source_dense", _config.Embedding, _config.Hidden);
        }
    }

    // Behind the way back, the head is one product.
    private void TakeHead()
    {
        var weight = tensors.Take("to_logits.weight", _config.VocabularySize, _config.Embedding);
        var bias = tensors.Take("to_logits.bias", _config.VocabularySize);
        if (_config.Embedding != _config.Hidden)
        {
            using var back = tensors.Take("linformer.project_out.weight", _config.Embedding, _config.Hidden);
            using var backBias = tensors.Take("linformer.project_out.bias", _config.Embedding);
            (weight, bias) = (weight.matmul(back), bias + weight.mv(backBias));
        }

        parameters[part.Head + "head_weight"] = weight;
        parameters[part.Head + "head_bias"] = bias;
    }

    // return_emb: what it gives are hidden states, and here a language model has a head.
    private void CheckHeadless()
    {
        if (_config.Embedding != _config.Hidden)
        {
            throw new ModelFormatException($"{tensors.Path}: there is no to_logits, and emb_dim is not channels. With return_emb such a model gives vectors of width {_config.Embedding}, and a model here of width {_config.Hidden}.");
        }

        notes.Add("The file has no head (return_emb); a new one was drawn at random, and has to be trained. Hidden states are the same.");
    }

    private void Both(string there, string here, params long[] shape)
    {
        parameters[here + ".weight"] = tensors.Take(there + ".weight", shape);
        parameters[here + ".bias"] = tensors.Take(there + ".bias", shape[0]);
    }
}
