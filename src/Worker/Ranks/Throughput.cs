using System.Diagnostics;

namespace Linformer.Worker.Ranks;

/// <summary>Tokens per second over the last steps; what happens between steps (evaluation, checkpoints) is left out.</summary>
internal sealed class Throughput
{
    private const int Window = 20;

    private readonly Queue<(long Tokens, TimeSpan Time)> _steps = new();

    /// <summary>Counts a step.</summary>
    /// <param name="tokens">Tokens of the step, over all ranks.</param>
    /// <param name="started">Timestamp at which the step started.</param>
    /// <returns>Tokens per second.</returns>
    public double Add(long tokens, long started)
    {
        _steps.Enqueue((tokens, Stopwatch.GetElapsedTime(started)));
        if (_steps.Count > Window)
        {
            _steps.Dequeue();
        }

        return _steps.Sum(step => step.Tokens) / _steps.Sum(step => step.Time.TotalSeconds);
    }
}
