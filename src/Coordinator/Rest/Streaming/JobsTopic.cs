using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>
/// The newest jobs. Those that have not ended are looked at often; the others, which change when a person does something, and the
/// lines of losses from time to time.
/// </summary>
internal sealed class JobsTopic(StreamSource source) : StateTopic(source.Logger)
{
    private const int MostJobs = 200;
    private const int LinePoints = 40;
    private const string Method = "Jobs/List";

    private static readonly TimeSpan WholeInterval = TimeSpan.FromSeconds(5);

    private IReadOnlyList<Proto.Job>? _jobs;
    private long _writes = -1;
    private long _wholeWrites = -1;
    private long _wholeAt;

    protected override TimeSpan Interval { get; } = TimeSpan.FromMilliseconds(500);

    protected override async Task RefreshAsync(CancellationToken cancellationToken)
    {
        // Before it is read: what is written meanwhile is looked at the next time.
        var writes = source.Writes;
        var wholeIsDue = writes != _wholeWrites && source.Time.GetElapsedTime(_wholeAt) >= WholeInterval;
        if (writes == _writes && !wholeIsDue)
            return;
        var now = _jobs is null || wholeIsDue ? null : await QuickAsync(_jobs, cancellationToken);
        if (now is null)
        {
            now = await ListAsync(new Proto.ListJobsRequest { PageSize = MostJobs, LossLinePoints = LinePoints }, cancellationToken);
            (_wholeAt, _wholeWrites) = (source.Time.GetTimestamp(), writes);
        }
        Show(now);
        _writes = writes;
    }

    // Null where more has changed than those that have not ended tell.
    private async Task<IReadOnlyList<Proto.Job>?> QuickAsync(IReadOnlyList<Proto.Job> before, CancellationToken cancellationToken)
    {
        var request = new Proto.ListJobsRequest
        {
            States = { Proto.JobState.Queued, Proto.JobState.Preparing, Proto.JobState.Running, Proto.JobState.Paused },
            PageSize = MostJobs,
        };
        var live = (await ListAsync(request, cancellationToken)).ToDictionary(job => job.Id, StringComparer.Ordinal);
        if (before.Any(job => HasEnded(job) == live.ContainsKey(job.Id)) || (live.Count < MostJobs && live.Count > before.Count(job => !HasEnded(job))))
            return null;
        foreach (var job in before.Where(job => live.ContainsKey(job.Id)))
            live[job.Id].LossLine.Add(job.LossLine);
        return [.. before.Select(job => live.GetValueOrDefault(job.Id, job))];
    }

    private async Task<IReadOnlyList<Proto.Job>> ListAsync(Proto.ListJobsRequest request, CancellationToken cancellationToken) =>
        (await source.ReadAsync<Proto.ListJobsResponse>(Method, request, cancellationToken)).Jobs;

    private void Show(IReadOnlyList<Proto.Job> now)
    {
        ReadOnlyMemory<byte>? change = null;
        if (_jobs is { } jobs)
        {
            var before = jobs.ToDictionary(job => job.Id, StringComparer.Ordinal);
            var changed = now.Where(job => !before.Remove(job.Id, out var known) || !known.Equals(job)).ToList();
            if (changed.Count == 0 && before.Count == 0)
                return;
            var removed = before.Keys.ToList();
            change = Frame.Of("jobs", json =>
            {
                json.WriteList("jobs", changed);
                json.WriteStartArray("removed");
                removed.ForEach(json.WriteStringValue);
                json.WriteEndArray();
            });
        }
        _jobs = now;
        Publish(
            () => Frame.Of("jobs", json =>
            {
                json.WriteBoolean("full", true);
                json.WriteList("jobs", now);
            }),
            change);
    }

    private static bool HasEnded(Proto.Job job) => job.State is Proto.JobState.Succeeded or Proto.JobState.Failed or Proto.JobState.Cancelled;
}
