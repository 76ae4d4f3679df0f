using Linformer.Data;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using Serilog;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>One member on this machine, from the assignment to the report of its end.</summary>
internal sealed class MemberRunner(
    MemberKey key, int slot, GenerationRendezvous rendezvous, WorkerAgentOptions options, StorageWatch storage, JobCounter counter, WarmRanks warm, IMemberObserver observer, ILogger logger)
    : IMemberEvents
{
    private readonly ILogger _logger = logger.ForContext("Member", key.Member);
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly V1.MemberStatus _end = new();
    private JoinMessage? _early;
    private RankMember? _member;
    private MemberStage _stage;
    private long _lines;
    private long _messages;
    private (long Activity, bool Waiting) _pulse;
    private WatchState _watch;
    private RankSampleMessage? _sample;

    public MemberKey Key { get; } = key;

    /// <summary>Completes as soon as the process has gone and the status says how it ended.</summary>
    public Task Gone => _gone.Task;

    /// <summary>Completes when all that the process has left behind was recorded, too.</summary>
    public Task Closed { get; private set; } = Task.CompletedTask;

    /// <summary>For the reconciler.</summary>
    public HeldMember Held
    {
        get
        {
            lock (_gate)
            {
                return new HeldMember(Key, slot, _member?.State.ToldGeneration ?? _early?.Generation ?? 0, _stage);
            }
        }
    }

    /// <summary>What is known of it now; null when there is no process of it.</summary>
    public RankReading? Reading
    {
        get
        {
            lock (_gate)
            {
                return _member is null || _stage == MemberStage.Ended
                    ? null
                    : new RankReading(Key.JobId, _member.State.Rank, PhaseOf(_member.State), _sample);
            }
        }
    }

    /// <summary>Starts the process.</summary>
    /// <param name="after">When it completes; until then others are in the way.</param>
    /// <param name="launch">Says how, or throws.</param>
    public void Start(Task after, Func<RankLaunch> launch) => Closed = Task.Run(() => RunAsync(after, launch));

    /// <summary>It ends before it has started.</summary>
    /// <param name="reason">Of a failure; null when it counts as stopped.</param>
    public void Skip(string? reason)
    {
        if (reason is null)
        {
            End(V1.MemberOutcome.Stopped, null);
        }
        else
        {
            Fail(reason, permanent: false);
        }
    }

    /// <summary>Tells it of its job's newest generation.</summary>
    public void Tell(JoinMessage join)
    {
        lock (_gate)
        {
            if (_member is null)
            {
                _early = join;
                return;
            }
        }

        _member.Tell(join);
    }

    /// <summary>Asks it to write a checkpoint and end.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            if (_stage != MemberStage.Running)
            {
                return;
            }

            _stage = MemberStage.Stopping;
            _member?.Stop();
        }

        _ = EndIfItDoesNotStopAsync();
    }

    /// <summary>Ends it at once.</summary>
    /// <param name="blame">What it is killed for, as a predicate; null when it is no longer wanted.</param>
    public void Kill(string? blame = null)
    {
        lock (_gate)
        {
            if (_stage == MemberStage.Ended)
            {
                return;
            }

            _stage = MemberStage.Dying;
            _member?.Kill(blame);
        }
    }

    /// <summary>The watchdog's look.</summary>
    /// <param name="passed">The time that counts as passed since the look before.</param>
    public void Look(TimeSpan passed)
    {
        string? blame;
        lock (_gate)
        {
            if (_member is null || _stage is MemberStage.Ended or MemberStage.Dying)
            {
                return;
            }

            var state = _member.State;
            var signs = new RankSigns(
                Interlocked.Read(ref _messages),
                _pulse.Activity,
                _pulse.Waiting || state.Phase == MemberPhase.Waiting,
                state.AppliedCount > 0,
                _stage == MemberStage.Stopping,
                state.IsLeaving,
                state.StepTime);
            (_watch, blame) = Watchdog.Look(_watch, signs, passed, options.Watchdog);
        }

        if (blame is not null)
        {
            LogNow().Error("The member {Member} {Blame}", Key, blame);
            Kill(blame);
        }
    }

    /// <summary>What it is doing.</summary>
    public V1.MemberStatus Status()
    {
        lock (_gate)
        {
            var state = _member?.State ?? new MemberState();
            var status = _end.Clone();
            (status.Member, status.ProcessId) = (Key.Member, _member?.ProcessId ?? 0);
            status.Phase = _stage == MemberStage.Ended ? V1.MemberPhase.Ended : PhaseOf(state);
            (status.Lineage, status.Generation) = (state.Lineage, state.Generation);
            (status.AppliedStep, status.HoldsState, status.Why) = (state.AppliedStep, state.HoldsState, Cut.To(state.Why, MaximumWhy));
            status.StepMilliseconds = state.StepTime.TotalMilliseconds;
            if (state.BadLossStep is { } step)
            {
                status.BadLoss = new V1.BadLoss { Step = step, Reason = status.Why };
            }

            return status;
        }
    }

    void IMemberEvents.Changed(RankMember member, bool news) => observer.Changed(news);

    void IMemberEvents.LogLine(RankMember member, string line) =>
        observer.Record(Key.Member, MemberTelemetry.Of(++_lines, line, member.State));

    void IMemberEvents.Told(RankMember member, RankMessage message)
    {
        Interlocked.Increment(ref _messages);
        var state = member.State;
        switch (message)
        {
            case PulseMessage pulse:
                lock (_gate)
                {
                    _pulse = (pulse.Activity, pulse.Waiting);
                }

                return;
            case RendezvousSetMessage set:
                observer.Published(state, set);
                return;
            case AppliedMessage:
                counter.StepApplied(state.Rank);
                break;
            case CheckpointedMessage checkpoint:
                Log(state).ForContext("Step", checkpoint.Step).Information("Checkpoint {Checkpoint} is on disk", checkpoint.Checkpoint);
                break;
            case WarningMessage warning:
                Log(state).Warning("The member {Member} warns: {Warning}", Key, warning.Message);
                break;
            case JoinedMessage joined:
                Log(state).ForContext("Step", joined.Step).Information("Rank {Rank} goes on from step {Step}, its state {Source}", state.Rank, joined.Step, joined.Source);
                break;
            case LeftMessage { Broken: { } reason } left:
                // Its rank may be that of the next generation already.
                Log(state).ForContext("Step", left.Step).Warning("The member {Member} left its generation: {Reason}; it holds step {Step}", Key, reason, left.Step);
                break;
        }

        if (MemberTelemetry.Of(message, state) is { } item)
        {
            if (message is RankSampleMessage sample)
            {
                Keep(sample, item.Rank);
            }

            observer.Record(Key.Member, item);
        }
    }

    private void Keep(RankSampleMessage sample, int rank)
    {
        lock (_gate)
        {
            _sample = sample;
        }

        counter.Sampled(rank, sample);
        AgentMeter.Sampled(options.Name, sample);
    }

    private const int MaximumWhy = 1000;
    private const int MostStopTimeouts = 10;

    private static V1.MemberPhase PhaseOf(MemberState state) => state.Phase switch
    {
        MemberPhase.Waiting => V1.MemberPhase.Waiting,
        MemberPhase.Joining => V1.MemberPhase.Joining,
        MemberPhase.Training => V1.MemberPhase.Training,
        MemberPhase.Stopping => V1.MemberPhase.Stopping,
        // Its process has gone; in a moment it is known how.
        MemberPhase.Ended => V1.MemberPhase.Stopping,
        _ => V1.MemberPhase.Starting,
    };

    private ILogger Log(MemberState state) => _logger
        .ForContext("Lineage", state.Lineage).ForContext("Generation", state.Generation).ForContext("Rank", state.Rank);

    // Before its process runs there is nothing but its number to name it by.
    private ILogger LogNow() => _member?.State is { } state ? Log(state).ForContext("Step", state.AppliedStep) : _logger;

    private async Task RunAsync(Task after, Func<RankLaunch> launch)
    {
        try
        {
            await after;
            if (await storage.LookAsync() is { } lost)
            {
                storage.Note(lost);
                Fail($"could not be started: {lost}", permanent: false);
            }
            else if (Begin(launch) is { } member)
            {
                End(member, await OfStorageAsync(await member.Ended));
                await member.Closed;
                AddLastLines(member);
                member.Dispose();
            }
        }
        catch (Exception e)
        {
            LogNow().Error(e, "The member {Member} could not be run", Key);
            var reason = _member is null ? $"could not be started: {e.Message}" : $"was ended: {e.Message}";
            var failed = await OfStorageAsync(new RankEnd(RankOutcome.Failed, 0, null, reason, Permanent: e is BadDataException or ArgumentException));
            Fail(failed.Reason!, failed.Permanent);
        }
    }

    // What fails while the storage is gone says nothing about the job.
    private async Task<RankEnd> OfStorageAsync(RankEnd end)
    {
        if (end is not { Outcome: RankOutcome.Failed, PeerLost: false } || await storage.LookAsync() is not { } loss)
        {
            return end;
        }

        storage.Note(loss);
        return end with { Reason = $"{end.Reason?.TrimEnd('.')}; {loss}", Permanent = false };
    }

    // Null when it is no longer wanted.
    private RankMember? Begin(Func<RankLaunch> launch)
    {
        lock (_gate)
        {
            if (_stage != MemberStage.Running)
            {
                var stopped = _stage == MemberStage.Stopping;
                End(stopped ? V1.MemberOutcome.Stopped : V1.MemberOutcome.Failed, stopped ? null : Failure("was ended by its worker", permanent: false));
                return null;
            }
        }

        var how = launch();
        Directory.CreateDirectory(Path.GetDirectoryName(how.LogPath)!);
        var member = RankMember.Start(Key.Member, how, rendezvous, this, warm);
        member.Supervise();
        lock (_gate)
        {
            _member = member;
            if (_early is not null)
            {
                member.Tell(_early);
            }

            switch (_stage)
            {
                case MemberStage.Stopping:
                    member.Stop();
                    break;
                case MemberStage.Dying:
                    member.Kill();
                    break;
            }
        }

        counter.Started();
        _logger.Information("The member {Member} started as process {ProcessId}", Key, member.ProcessId);
        observer.Changed(urgent: true);
        return member;
    }

    private async Task EndIfItDoesNotStopAsync()
    {
        // A large state takes its time to be written, and the other ranks wait for the one that writes it.
        for (var timeouts = 1; !Gone.IsCompleted; timeouts++)
        {
            var before = LastPulse();
            await Task.WhenAny(Gone, Task.Delay(options.StopTimeout));
            var now = LastPulse();
            if ((now.Activity == before.Activity && !now.Waiting) || timeouts == MostStopTimeouts)
            {
                Kill($"did not stop within {options.StopTimeout.TotalSeconds * timeouts} s and was killed");
                return;
            }
        }
    }

    private (long Activity, bool Waiting) LastPulse()
    {
        lock (_gate)
        {
            return _pulse;
        }
    }

    private void End(RankMember member, RankEnd end)
    {
        var state = member.State;
        switch (end.Outcome)
        {
            case RankOutcome.Finished:
                lock (_gate)
                {
                    _end.Summary = end.Summary!;
                }

                End(V1.MemberOutcome.Finished, null);
                break;
            case RankOutcome.Stopped:
                End(V1.MemberOutcome.Stopped, null);
                break;
            case RankOutcome.Killed:
                End(V1.MemberOutcome.Failed, Failure("was ended by its worker", permanent: false));
                break;
            default:
                Log(state).ForContext("Step", state.AppliedStep).Error("The member {Member} {Reason}; its log is {LogPath}", Key, end.Reason, member.LogPath);
                Fail(FailureReport.Of(Key.Member, state, end, member.LastLogLines, options.Name));
                break;
        }
    }

    private void AddLastLines(RankMember member)
    {
        lock (_gate)
        {
            var lines = member.LastLogLines;
            if (_end.Failure is not { } failure || failure.LastLogLines.Count == lines.Count)
            {
                return;
            }

            FailureReport.AddLines(failure, lines);
        }

        observer.Changed(urgent: true);
    }

    private void Fail(string reason, bool permanent) => Fail(Failure(reason, permanent));

    private void Fail(V1.RankFailure failure) => End(V1.MemberOutcome.Failed, failure, byItself: true);

    private V1.RankFailure Failure(string reason, bool permanent) =>
        FailureReport.Of(Key.Member, _member?.State ?? new MemberState(), reason, permanent, options.Name);

    // What was ended since it was not wanted is told as a failure and is none.
    private void End(V1.MemberOutcome outcome, V1.RankFailure? failure, bool byItself = false)
    {
        lock (_gate)
        {
            if (_stage == MemberStage.Ended)
            {
                return;
            }

            _stage = MemberStage.Ended;
            (_end.Outcome, _end.Failure) = (outcome, failure);
        }

        if (byItself)
        {
            counter.Failed();
        }

        observer.Changed(urgent: true);
        _gone.TrySetResult();
        LogNow().Information("The member {Member} has ended: {Outcome}", Key, outcome);
    }
}
