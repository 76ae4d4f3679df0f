namespace Linformer.Cli.Screens;

/// <summary>
/// How fast steps come, by those of the last seconds: a generation that starts, or a coordinator that was away, makes steps slow for
/// a while.
/// </summary>
/// <param name="time">The clock.</param>
public sealed class StepRate(TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(20);

    private readonly Queue<(long Time, long Step)> _recent = new();
    private (int Lineage, int Generation)? _counted;

    /// <summary>Takes note of a step.</summary>
    /// <param name="lineage">Its lineage.</param>
    /// <param name="generation">Its generation; with another one the count begins anew.</param>
    /// <param name="step">The step.</param>
    public void Take(int lineage, int generation, long step)
    {
        if (_counted != (lineage, generation))
        {
            _recent.Clear();
            _counted = (lineage, generation);
        }

        _recent.Enqueue((time.GetTimestamp(), step));
        while (_recent.Count > 2 && time.GetElapsedTime(_recent.Peek().Time) > Window)
            _recent.Dequeue();
    }

    /// <summary>How long it takes up to a step; null as long as that is not known.</summary>
    /// <param name="steps">The step.</param>
    public TimeSpan? Left(long steps)
    {
        if (_recent.Count == 0)
            return null;
        var ((since, from), step) = (_recent.Peek(), _recent.Last().Step);
        return step > from ? time.GetElapsedTime(since) / (step - from) * (steps - step) : null;
    }
}
