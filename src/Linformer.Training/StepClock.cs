namespace Linformer.Training;

/// <summary>What the thread that trains spends its time with.</summary>
public enum StepPhase
{
    /// <summary>Everything that is no part of a step: evaluation, checkpoints, telling of what was done.</summary>
    Other,

    /// <summary>Reads, masks and places the batch.</summary>
    Data,

    /// <summary>The losses of the micro-batches.</summary>
    Forward,

    /// <summary>The gradients of the micro-batches.</summary>
    Backward,

    /// <summary>Sums gradients over the ranks; most of it may be the wait for slower ones.</summary>
    Reduce,

    /// <summary>Scales and clips the gradient, and updates the parameters.</summary>
    Update,
}

/// <summary>
/// Where the time of the thread that trains goes. One phase follows the other without a gap, so that the times of all phases add up
/// to the wall time. For one thread.
/// </summary>
/// <remarks>
/// It is the time of this thread. What a GPU does, it does later: there the time is counted in the phase that waits for it, mostly
/// <see cref="StepPhase.Data"/> (a transfer waits for what came before it) and <see cref="StepPhase.Backward"/> (whose end reads the
/// losses). To wait after each phase would cost more than the numbers are worth.
/// </remarks>
/// <param name="time">Tells the time.</param>
public sealed class StepClock(TimeProvider time)
{
    private readonly long[] _spent = new long[Enum.GetValues<StepPhase>().Length];
    private StepPhase _phase = StepPhase.Other;
    private long _since = time.GetTimestamp();
    private int _steps;
    private long _tokens;

    /// <summary>Makes one that goes by the system's clock.</summary>
    public StepClock()
        : this(TimeProvider.System)
    {
    }

    /// <summary>The phase before ends and another one begins, or the same goes on.</summary>
    /// <param name="phase">Which.</param>
    public void Enter(StepPhase phase)
    {
        var now = time.GetTimestamp();
        _spent[(int)_phase] += now - _since;
        (_phase, _since) = (phase, now);
    }

    /// <summary>A step is done; what follows belongs to no step.</summary>
    /// <param name="tokens">Tokens that this rank has put through the model for it.</param>
    public void StepDone(long tokens)
    {
        Enter(StepPhase.Other);
        _steps++;
        _tokens += tokens;
    }

    /// <summary>What was counted since the last call, or since the clock was made, up to now.</summary>
    public StepTimes Take()
    {
        Enter(_phase);
        var times = new StepTimes(
            _steps,
            _tokens,
            Spent(StepPhase.Data),
            Spent(StepPhase.Forward),
            Spent(StepPhase.Backward),
            Spent(StepPhase.Reduce),
            Spent(StepPhase.Update),
            Spent(StepPhase.Other));
        Array.Clear(_spent);
        (_steps, _tokens) = (0, 0);
        return times;
    }

    private TimeSpan Spent(StepPhase phase) => time.GetElapsedTime(0, _spent[(int)phase]);
}

/// <summary>Where the time of some steps went. All times together are the wall time.</summary>
/// <param name="Steps">Steps that were done.</param>
/// <param name="Tokens">Tokens that this rank put through the model.</param>
/// <param name="Data">See <see cref="StepPhase.Data"/>.</param>
/// <param name="Forward">See <see cref="StepPhase.Forward"/>.</param>
/// <param name="Backward">See <see cref="StepPhase.Backward"/>.</param>
/// <param name="Reduce">See <see cref="StepPhase.Reduce"/>.</param>
/// <param name="Update">See <see cref="StepPhase.Update"/>.</param>
/// <param name="Other">See <see cref="StepPhase.Other"/>.</param>
public readonly record struct StepTimes(
    int Steps, long Tokens, TimeSpan Data, TimeSpan Forward, TimeSpan Backward, TimeSpan Reduce, TimeSpan Update, TimeSpan Other)
{
    /// <summary>The wall time.</summary>
    public TimeSpan Total => Data + Forward + Backward + Reduce + Update + Other;
}
