namespace Linformer.Coordinator.Scaling;

/// <summary>Growing pauses between tries, each somewhat random.</summary>
/// <param name="first">The first.</param>
/// <param name="longest">The longest.</param>
/// <param name="time">The clock.</param>
public sealed class BackOff(TimeSpan first, TimeSpan longest, TimeProvider time)
{
    private TimeSpan _next = first;

    /// <summary>The first pause.</summary>
    public TimeSpan First { get; } = first;

    /// <summary>A point in time.</summary>
    public long Now() => time.GetTimestamp();

    /// <summary>How long ago a point in time was.</summary>
    public TimeSpan Since(long point) => time.GetElapsedTime(point);

    /// <summary>The next pause, which then grows.</summary>
    /// <param name="least">What the other side asked for; it is granted up to ten times the longest pause.</param>
    public TimeSpan Next(TimeSpan? least)
    {
        var pause = _next * (0.75 + (0.5 * Random.Shared.NextDouble()));
        _next = _next * 2 < longest ? _next * 2 : longest;
        var asked = least is { } wanted ? wanted < 10 * longest ? wanted : 10 * longest : TimeSpan.Zero;
        return asked > pause ? asked : pause;
    }

    /// <summary>Waits for the next pause.</summary>
    public Task WaitAsync(TimeSpan? least, CancellationToken cancellationToken) => Task.Delay(Next(least), time, cancellationToken);

    /// <summary>The next pause is the first again.</summary>
    public void Reset() => _next = First;
}
