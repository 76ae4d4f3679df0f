using System.Collections.Immutable;
using Grpc.Core;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Serilog;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Watching;

/// <summary>One state of a feed.</summary>
/// <param name="Version">Grows with each state, from 1 on.</param>
/// <param name="Job">How the job stands.</param>
/// <param name="Recent">The newest entries of its history, in order.</param>
/// <param name="Final">Whether the job has ended and all of its history is known: nothing new comes, but late log lines.</param>
internal sealed record FeedState(long Version, JobSnapshot Job, ImmutableArray<Proto.HistoryEntry> Recent, bool Final)
{
    /// <summary>The number of the newest history entry.</summary>
    public long HistorySequence => Recent.IsEmpty ? 0 : Recent[^1].Sequence;
}

/// <summary>
/// Reads one job again and again for all who watch it, so that a thousand watchers cost no more reads than one. Watchers hold
/// nothing but a cursor; one that is slow finds the newest state when it comes back.
/// </summary>
internal sealed class JobFeed(string jobId, JobReader reader, IHistoryStore history, ILogger logger)
{
    private const int RecentEntries = 64;
    private const int PageSize = 500;

    // A job's last history entry is written just after its state; after so many reads it is not waited for any more.
    private const int PatienceForHistory = 25;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    // A job that has ended may be deleted or be gone back with, and not much else.
    private static readonly TimeSpan IntervalAfterEnd = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private volatile FeedState? _state;
    private volatile RpcException? _gone;
    private TaskCompletionSource _changed = NewSignal();
    private int _readsSinceEnd;

    /// <summary>The newest state that is newer than a version; waits for it.</summary>
    /// <exception cref="RpcException">The job is not there any more.</exception>
    public async Task<FeedState> NextAsync(long version, CancellationToken cancellationToken)
    {
        while (true)
        {
            var changed = Volatile.Read(ref _changed);
            if (_gone is { } gone)
                throw new RpcException(gone.Status);
            if (_state is { } state && state.Version > version)
                return state;
            await changed.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Reads the job until it is cancelled, or the job is deleted.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var pause = Interval;
            try
            {
                await RefreshAsync(cancellationToken);
                if (_state is { Final: true })
                    pause = IntervalAfterEnd;
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.NotFound)
            {
                _gone = exception;
                Signal();
                return;
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                logger.Warning("Job {JobId:l} could not be read for its watchers: {Reason:l}", jobId, exception.Message);
                pause = RetryAfter;
            }
            await Task.Delay(pause, cancellationToken);
        }
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        var before = _state;
        var job = await reader.ReadAsync(jobId, cancellationToken);
        // After the job, so that the history is never behind it.
        var recent = await HistoryAsync(before?.Recent ?? [], cancellationToken);
        var final = IsFinal(job.View, recent);
        if (before is not null && before.Final == final && before.Recent.Length == recent.Length
            && before.HistorySequence == (recent.IsEmpty ? 0 : recent[^1].Sequence) && before.Job.Shows(job))
        {
            return;
        }
        _state = new FeedState((before?.Version ?? 0) + 1, job, recent, final);
        Signal();
    }

    private void Signal() => Interlocked.Exchange(ref _changed, NewSignal()).TrySetResult();

    private bool IsFinal(JobView view, ImmutableArray<Proto.HistoryEntry> recent)
    {
        if (!view.HasEnded)
        {
            _readsSinceEnd = 0;
            return false;
        }
        _readsSinceEnd++;
        return _readsSinceEnd > PatienceForHistory || (!recent.IsEmpty && recent[^1].State == view.Phase.ToProto());
    }

    private async Task<ImmutableArray<Proto.HistoryEntry>> HistoryAsync(ImmutableArray<Proto.HistoryEntry> recent, CancellationToken cancellationToken)
    {
        while (true)
        {
            var page = await history.ReadAfterAsync(jobId, recent.IsEmpty ? 0 : recent[^1].Sequence, PageSize, cancellationToken);
            if (page.Count > 0)
                recent = [.. recent.Concat(page.Select(JobMapping.ToProto)).TakeLast(RecentEntries)];
            if (page.Count < PageSize)
                return recent;
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
