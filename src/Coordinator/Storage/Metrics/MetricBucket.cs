namespace Linformer.Coordinator.Storage.Metrics;

/// <summary>The numbers of some steps, brought together.</summary>
/// <param name="FirstStep">The first step in it.</param>
/// <param name="LastStep">The last step in it.</param>
/// <param name="At">The newest time in it.</param>
/// <param name="Steps">How many steps are in it; others may be missing between the first and the last.</param>
/// <param name="Loss">Mean loss per predicted token, in nats.</param>
/// <param name="LearningRate">The learning rate.</param>
/// <param name="TokensPerSecond">Of all ranks together.</param>
/// <param name="GradientNorm">Before clipping.</param>
/// <param name="HeldOutLoss">Mean loss per predicted held-out token, in nats.</param>
/// <param name="WorldSize">The ranks.</param>
public sealed record MetricBucket(
    long FirstStep,
    long LastStep,
    DateTimeOffset At,
    long Steps,
    SeriesSummary Loss,
    SeriesSummary LearningRate,
    SeriesSummary TokensPerSecond,
    SeriesSummary GradientNorm,
    SeriesSummary HeldOutLoss,
    SeriesSummary WorldSize)
{
    /// <summary>Of one step.</summary>
    public static MetricBucket Of(MetricRow row) => new(
        row.Step,
        row.Step,
        row.At,
        1,
        SeriesSummary.Of(row.Loss),
        SeriesSummary.Of(row.LearningRate),
        SeriesSummary.Of(row.TokensPerSecond),
        SeriesSummary.Of(row.GradientNorm),
        SeriesSummary.Of(row.HeldOutLoss),
        SeriesSummary.Of(row.WorldSize));

    /// <summary>Both together.</summary>
    public MetricBucket And(MetricBucket other) => new(
        Math.Min(FirstStep, other.FirstStep),
        Math.Max(LastStep, other.LastStep),
        At > other.At ? At : other.At,
        Steps + other.Steps,
        Loss.And(other.Loss),
        LearningRate.And(other.LearningRate),
        TokensPerSecond.And(other.TokensPerSecond),
        GradientNorm.And(other.GradientNorm),
        HeldOutLoss.And(other.HeldOutLoss),
        WorldSize.And(other.WorldSize));
}
