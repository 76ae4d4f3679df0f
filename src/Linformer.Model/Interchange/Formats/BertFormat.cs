using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange.Formats;

/// <summary>
/// RoBERTa (Liu et al. 2019) and BERT (Devlin et al. 2018) as Hugging Face's transformers names them. The embedding of segment 0 is added to
/// those of positions; RoBERTa's first two positions, which are never used, are left out.
/// </summary>
internal sealed class BertFormat(bool isRoberta) : IModelFormat
{
    private const int RobertaOffset = 2;
    private const string Encoder = "encoder.layer.";

    // By what stands behind "encoder.layer.<l>." there and "encoder.layers.<l>." here.
    private static readonly (string There, string Here)[] Layer =
    [
        ("attention.self.query", "attention.query"),
        ("attention.self.key", "attention.key"),
        ("attention.self.value", "attention.value"),
        ("attention.output.dense", "attention.output"),
        ("attention.output.LayerNorm", "attention_norm"),
        ("intermediate.dense", "feed_forward.input"),
        ("output.dense", "feed_forward.output"),
        ("output.LayerNorm", "feed_forward_norm"),
    ];

    public string Name => isRoberta ? "roberta" : "bert";

    private string Model => isRoberta ? "roberta." : "bert.";

    private int Offset => isRoberta ? RobertaOffset : 0;

    private string HeadDense => isRoberta ? "lm_head.dense" : "cls.predictions.transform.dense";

    private string HeadNorm => isRoberta ? "lm_head.layer_norm" : "cls.predictions.transform.LayerNorm";

    private string HeadBias => isRoberta ? "lm_head.bias" : "cls.predictions.bias";

    private string HeadDecoder => isRoberta ? "lm_head.decoder" : "cls.predictions.decoder";

    public bool LooksLike(StateDict state) =>
        state.Contains(Model + "embeddings.word_embeddings.weight") || state.Contains("embeddings.word_embeddings.weight");

    public ImportedModel Import(SourceTensors tensors, FormatOptions options)
    {
        var prefix = tensors.Has(Model + "embeddings.word_embeddings.weight") ? Model : string.Empty;
        var config = Config(tensors, options, prefix);
        var parameters = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var notes = new List<string>();
        Embeddings(tensors, prefix, config, parameters, notes);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            foreach (var (there, here) in Layer)
            {
                var (outputs, inputs) = Shape(here, config);
                Take(tensors, $"{prefix}{Encoder}{layer}.{there}", $"encoder.layers.{layer}.{here}", outputs, inputs, parameters);
            }
        }

        Head(tensors, prefix, config, parameters, notes);
        var left = tensors.LeaveOut(name => name.EndsWith("position_ids", StringComparison.Ordinal) || name.EndsWith("embeddings.token_type_ids", StringComparison.Ordinal));
        var tasks = tensors.LeaveOut(name => !name.StartsWith(prefix + "encoder.", StringComparison.Ordinal) && !name.StartsWith(prefix + "embeddings.", StringComparison.Ordinal));
        if (tasks.Count > 0)
        {
            notes.Add($"Left out, since a masked language model has no place for them: {string.Join(", ", tasks.Except(left))}.");
        }

