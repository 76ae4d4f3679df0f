using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange.Formats;

/// <summary>
/// tatp22/linformer-pytorch. <c>LinformerLM</c>: post-norm without a norm of the embeddings, queries, keys and values of each head by
/// themselves and without biases, E and F as dense layers with biases, sinusoidal positions, a head of its own; with <c>decoder_mode</c>
/// an open decoder. <c>LinformerEncDec</c>: one without a head, and such a decoder.
/// </summary>
internal sealed class Tatp22Format : IModelFormat
{
    public const double PositionBase = 100_000;

    // What each part of LinformerEncDec has, behind enc_ or dec_.
    private static readonly string[] PartOptions =
    [
        "num_tokens", "input_size", "channels", "dim_k", "dim_ff", "dim_d", "dropout_ff", "nhead", "depth", "ff_intermediate", "dropout",
        "parameter_sharing", "k_reduce_by_layer", "full_attention", "include_ff", "w_o_intermediate_dim", "emb_dim", "method",
    ];

    private static readonly string[] CommonOptions = [Tatp22Part.Activation, "checkpoint_level"];

    private static readonly string[] Options = [.. PartOptions, .. CommonOptions, "dropout_tokens", "return_emb", "decoder_mode", "causal"];

    private static readonly string[] OptionsOfTwo = [.. PartOptions.SelectMany(name => (string[])["enc_" + name, "dec_" + name]), .. CommonOptions];

    public string Name => "tatp22";

    public IReadOnlyList<ModelKind> Kinds { get; } = [ModelKind.MaskedLanguage, ModelKind.OpenDecoder, ModelKind.OpenSequenceToSequence];

    public bool LooksLike(StateDict state) => state.Names.Any(name => name.Contains("seq.0.fn.to_q.0.weight", StringComparison.Ordinal));

    public ImportedModel Import(SourceTensors tensors, FormatOptions options)
    {
        var parameters = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var notes = new List<string>();
        ModelDescription description;
        if (tensors.Names.Any(name => name.StartsWith(Tatp22Part.Source.There, StringComparison.Ordinal) || name.StartsWith(Tatp22Part.Target.There, StringComparison.Ordinal)))
        {
            options.AllowOnly(OptionsOfTwo);
            var (encoder, decoder) = (Take(Tatp22Part.Source), Take(Tatp22Part.Target));
            RequireSameWidth(tensors, encoder, decoder);
            description = new ModelDescription(ModelKind.OpenSequenceToSequence, encoder, Decoder: decoder);
        }
        else
        {
            options.AllowOnly(Options);
            options.CheckSame("return_emb", !tensors.Has("to_logits.weight"), tensors.Path);
            description = options.Flag("decoder_mode")
                ? new ModelDescription(ModelKind.OpenDecoder, Take(Tatp22Part.Decoder))
                : new ModelDescription(ModelKind.MaskedLanguage, Take(Tatp22Part.Encoder));
        }

        tensors.CheckAllUsed(Name);
        return new ImportedModel(description, parameters, notes);

        LinformerConfig Take(Tatp22Part part)
        {
            var (own, given) = part.IsOfTwo ? (tensors.Part(part.There), options.Part(part.Prefix, CommonOptions)) : (tensors, options);
            CheckPart(part, own, given);
            return new Tatp22Import(part, own, given, parameters, notes).Run();
        }
    }

    public ExportedModel Export(ExportSource model)
    {
        var tensors = new List<(string, Tensor)>();
        if (model.Description.Decoder is not { } decoder)
        {
            var part = model.Description.Kind == ModelKind.OpenDecoder ? Tatp22Part.Decoder : Tatp22Part.Encoder;
            return new ExportedModel(tensors, Taken(part, model.Config));
        }

        CheckTwo(model, model.Config, decoder);
        var arguments = new JsonObject();
        foreach (var (part, config) in new[] { (Tatp22Part.Source, model.Config), (Tatp22Part.Target, decoder) })
        {
            foreach (var (name, value) in Taken(part, config))
            {
                if (CommonOptions.Contains(name) || PartOptions.Contains(name))
                {
                    arguments[CommonOptions.Contains(name) ? name : part.Prefix + name] = value?.DeepClone();
                }
            }
        }

        return new ExportedModel(tensors, arguments);

        JsonObject Taken(Tatp22Part part, LinformerConfig config)
        {
            var export = new Tatp22Export(part, model, config, tensors);
            export.Run();
            return export.Arguments();
        }
    }

    private static void CheckPart(Tatp22Part part, SourceTensors tensors, FormatOptions options)
    {
        if (!tensors.Has("to_token_emb.weight"))
        {
            throw new ModelFormatException($"{tensors.Path}: there is no '{part.There}to_token_emb.weight'. A Linformer by itself, without embeddings, is not supported; only LinformerLM and LinformerEncDec are read.");
        }

        options.CheckSame("include_ff", tensors.Names.Any(name => name.EndsWith(".fn.w_1.weight", StringComparison.Ordinal)), tensors.Path);
        if (part.IsDecoder)
        {
            options.Refuse("ff_intermediate", "a decoder has one width there, too.");
        }
    }

    private static void RequireSameWidth(SourceTensors tensors, LinformerConfig encoder, LinformerConfig decoder)
    {
        if (encoder.Embedding != decoder.Hidden)
        {
            throw new ModelFormatException(
                $"{tensors.Path}: the encoder gives vectors of width {encoder.Embedding} (enc_emb_dim, or else enc_channels), and dec_channels is {decoder.Hidden}; with different ones such a model does not run there.");
        }
    }

    private static void CheckTwo(ExportSource model, LinformerConfig encoder, LinformerConfig decoder)
    {
        model.Require(encoder.Embedding == decoder.Hidden, "encoder's width of embeddings", encoder.Embedding, $"that of the decoder's layers, here {decoder.Hidden}");
        model.Require(encoder.Activation == decoder.Activation, "decoder's activation", decoder.Activation, "that of the encoder");
        model.Require(encoder.Causal == CausalKind.None, "encoder's causal", encoder.Causal, "none");
        model.Require(decoder.Causal == CausalKind.MaskMap, "decoder's causal", decoder.Causal, "mask-map");
    }
}
