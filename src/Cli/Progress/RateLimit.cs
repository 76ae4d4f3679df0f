namespace Linformer.Cli.Progress;

/// <summary>Lets one report through in each interval. Not thread-safe.</summary>
/// <param name="time">The clock.</param>
/// <param name="interval">Least time between two reports.</param>
/// <param name="startsNow">Whether the first report waits for an interval, too.</param>
internal sealed class RateLimit(TimeProvider time, TimeSpan interval, bool startsNow = false)
{
    private long? _last = startsNow ? time.GetTimestamp() : null;

    /// <summary>Whether a report may pass; an important one always may.</summary>
    public bool Pass(bool important = false)
    {
        if (!important && _last is { } last && time.GetElapsedTime(last) < interval)
            return false;
        _last = time.GetTimestamp();
        return true;
    }
}