        tensors.CheckAllUsed(Name);
        return new ImportedModel(new ModelDescription(ModelKind.MaskedLanguage, config), parameters, notes);
    }

    public ExportedModel Export(ExportSource model)
    {
        var config = model.Config;
        CheckExport(model);
        var tensors = new List<(string, Tensor)>
        {
            (Model + "embeddings.word_embeddings.weight", model["encoder.token.weight"]),
            (Model + "embeddings.position_embeddings.weight", cat([zeros(Offset, config.Hidden), model["encoder.position.weight"]], 0)),
            (Model + "embeddings.token_type_embeddings.weight", zeros(isRoberta ? 1 : 2, config.Hidden)),
        };
        Both(Model + "embeddings.LayerNorm", "encoder.norm");
        for (var layer = 0; layer < config.Layers; layer++)
        {
            foreach (var (there, here) in Layer)
            {
                Both($"{Model}{Encoder}{layer}.{there}", $"encoder.layers.{layer}.{here}");
            }
        }

        Both(HeadDense, "head_dense");
        Both(HeadNorm, "head_norm");
        tensors.Add((HeadBias, model["head_bias"]));
        return new ExportedModel(tensors, Description(config));

        void Both(string there, string here)
        {
            foreach (var ending in (string[])["weight", "bias"])
            {
                tensors.Add(($"{there}.{ending}", model[$"{here}.{ending}"]));
            }
        }
    }

    private void CheckExport(ExportSource model)
    {
        var config = model.Config;
        model.Require(config.Attention == AttentionKind.Full, "attention", "linear", "full; lucidrains, tatp22 and fairseq have Linformers");
        model.Require(config.Normalization == Normalization.Post, "normalization", "pre", "post");
        model.Require(config.OuterNorm, "outerNorm", "false", "true");
        model.Require(config.Positions == PositionKind.Learned, "positions", "sinusoidal", "learned");
        model.Require(config.Embedding == config.Hidden, "embedding", config.Embedding, "hidden");
        model.Require(config.Head == HeadKind.Transformed, "head", "linear", "transformed");
        model.Require(config is { AttentionBias: true, ShareKeyValue: false } && config.KeyValueHeads == config.Heads && config.QueryWidth == config.Hidden, "attention", "another variant", "that of the Transformer, with biases");
        model.Require(!config.Gated && config.FeedForwards is null, "feed-forward layer", "gated or of different widths", "neither");
        model.Require(isRoberta || config.Activation == Activation.Gelu, "activation", "relu", "gelu, as that of the head");
        model.RequireUsualLayers();
    }

    private static (long Outputs, long? Inputs) Shape(string name, LinformerConfig config) => name switch
    {
        "feed_forward.input" => (config.FeedForward, config.Hidden),
        "feed_forward.output" => (config.Hidden, config.FeedForward),
        _ when name.EndsWith("norm", StringComparison.Ordinal) => (config.Hidden, null),
        _ => (config.Hidden, config.Hidden),
    };

    private static void Take(SourceTensors tensors, string there, string here, long outputs, long? inputs, Dictionary<string, Tensor> parameters)
    {
        // What was converted from TensorFlow long ago has other names in its norms.
        var old = inputs is null && tensors.Has(there + ".gamma");
        parameters[here + ".weight"] = tensors.Take(there + (old ? ".gamma" : ".weight"), inputs is null ? [outputs] : [outputs, inputs.Value]);
        parameters[here + ".bias"] = tensors.Take(there + (old ? ".beta" : ".bias"), outputs);
    }

    private LinformerConfig Config(SourceTensors tensors, FormatOptions options, string prefix)
    {
        options.OneOf("model_type", Name, (Name, Name));
        options.OneOf("position_embedding_type", "absolute", ("absolute", "absolute"));
        options.Refuse("is_decoder", "only encoders are read.");
        options.Refuse("add_cross_attention", "only encoders are read.");
        if (isRoberta && options.Whole("pad_token_id", 1) != 1)
        {
            throw new ModelFormatException($"{tensors.Path}: pad_token_id is {options.Whole("pad_token_id", 1)}; positions of RoBERTa begin behind that of <pad>, which must be 1.");
        }

        var words = prefix + "embeddings.word_embeddings.weight";
        var dropout = options.Number("hidden_dropout_prob", 0.1);
        var attention = options.Number("attention_probs_dropout_prob", dropout);
        return new LinformerConfig
        {
            VocabularySize = tensors.Size(words, 0),
            Hidden = tensors.Size(words, 1),
            Layers = tensors.Count(layer => $"{prefix}{Encoder}{layer}.attention.self.query.weight"),
            Heads = options.Whole("num_attention_heads"),
            FeedForward = tensors.Size($"{prefix}{Encoder}0.intermediate.dense.weight", 0),
            SequenceLength = tensors.Size(prefix + "embeddings.position_embeddings.weight", 0) - Offset,
            ProjectedLength = 1,
            Attention = AttentionKind.Full,
            Normalization = Normalization.Post,
            // BERT's head has the same function as its layers; the head here is with GELU alone.
            Activation = options.OneOf("hidden_act", Activation.Gelu, isRoberta ? [("gelu", Activation.Gelu), ("relu", Activation.Relu)] : [("gelu", Activation.Gelu)]),
            Dropout = dropout,
            AttentionDropout = attention == dropout ? null : attention,
            NormEpsilon = options.Number("layer_norm_eps", isRoberta ? 1e-5 : 1e-12),
        };
    }

    private void Embeddings(SourceTensors tensors, string prefix, LinformerConfig config, Dictionary<string, Tensor> parameters, List<string> notes)
    {
        var types = prefix + "embeddings.token_type_embeddings.weight";
        parameters["encoder.token.weight"] = tensors.Take(prefix + "embeddings.word_embeddings.weight", config.VocabularySize, config.Hidden);
        using var positions = tensors.Take(prefix + "embeddings.position_embeddings.weight", config.SequenceLength + Offset, config.Hidden);
        var used = positions.narrow(0, Offset, config.SequenceLength);
        if (tensors.Has(types))
        {
            using var segments = tensors.Take(types, tensors.Size(types, 0), config.Hidden);
            parameters["encoder.position.weight"] = used + segments.narrow(0, 0, 1);
            if (segments.shape[0] > 1)
            {
                notes.Add("The embedding of segment 0 was added to those of positions; those of other segments are left out, so pairs of texts are not told apart.");
            }
        }
        else
        {
            parameters["encoder.position.weight"] = used.clone();
        }

        Take(tensors, prefix + "embeddings.LayerNorm", "encoder.norm", config.Hidden, null, parameters);
    }

    private void Head(SourceTensors tensors, string prefix, LinformerConfig config, Dictionary<string, Tensor> parameters, List<string> notes)
    {
        if (!tensors.Has(HeadDense + ".weight"))
        {
            notes.Add("The file has no head for masked words; a new one was drawn at random, and has to be trained.");
            return;
        }

        if (tensors.Has(HeadDecoder + ".weight") && !tensors.AreSame(HeadDecoder + ".weight", prefix + "embeddings.word_embeddings.weight"))
        {
            throw new ModelFormatException($"{tensors.Path}: '{HeadDecoder}.weight' is not the matrix of the words' embeddings; a head of its own behind a dense layer is not supported.");
        }

        Take(tensors, HeadDense, "head_dense", config.Hidden, config.Hidden, parameters);
        Take(tensors, HeadNorm, "head_norm", config.Hidden, null, parameters);
        var bias = tensors.Has(HeadBias) ? HeadBias : HeadDecoder + ".bias";
        parameters["head_bias"] = tensors.Take(bias, config.VocabularySize);
        tensors.LeaveOut(name => name.StartsWith(HeadDecoder, StringComparison.Ordinal));
    }

    private JsonObject Description(LinformerConfig config) => new()
    {
        ["model_type"] = Name,
        ["architectures"] = new JsonArray(isRoberta ? "RobertaForMaskedLM" : "BertForMaskedLM"),
        ["vocab_size"] = config.VocabularySize,
        ["hidden_size"] = config.Hidden,
        ["num_hidden_layers"] = config.Layers,
        ["num_attention_heads"] = config.Heads,
        ["intermediate_size"] = config.FeedForward,
        ["max_position_embeddings"] = config.SequenceLength + Offset,
        ["type_vocab_size"] = isRoberta ? 1 : 2,
        ["hidden_act"] = config.Activation == Activation.Relu ? "relu" : "gelu",
        ["hidden_dropout_prob"] = config.Dropout,
        ["attention_probs_dropout_prob"] = config.AttentionDropout ?? config.Dropout,
        ["layer_norm_eps"] = config.NormEpsilon,
        ["position_embedding_type"] = "absolute",
        ["pad_token_id"] = isRoberta ? 1 : 0,
        ["tie_word_embeddings"] = true,
    };
}
