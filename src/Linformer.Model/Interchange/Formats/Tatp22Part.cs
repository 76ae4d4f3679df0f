namespace Linformer.Model.Interchange.Formats;

/// <summary>One <c>LinformerLM</c> of tatp22/linformer-pytorch: where it is in its file, and in a model here.</summary>
/// <param name="There">What its tensors' names begin with.</param>
/// <param name="Here">What the names of its layers' parameters begin with.</param>
/// <param name="Prefix">What the names of its options begin with.</param>
/// <param name="IsDecoder"><c>decoder_mode</c>: behind each layer is one with attention over a source.</param>
internal sealed record Tatp22Part(string There, string Here, string Prefix, bool IsDecoder)
{
    /// <summary>Of <c>LinformerEncDec</c> it is the one option that both parts have, beside <c>checkpoint_level</c>.</summary>
    public const string Activation = "activation";

    /// <summary>An encoder by itself.</summary>
    public static readonly Tatp22Part Encoder = new("", "encoder.", "", IsDecoder: false);

    /// <summary>A decoder by itself.</summary>
    public static readonly Tatp22Part Decoder = new("", "", "", IsDecoder: true);

    /// <summary>The encoder of <c>LinformerEncDec</c>.</summary>
    public static readonly Tatp22Part Source = new("encoder.", "encoder.", "enc_", IsDecoder: false);

    /// <summary>The decoder of <c>LinformerEncDec</c>.</summary>
    public static readonly Tatp22Part Target = new("decoder.", "decoder.", "dec_", IsDecoder: true);

    /// <summary>What the names of the head's parameters begin with.</summary>
    public string Head => IsDecoder ? Here : string.Empty;

    /// <summary>Whether it is a part of <c>LinformerEncDec</c>.</summary>
    public bool IsOfTwo => Prefix.Length > 0;

    /// <summary>Layers there, each with one attention, for a number of layers here.</summary>
    public int LayersThere(int layers) => IsDecoder ? 2 * layers : layers;

    /// <summary>The layer here that a layer there is in.</summary>
    public int LayerOf(int there) => IsDecoder ? there / 2 : there;

    /// <summary>What the names of the parameters of a layer there begin with here.</summary>
    public string NameOf(int there) => IsDecoder
        ? $"{Here}layers.{there / 2}.{(there % 2 == 0 ? "target" : "source")}."
        : $"{Here}layers.{there}.";

    /// <summary>Where E and F of a layer there are here.</summary>
    public string ProjectionOf(int there, ProjectionSharing sharing, bool isValue, string kind) => sharing switch
    {
        ProjectionSharing.Layerwise => Here + kind,
        ProjectionSharing.KeyValue => NameOf(there) + kind,
        _ => $"{NameOf(there)}{kind}_{(isValue ? "value" : "key")}",
    };
}
