using System.Diagnostics;

namespace Linformer.Training.ProcessGroups;

/// <summary>A time on the monotonic clock by which something must be done.</summary>
internal readonly struct Deadline
{
    private readonly long _start;
    private readonly TimeSpan _timeout;

    private Deadline(TimeSpan timeout)
    {
        _start = Stopwatch.GetTimestamp();
        _timeout = timeout;
    }

    /// <summary>What is left, never negative, in whole milliseconds.</summary>
    public TimeSpan Left
    {
        get
        {
            var left = _timeout - Stopwatch.GetElapsedTime(_start);
            return left <= TimeSpan.Zero ? TimeSpan.Zero : TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds));
        }
    }

    public bool IsOver => Stopwatch.GetElapsedTime(_start) >= _timeout;

    public static Deadline After(TimeSpan timeout) => new(timeout);
}
