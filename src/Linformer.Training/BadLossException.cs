namespace Linformer.Training;

/// <summary>The loss of a step is bad, and the job says to stop or to go back then. The trainer can be used on.</summary>
public sealed class BadLossException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="step">The step, from 1.</param>
    /// <param name="reason">What is wrong with the loss.</param>
    /// <param name="rule">What the job says.</param>
    public BadLossException(long step, string reason, BadLossRule rule = BadLossRule.Stop)
        : base($"Step {step}: {reason}. Nothing of the step was applied.{Advice(rule)}") => (Step, Reason) = (step, reason);

    /// <summary>The step, from 1.</summary>
    public long Step { get; }

    /// <summary>What is wrong with the loss, such as <c>the loss is NaN</c>.</summary>
    public string Reason { get; }

    private static string Advice(BadLossRule rule) =>
        rule == BadLossRule.Stop ? " Lower training.learningRate, or set training.onBadLoss to skip or back." : "";
}
