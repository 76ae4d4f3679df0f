using System.Collections.Immutable;
using Linformer.Training.Measures;

namespace Linformer.Training.Selection;

/// <summary>What came of an evaluation.</summary>
/// <param name="Step">The step after which it was made.</param>
/// <param name="Loss">The mean held-out loss.</param>
/// <param name="Predicted">What was predicted in it.</param>
/// <param name="Measures">What else was measured, by name; null for nothing.</param>
public sealed record EvaluationPoint(long Step, double Loss, long Predicted, IReadOnlyDictionary<string, double>? Measures)
{
    /// <summary>The value of a measure; NaN if it was not measured.</summary>
    /// <param name="measure">Its name; see <see cref="MeasureNames"/>.</param>
    public double Of(string measure) => measure == MeasureNames.Loss ? Loss : Measures?.GetValueOrDefault(measure, double.NaN) ?? double.NaN;

    /// <summary>The result that it is of.</summary>
    public EvaluationResult Result => new(Loss, Predicted, Measures);
}

/// <summary>When training ends before its last step.</summary>
/// <param name="Measure">By which measure.</param>
/// <param name="Patience">Evaluations in a row that are no better than the best, after which it ends; at least 1.</param>
public sealed record EarlyStoppingOptions(string Measure, int Patience);

/// <summary>
/// The evaluations of a training so far, in the order of their steps. What is decided by them is a function of this alone, and so the same
/// on all ranks, whenever they joined. Immutable.
/// </summary>
public sealed class EvaluationHistory
{
    private readonly ImmutableArray<EvaluationPoint> _points;

    private EvaluationHistory(ImmutableArray<EvaluationPoint> points) => _points = points;

    /// <summary>Before the first evaluation.</summary>
    public static EvaluationHistory Empty { get; } = new([]);

    /// <summary>The evaluations.</summary>
    public IReadOnlyList<EvaluationPoint> Points => _points;

    /// <summary>The evaluations; null if there are none.</summary>
    public IReadOnlyList<EvaluationPoint>? OrNull => _points.IsEmpty ? null : _points;

    /// <summary>A history from its points; those behind a step are left out.</summary>
    /// <param name="points">The points, null for none.</param>
    /// <param name="step">The last step.</param>
    public static EvaluationHistory Of(IReadOnlyList<EvaluationPoint>? points, long step) =>
        points is null ? Empty : new EvaluationHistory([.. points.Where(point => point.Step <= step).OrderBy(point => point.Step)]);

    /// <summary>The history with one more evaluation. One of the same step, as after a rank was lost in the middle of it, takes the place of the earlier one.</summary>
    /// <param name="point">The evaluation.</param>
    public EvaluationHistory Add(EvaluationPoint point)
    {
        ArgumentNullException.ThrowIfNull(point);
        return new EvaluationHistory([.. _points.Where(earlier => earlier.Step < point.Step), point]);
    }

    /// <summary>The best evaluation by a measure, of equals the first; null if none has a number for it.</summary>
    /// <param name="measure">Its name.</param>
    public EvaluationPoint? Best(string measure)
    {
        var sign = MeasureNames.HigherIsBetter(measure) ? 1 : -1;
        EvaluationPoint? best = null;
        foreach (var point in _points)
        {
            if (!double.IsNaN(point.Of(measure)) && (best is null || sign * point.Of(measure) > sign * best.Of(measure)))
            {
                best = point;
            }
        }

        return best;
    }

    /// <summary>Whether training should end now.</summary>
    /// <param name="options">When; null for never.</param>
    public bool ShouldStop(EarlyStoppingOptions? options)
    {
        if (options is null)
        {
            return false;
        }

        var best = Best(options.Measure)?.Step ?? 0;
        return _points.Count(point => point.Step > best) >= options.Patience;
    }
}
