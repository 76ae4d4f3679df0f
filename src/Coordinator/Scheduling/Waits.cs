namespace Linformer.Coordinator.Scheduling;

/// <summary>Since when jobs wait for something, by the clock that nobody puts forward or back.</summary>
internal sealed class Waits
{
    private readonly Dictionary<string, (string What, long Since)> _since = new(StringComparer.Ordinal);

    /// <summary>Notes whether a job waits; tells for how long by now.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="waits">Whether it waits.</param>
    /// <param name="what">For what; the time begins anew when that changes.</param>
    /// <param name="time">The clock.</param>
    /// <returns>For how long; null when it does not wait.</returns>
    public TimeSpan? Note(string jobId, bool waits, string what, TimeProvider time)
    {
        if (!waits)
        {
            _since.Remove(jobId);
            return null;
        }
        if (!_since.TryGetValue(jobId, out var known) || known.What != what)
            _since[jobId] = known = (what, time.GetTimestamp());
        return time.GetElapsedTime(known.Since);
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => _since.Clear();

    /// <summary>Forgets other jobs.</summary>
    public void KeepOnly(IReadOnlySet<string> jobs)
    {
        foreach (var job in _since.Keys.Where(job => !jobs.Contains(job)).ToList())
            _since.Remove(job);
    }
}
