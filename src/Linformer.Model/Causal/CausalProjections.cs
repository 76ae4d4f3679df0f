using Linformer.Model.Layers;
using TorchSharp.Modules;

namespace Linformer.Model.Causal;

/// <summary>Makes the projections of causal attention, owned by one module.</summary>
internal static class CausalProjections
{
    /// <summary>Whether layers share the model's own projection.</summary>
    /// <param name="config">The model's shape.</param>
    public static bool AreShared(LinformerConfig config) => config.Attention == AttentionKind.Linear && config.Sharing == ProjectionSharing.Layerwise;

    /// <summary>The projection of one module; null for full attention.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="size">Rows and columns of a matrix.</param>
    /// <param name="prefix">What the names of the parameters begin with.</param>
    /// <param name="placement">Element type and device of the parameters.</param>
    /// <param name="register">Registers a parameter.</param>
    public static BlockProjection? Make(LinformerConfig config, (long Rows, long Columns) size, string prefix, Placement placement, Action<string, Parameter> register)
    {
        if (config.Attention == AttentionKind.Full)
        {
            return null;
        }

        Parameter New(string name)
        {
            var parameter = config.Sharing == ProjectionSharing.None
                ? placement.NewParameter(config.Heads, size.Rows, size.Columns)
                : placement.NewParameter(size.Rows, size.Columns);
            register(prefix + name, parameter);
            return parameter;
        }

        if (config.Sharing is ProjectionSharing.KeyValue or ProjectionSharing.Layerwise)
        {
            var both = New("projection");
            return new BlockProjection(both, both);
        }

        return new BlockProjection(New("projection_key"), New("projection_value"));
    }

    /// <summary>Rows and columns of a projection of causal self-attention.</summary>
    /// <param name="config">The model's shape.</param>
    public static (long Rows, long Columns) SizeOf(LinformerConfig config)
    {
        if (config.Causal == CausalKind.MaskMap)
        {
            return (config.ProjectedLength, config.SequenceLength);
        }

        var plan = SegmentPlan.Of(config);
        return (plan.SummariesPerSegment, plan.Length);
    }

    /// <summary>Rows and columns of the projection of a source.</summary>
    /// <param name="config">The model's shape.</param>
    public static (long Rows, long Columns) CrossSizeOf(LinformerConfig config) => (config.CrossProjectedLength ?? config.ProjectedLength, config.SequenceLength);
}
