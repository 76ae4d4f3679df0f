namespace Linformer.Training;

/// <summary>What is kept of past losses. Part of every checkpoint, since the next verdicts depend on it.</summary>
/// <param name="Mean">Exponential running mean of the good losses.</param>
/// <param name="Count">Good losses so far.</param>
public readonly record struct LossHistory(double Mean, long Count);

/// <summary>Says whether a step's loss is good, as a pure function of the losses before it.</summary>
public static class LossMonitor
{
    /// <summary>A loss above this many times its running mean is bad.</summary>
    public const double Factor = 3;

    /// <summary>Good losses before the running mean is trusted.</summary>
    public const long TrustedAfter = 20;

    private const double Decay = 0.98;

    /// <summary>Why a step is bad, or null when it is good.</summary>
    /// <param name="history">The losses before.</param>
    /// <param name="loss">Mean loss of the step, in nats per predicted token.</param>
    /// <param name="gradientNorm">Global norm of the step's gradient before clipping.</param>
    public static string? Verdict(LossHistory history, double loss, double gradientNorm)
    {
        if (!double.IsFinite(loss))
        {
            return $"the loss is {loss}";
        }

        if (!double.IsFinite(gradientNorm))
        {
            return $"the gradient's norm is {gradientNorm}";
        }

        return history.Count >= TrustedAfter && loss > Factor * history.Mean
            ? $"the loss is {loss:0.####}, above {Factor} times its running mean {history.Mean:0.####}"
            : null;
    }

    /// <summary>The history with one more good loss.</summary>
    /// <param name="history">The losses before.</param>
    /// <param name="loss">The good loss.</param>
    public static LossHistory Add(LossHistory history, double loss)
    {
        // While there are few, all count alike.
        var decay = Math.Min(Decay, history.Count / (history.Count + 1.0));
        return new LossHistory((decay * history.Mean) + ((1 - decay) * loss), history.Count + 1);
    }
}
