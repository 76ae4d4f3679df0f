using Linformer.Training.Selection;

namespace Linformer.Training;

/// <summary>What a trainer knows beside its tensors. With them, it is all that the next step depends on.</summary>
/// <param name="Step">Steps taken, whether their updates were applied or not.</param>
/// <param name="Updates">Updates applied: it corrects the bias of the optimizer's moments.</param>
/// <param name="LossHistory">Past losses, on which the verdict over the next one depends.</param>
/// <param name="World">How many ranks computed each step.</param>
public sealed record TrainerState(long Step, long Updates, LossHistory LossHistory, WorldHistory World)
{
    /// <summary>What came of the evaluations so far, where something is decided by them; otherwise empty.</summary>
    public EvaluationHistory Evaluations { get; init; } = EvaluationHistory.Empty;

    /// <summary>Before the first step.</summary>
    public static TrainerState Initial { get; } = new(0, 0, default, WorldHistory.Empty);
}
