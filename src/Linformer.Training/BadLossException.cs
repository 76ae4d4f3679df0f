namespace Linformer.Training;

/// <summary>The loss of a step is bad, and the job says to stop then.</summary>
/// <param name="step">The step, from 1.</param>
/// <param name="reason">What is wrong with the loss.</param>
public sealed class BadLossException(long step, string reason)
    : Exception($"Step {step}: {reason}. Nothing of the step was applied. Lower training.learningRate, or set training.onBadLoss to skip.")
{
    /// <summary>The step, from 1.</summary>
    public long Step { get; } = step;
}
