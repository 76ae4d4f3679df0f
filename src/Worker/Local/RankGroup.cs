using Linformer.Worker.RankProtocol;
using Serilog;

namespace Linformer.Worker.Local;

/// <summary>The ranks of one run, from start to end.</summary>
internal sealed class RankGroup(LocalRun run, IRankEvents events, ILogger logger) : IDisposable
{
    private readonly ILogger _logger = logger.ForContext("Generation", run.Generation);
    private readonly RendezvousTable _rendezvous = new();
    private readonly IReadOnlyList<int> _numbers = run.Ranks ?? [.. Enumerable.Range(0, run.WorldSize)];
    private readonly Lock _eventGate = new();
    private readonly Lock _rankGate = new();
    private readonly List<RankProcess> _ranks = [];
    private readonly List<Task<RankFailure?>> _ends = [];
    private readonly TaskCompletionSource _trouble = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _killed;

    public async Task<LocalRunResult> RunAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Directory.CreateDirectory(run.LogFolder);
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = cancellationToken.Register(() => stopped.TrySetResult());
        try
        {
            foreach (var rank in _numbers)
            {
                Start(rank);
            }
        }
        catch
        {
            KillAll();
            await Task.WhenAll(_ends);
            throw;
        }

        var all = Task.WhenAll(_ends);
        await Task.WhenAny(all, _trouble.Task, stopped.Task);
        var overdue = stopped.Task.IsCompleted && !await StoppedInTimeAsync(all);
        if (_trouble.Task.IsCompleted)
        {
            await EndTheOthersAsync(all);
        }

        return Result(await all, overdue);
    }

    /// <summary>Ends all ranks at once, at the user's wish.</summary>
    public void Kill()
    {
        lock (_rankGate)
        {
            _killed = true;
        }

        KillAll();
    }

    /// <summary>Gives a key of the generation's rendezvous the value that a rank of another machine has set.</summary>
    /// <exception cref="RankProtocolException">The key is too long, or all values together are too many.</exception>
    public void SetRendezvous(string key, byte[] value) => _rendezvous.Set(key, value);

    public void Dispose() => _ranks.ForEach(rank => rank.Dispose());

    private void Start(int rank)
    {
        RankProcess process;
        lock (_rankGate)
        {
            process = RankProcess.Start(run, rank, new RankCallbacks(Take, PassLogLine, () => _trouble.TrySetResult()));
            _ranks.Add(process);
            if (_killed)
            {
                process.Kill();
            }
        }

        _ends.Add(SuperviseAsync(process));
        process.Send(new StartMessage(
            rank,
            run.WorldSize,
            run.Lineage,
            run.Generation,
            run.Threads,
            run.JobJson,
            run.StorageRoot,
            run.CorpusFolder,
            run.RunFolder,
            run.ModelFolder,
            run.ResumeFrom,
            run.ListenAddress,
            run.AdvertisedAddress));
        _logger.ForContext("Rank", rank).Information("Rank {Rank} of {WorldSize} started as process {ProcessId}", rank, run.WorldSize, process.ProcessId);
        process.Guard(() =>
        {
            lock (_eventGate)
            {
                events.Started(rank, process.ProcessId);
            }
        });
    }

    private async Task<RankFailure?> SuperviseAsync(RankProcess process)
    {
        var failure = await process.SuperviseAsync();
        var log = _logger.ForContext("Rank", process.Rank);
        if (failure is null)
        {
            log.Information("Rank {Rank} ended", process.Rank);
        }
        else
        {
            log.Error("Rank {Rank} {Reason}; its log is {LogPath}", process.Rank, failure.Reason, process.LogPath);
        }

        return failure;
    }

    private void Take(RankProcess rank, RankMessage message)
    {
        switch (message)
        {
            case RendezvousSetMessage set:
                _rendezvous.Set(set.Key, set.Value);
                lock (_eventGate)
                {
                    events.RendezvousSet(rank.Rank, set.Key, set.Value);
                }

                break;
            case RendezvousGetMessage get:
                _rendezvous.Get(get.Key, value => rank.Send(new RendezvousValueMessage(get.Request, value)));
                break;
            case ProgressMessage progress:
                lock (_eventGate)
                {
                    events.Progress(rank.Rank, progress);
                }

                break;
            case CheckpointedMessage checkpointed:
                lock (_eventGate)
                {
                    events.Checkpointed(rank.Rank, checkpointed);
                }

                break;
            case WarningMessage warning:
                lock (_eventGate)
                {
                    events.Warned(rank.Rank, warning.Message);
                }

                break;
        }
    }

    private void PassLogLine(RankProcess rank, string line)
    {
        lock (_eventGate)
        {
            events.LogLine(rank.Rank, line);
        }
    }

    // True unless the ranks had to be killed because the time was over.
    private async Task<bool> StoppedInTimeAsync(Task all)
    {
        _logger.Information("Stopping {Count} ranks", _numbers.Count);
        SendStop();
        var first = await Task.WhenAny(all, _trouble.Task, Task.Delay(run.StopTimeout));
        if (first == all || first == _trouble.Task)
        {
            return true;
        }

        _logger.Warning("The ranks did not stop within {Seconds} s and are killed", run.StopTimeout.TotalSeconds);
        KillAll();
        return false;
    }

    // The others notice a lost rank at their next collective; one that computes alone is asked to stop.
    private async Task EndTheOthersAsync(Task all)
    {
        SendStop();
        await Task.WhenAny(all, Task.Delay(run.FailureGrace));
        KillAll();
    }

    private void SendStop()
    {
        lock (_rankGate)
        {
            _ranks.ForEach(rank => rank.Send(new StopMessage()));
        }
    }

    private void KillAll()
    {
        lock (_rankGate)
        {
            _ranks.ForEach(rank => rank.Kill());
        }
    }

    private LocalRunResult Result(RankFailure?[] ends, bool overdue)
    {
        if (_ranks.Select(rank => rank.CallbackError).FirstOrDefault(error => error is not null) is { } error)
        {
            throw new InvalidOperationException($"The ranks were ended because what follows them failed: {error.Message}", error);
        }

        var summaries = _ranks.Select(rank => rank.SummaryJson).ToList();
        if (_killed)
        {
            return new LocalRunResult(LocalRunOutcome.Killed, summaries);
        }

        // A rank that only lost a peer is never the cause while there is another.
        var failures = ends.Zip(_ranks)
            .Where(end => end.First is not null)
            .OrderBy(end => end.Second.PeerLost)
            .ThenBy(end => end.Second.TroubleTime)
            .Select(end => end.First!)
            .ToList();
        if (failures.Count > 0)
        {
            throw new RankFailedException(failures[0], failures[1..]);
        }

        if (overdue)
        {
            throw new TimeoutException($"The ranks did not stop within {run.StopTimeout.TotalSeconds} s and were killed; the last checkpoint is the one before.");
        }

        return new LocalRunResult(summaries.Contains(null) ? LocalRunOutcome.Stopped : LocalRunOutcome.Finished, summaries);
    }
}
