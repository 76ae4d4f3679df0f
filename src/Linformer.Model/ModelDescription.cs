using Linformer.Model.Classification;

namespace Linformer.Model;

/// <summary>All that is needed to build a model whose parameters are in a file: what <c>config.json</c> says.</summary>
/// <param name="Kind">What it is for.</param>
/// <param name="Config">The shape of its encoder; of an <see cref="ModelKind.OpenDecoder"/>, its own.</param>
/// <param name="Classification">Classes and pooling of a model of <see cref="ModelKind.Classification"/>; null for others.</param>
/// <param name="Decoder">The shape of the decoder of a model of <see cref="ModelKind.OpenSequenceToSequence"/>; null for others.</param>
public sealed record ModelDescription(ModelKind Kind, LinformerConfig Config, ClassificationHead? Classification = null, LinformerConfig? Decoder = null);
