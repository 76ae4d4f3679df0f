using System.Threading.Channels;
using Linformer.Worker.Machines;
using Linformer.Worker.RankProtocol;
using Serilog;

namespace Linformer.Worker.Local;

/// <summary>The rank processes of one run, from start to end, and the generations that they form.</summary>
internal sealed class LocalGroup(LocalRun run, IRankEvents events, ILogger logger) : IMemberEvents, IDisposable
{
    private readonly GenerationRendezvous _rendezvous = new();
    private readonly Channel<object> _happenings = Channel.CreateUnbounded<object>();
    private readonly Lock _eventGate = new();
    private readonly Lock _memberGate = new();
    private readonly List<RankMember> _members = [];
    private readonly List<(int Rank, RankEnd End)> _ends = [];
    private readonly HashSet<int> _left = [];
    private JoinMessage _generation = run.First;
    private RankFailure? _broken;
    private RankWatch? _watch;
    private Deadline? _deadline;
    private bool _ending;
    private bool _killed;

    private enum Deadline
    {
        Stop,
        Cause,
        Failure,
    }

    public async Task<LocalRunResult> RunAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Directory.CreateDirectory(run.LogFolder);
        await using var watch = _watch = run.Watchdog is { } options ? new RankWatch(options, End) : null;
        watch?.Start();
        await using var registration = cancellationToken.Register(() => _happenings.Writer.TryWrite(new StopMessage()));
        try
        {
            for (var rank = 0; rank < run.Processes; rank++)
            {
                Start(rank);
            }

            return Result(await FollowAsync());
        }
        finally
        {
            // Nothing is left of a run that could not be started, or whose next generation could not be said.
            KillAll();
            await Task.WhenAll(_members.Select(member => member.Closed));
        }
    }

    /// <summary>Ends all ranks at once, at the user's wish.</summary>
    public void Kill()
    {
        lock (_memberGate)
        {
            _killed = true;
        }

        KillAll();
    }

    // Returns whether the ranks had to be killed because the time for a stop was over.
    private async Task<bool> FollowAsync()
    {
        var overdue = false;
        while (_ends.Count < run.Processes)
        {
            overdue |= Handle(await _happenings.Reader.ReadAsync(CancellationToken.None)) == Deadline.Stop;
        }

        await Task.WhenAll(_members.Select(member => member.Closed));
        return overdue;
    }

    public void Dispose() => _members.ForEach(member => member.Dispose());

    void IMemberEvents.Changed(RankMember member, bool news)
    {
    }

    void IMemberEvents.LogLine(RankMember member, string line) => Tell(() => events.LogLine(RankOf(member), line));

    void IMemberEvents.Told(RankMember member, RankMessage message)
    {
        _watch?.Told(member, message);
        switch (message)
        {
            case JoinedMessage joined:
                Tell(() => events.Joined(RankOf(member), joined));
                break;
            case LeftMessage left:
                _happenings.Writer.TryWrite((RankOf(member), left));
                break;
            case ProgressMessage progress:
                Tell(() => events.Progress(RankOf(member), progress));
                break;
            case RankSampleMessage { IsPossible: true } sample when member.State.Told(sample.Generation) is not null:
                Tell(() => events.Sampled(RankOf(member), sample));
                break;
            case CheckpointedMessage checkpointed:
                Tell(() => events.Checkpointed(RankOf(member), checkpointed));
                break;
            case WarningMessage warning:
                Tell(() => events.Warned(RankOf(member), warning.Message));
                break;
        }
    }

    // Members count from 1.
    private static int RankOf(RankMember member) => member.Number - 1;

    private ILogger Log(int rank) => logger.ForContext("Generation", _generation.Generation).ForContext("Rank", rank);

    private void End(RankMember hung, string blame)
    {
        Log(RankOf(hung)).ForContext("Step", hung.State.AppliedStep).Error("Rank {Rank} {Blame}", RankOf(hung), blame);
        hung.Kill(blame);
    }

    private void Tell(Action call)
    {
        lock (_eventGate)
        {
            call();
        }
    }

    private IReadOnlyDictionary<string, string> EnvironmentOf(StartMessage start, int rank) => run.Gpus.Count == 0
        ? run.Environment
        : new Dictionary<string, string>(RankDevice.Environment(run.Gpus[rank], start.ListenAddress).Concat(run.Environment).DistinctBy(one => one.Key), StringComparer.Ordinal);

    private void Start(int rank)
    {
        var start = new StartMessage(
            Threads: run.Threads,
            JobJson: run.JobJson,
            StorageRoot: run.StorageRoot,
            CorpusFolder: run.CorpusFolder,
            RunFolder: run.RunFolder,
            ModelFolder: run.ModelFolder,
            Member: rank + 1,
            Device: run.Gpus.Count > 0 ? RankDevice.Cuda : RankDevice.Cpu,
            AllowPlugins: run.AllowPlugins);
        var log = Path.GetFullPath(Path.Combine(run.LogFolder, $"rank-{rank}.log"));
        var launch = new RankLaunch(run.Command, run.Arguments, log, start) { PreloadLibrary = run.PreloadLibrary, Environment = EnvironmentOf(start, rank) };
        RankMember member;
        lock (_memberGate)
        {
            member = RankMember.Start(rank + 1, launch, _rendezvous, this);
            _members.Add(member);
            _watch?.Add(member);
            if (_killed)
            {
                member.Kill();
            }
        }

        try
        {
            Log(rank).Information("Rank {Rank} started as process {ProcessId}", rank, member.ProcessId);
            TellStarted(rank, member.ProcessId);
            member.Tell(OrderFor(rank));
        }
        finally
        {
            member.Supervise();
            _ = ReportEndAsync(member);
        }
    }

    private void TellStarted(int rank, int processId)
    {
        try
        {
            Tell(() => events.Started(rank, processId));
        }
        catch (Exception e)
        {
            throw Follower(e);
        }
    }

    private static InvalidOperationException Follower(Exception e) => new($"The ranks were ended because what follows them failed: {e.Message}", e);

    private async Task ReportEndAsync(RankMember member) => _happenings.Writer.TryWrite((RankOf(member), await member.Ended));

    private JoinMessage OrderFor(int rank) => _generation with { Rank = rank < _generation.WorldSize ? rank : -1 };

    // One at a time, so that what follows from an event is decided by one thread.
    private Deadline? Handle(object happening)
    {
        switch (happening)
        {
            case (int rank, RankEnd end):
                Ended(rank, end);
                break;
            case (int rank, LeftMessage left) when left.Generation == _generation.Generation && !_ending:
                Left(rank, left);
                break;
            case (int rank, LeftMessage) when _deadline == Deadline.Failure:
                // It only waits for others that will not come.
                _members[rank].Kill();
                break;
            case StopMessage when !_ending:
                logger.Information("Stopping {Count} ranks", run.Processes);
                EndAll(Deadline.Stop, run.StopTimeout);
                break;
            case Deadline deadline when deadline == _deadline:
                return Pass(deadline);
        }

        return null;
    }

    private void Ended(int rank, RankEnd end)
    {
        _ends.Add((rank, end));
        if (end.Outcome == RankOutcome.Failed)
        {
            Log(rank).Error("Rank {Rank} {Reason}; its log is {LogPath}", rank, end.Reason, _members[rank].LogPath);
            Fail();
            return;
        }

        Log(rank).Information("Rank {Rank} ended", rank);
        // Those that wait outside the last generation have nothing to wait for any more.
        var ranks = _ends.Count(other => other.Rank < _generation.WorldSize && other.End.Outcome == RankOutcome.Finished);
        if (ranks == _generation.WorldSize && !_ending)
        {
            EndAll(Deadline.Failure, run.FailureGrace);
        }
    }

    private void Left(int rank, LeftMessage left)
    {
        _left.Add(rank);
        if (left is { Broken: not null, BadLossStep: null })
        {
            // Another rank's end is the cause, most likely, and is told in a moment.
            _broken ??= new RankFailure(rank, 0, null, left.Broken, _members[rank].LastLogLines, _members[rank].LogPath, PeerLost: true);
            SetDeadline(Deadline.Cause, run.FailureGrace);
        }
        else if (left.BadLossStep is not null || _left.Count == _generation.WorldSize)
        {
            GoOn(rank, left);
        }
    }

    private void GoOn(int rank, LeftMessage left)
    {
        if (run.Next(new GenerationEnd(left.Generation, left.Step, left.BadLossStep, left.Broken)) is not { } next)
        {
            _broken = new RankFailure(rank, 0, null, left.Broken ?? "has no further generation", _members[rank].LastLogLines, _members[rank].LogPath, Permanent: true);
            Fail();
            return;
        }

        _left.Clear();
        _generation = next;
        _rendezvous.DropBefore(next.Generation);
        logger.ForContext("Generation", next.Generation).Information("Generation {Generation} of {Ranks} follows after step {Step}", next.Generation, next.WorldSize, left.Step);
        _members.ForEach(member => member.Tell(OrderFor(RankOf(member))));
    }

    private Deadline? Pass(Deadline deadline)
    {
        if (deadline == Deadline.Cause)
        {
            Fail();
            return null;
        }

        if (deadline == Deadline.Stop)
        {
            logger.Warning("The ranks did not stop within {Seconds} s and are killed", run.StopTimeout.TotalSeconds);
        }

        KillAll();
        return deadline;
    }

    // One that computes is asked to stop; one that has left its generation ends at once.
    private void Fail()
    {
        EndAll(Deadline.Failure, run.FailureGrace);
        foreach (var rank in _left)
        {
            _members[rank].Kill();
        }
    }

    private void EndAll(Deadline deadline, TimeSpan within)
    {
        if (_deadline == Deadline.Failure)
        {
            return;
        }

        _ending = true;
        _members.ForEach(member => member.Stop());
        SetDeadline(deadline, within);
    }

    private void SetDeadline(Deadline deadline, TimeSpan within)
    {
        if (_deadline != deadline)
        {
            _deadline = deadline;
            _ = PassAsync(deadline, within);
        }
    }

    private async Task PassAsync(Deadline deadline, TimeSpan within)
    {
        await Task.Delay(within);
        _happenings.Writer.TryWrite(deadline);
    }

    private void KillAll()
    {
        lock (_memberGate)
        {
            _members.ForEach(member => member.Kill());
        }
    }

    private LocalRunResult Result(bool overdue)
    {
        if (_members.Select(member => member.CallbackError).FirstOrDefault(error => error is not null) is { } error)
        {
            throw Follower(error);
        }

        var summaries = _ends.OrderBy(end => end.Rank).Select(end => end.End.Summary).ToList();
        if (_killed)
        {
            return new LocalRunResult(LocalRunOutcome.Killed, summaries);
        }

        // A rank that only lost a peer is never the cause while there is another; else the first to fail is.
        var failures = _ends.Where(end => end.End.Outcome == RankOutcome.Failed)
            .OrderBy(end => end.End.PeerLost)
            .Select(end => FailureOf(end.Rank, end.End))
            .ToList();
        if (_broken is not null && failures.Count == 0)
        {
            failures.Add(_broken);
        }

        if (failures.Count > 0)
        {
            throw new RankFailedException(failures[0], failures[1..]);
        }

        if (overdue)
        {
            throw new TimeoutException($"The ranks did not stop within {run.StopTimeout.TotalSeconds} s and were killed; the last checkpoint is the one before.");
        }

        var finished = summaries.Take(_generation.WorldSize).All(summary => summary is not null);
        return new LocalRunResult(finished ? LocalRunOutcome.Finished : LocalRunOutcome.Stopped, summaries);
    }

    private RankFailure FailureOf(int rank, RankEnd end) => new(
        rank, end.ExitCode, end.Signal, end.Reason!, _members[rank].LastLogLines, _members[rank].LogPath, end.PeerLost, end.Permanent);
}
