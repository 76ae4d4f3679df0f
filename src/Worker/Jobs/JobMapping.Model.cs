using Linformer.Model;
using Linformer.Protocol;
using ModelAttention = Linformer.Model.AttentionKind;
using ModelCausal = Linformer.Model.CausalKind;
using ModelHead = Linformer.Model.HeadKind;
using ModelProjection = Linformer.Model.ProjectionKind;

namespace Linformer.Worker.Jobs;

public static partial class JobMapping
{
    /// <summary>The model's shape.</summary>
    /// <param name="job">The job.</param>
    /// <param name="vocabularySize">Tokens of the job's tokenizer.</param>
    public static LinformerConfig ModelConfig(JobFile job, int vocabularySize)
    {
        var model = job.Model;
        var config = new LinformerConfig
        {
            VocabularySize = vocabularySize,
            Layers = model.Layers,
            Heads = model.Heads,
            Hidden = model.Hidden,
            FeedForward = model.FeedForward,
            SequenceLength = model.SequenceLength,
            ProjectedLength = model.ProjectedLength,
            ProjectedLengths = Projected(model),
            Sharing = Sharing(model.Sharing),
            Projection = Projection(model.Projection),
            TrainProjection = model.TrainProjection,
            ProjectionBias = model.ProjectionBias,
            Attention = model.Attention == Protocol.AttentionKind.Full ? ModelAttention.Full : ModelAttention.Linear,
            ShareKeyValue = model.ShareKeyValue,
            AttentionBias = model.AttentionBias,
            Positions = model.Positions == PositionsKind.Sinusoidal ? PositionKind.Sinusoidal : PositionKind.Learned,
            PositionBase = model.PositionBase,
            Activation = model.Activation == ActivationKind.Relu ? Activation.Relu : Activation.Gelu,
            Gated = model.Gated,
            FeedForwards = model.FeedForwards is { } widths ? [.. widths] : null,
            Normalization = model.Normalization == NormalizationKind.Post ? Normalization.Post : Normalization.Pre,
            OuterNorm = model.OuterNorm,
            Head = model.Head == Protocol.HeadKind.Linear ? ModelHead.Linear : ModelHead.Transformed,
            Dropout = model.Dropout,
            AttentionDropout = model.AttentionDropout,
            EmbeddingDropout = model.EmbeddingDropout,
            FeedForwardDropout = model.FeedForwardDropout,
            ProjectionDropout = model.ProjectionDropout,
            Reversible = model.Reversible,
            Checkpointing = model.Checkpointing switch
            {
                CheckpointingKind.Layer => Checkpointing.Layer,
                CheckpointingKind.Head => Checkpointing.Head,
                _ => Checkpointing.None,
            },
            Causal = model.Causal switch
            {
                Protocol.CausalKind.Segments => ModelCausal.Segments,
                Protocol.CausalKind.MaskMap => ModelCausal.MaskMap,
                _ => ModelCausal.None,
            },
            SegmentLength = model.SegmentLength,
            DecoderLayers = model.DecoderLayers,
            CrossProjectedLength = model.CrossProjectedLength,
        };

        // Where the job says nothing, these follow from other fields.
        config = model.KeyValueHeads is { } keyValueHeads ? config with { KeyValueHeads = keyValueHeads } : config;
        config = model.HeadSize is { } headSize ? config with { HeadSize = headSize } : config;
        return model.Embedding is { } embedding ? config with { Embedding = embedding } : config;
    }

    /// <summary>The shape of a model with a decoder, whose linear attention is by segments unless the job says otherwise.</summary>
    /// <param name="job">The job.</param>
    /// <param name="vocabularySize">Tokens of the job's tokenizer.</param>
    public static LinformerConfig DecoderConfig(JobFile job, int vocabularySize)
    {
        var config = ModelConfig(job, vocabularySize);
        return config is { Attention: ModelAttention.Linear, Causal: ModelCausal.None } ? config with { Causal = ModelCausal.Segments } : config;
    }

    private static PerLayer? Projected(ModelSection model) => model switch
    {
        { ProjectedLengths: { } list } => [.. list],
        { ProjectedLengthStep: > 0 } => [.. Enumerable.Range(0, model.Layers).Select(model.ProjectedLengthOf)],
        _ => null,
    };

    private static ProjectionSharing Sharing(SharingKind sharing) => sharing switch
    {
        SharingKind.None => ProjectionSharing.None,
        SharingKind.Headwise => ProjectionSharing.Headwise,
        SharingKind.KeyValue => ProjectionSharing.KeyValue,
        _ => ProjectionSharing.Layerwise,
    };

    private static ModelProjection Projection(Protocol.ProjectionKind projection) => projection switch
    {
        Protocol.ProjectionKind.Convolution => ModelProjection.Convolution,
        Protocol.ProjectionKind.MeanPool => ModelProjection.MeanPool,
        Protocol.ProjectionKind.MaxPool => ModelProjection.MaxPool,
        Protocol.ProjectionKind.Fixed => ModelProjection.Fixed,
        _ => ModelProjection.Learned,
    };
}
