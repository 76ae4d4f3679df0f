using Linformer.Coordinator.Scheduling;
using Linformer.Coordinator.Storage;
using Microsoft.Extensions.Logging;

namespace Linformer.Coordinator.Workers;

/// <summary>Holds a worker's name for one agent at a time, and passes statuses one way and assignments the other.</summary>
public sealed class WorkerGrain(
    [PersistentState("worker", "coordinator")] IPersistentState<WorkerState> stored,
    IRosterStore roster,
    IEventLog events,
    ClusterTiming timing,
    TimeProvider time,
    ILogger<WorkerGrain> logger) : Grain, IWorkerGrain
{
    private static readonly TimeSpan LongestPoll = TimeSpan.FromSeconds(5);

    // An agent that is fit and unfit by turns is told of so often.
    private static readonly TimeSpan UnfitToldEvery = TimeSpan.FromMinutes(1);

    private TaskCompletionSource _changed = NewSignal();
    private DateTimeOffset _lastSeen;
    private long _activatedAt;

    /// <summary>When it was last heard, by the clock that nobody puts forward or back; leases are measured by it.</summary>
    private long _seen;

    /// <summary>From when on its name is held for a lease, by that clock; null when the name is free.</summary>
    private long? _nameHeldFrom;

    private Task _makingUp = Task.CompletedTask;
    private long? _unfitTold;
    private bool _unwritten;
    private bool _complained;
    private long _session;
    private bool _connected;
    private bool _reported;
    private WorkerStatus _status = new();
    private WorkerAssignment? _assignment;

    /// <summary>The newest revision that the agent can have; what it says beyond that is of an earlier coordinator.</summary>
    private long _handedOut;

    private DateTimeOffset Now => time.GetUtcNow();

    private bool Alive => _session != 0 && !stored.State.Left && time.GetElapsedTime(_seen) < timing.Lease;

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        // The agent of before the restart may be about to come back: no other machine gets its name meanwhile.
        _nameHeldFrom = stored.State is { Identity: not null, Left: false } ? time.GetTimestamp() : null;
        _lastSeen = stored.State.ConnectedAt;
        _activatedAt = time.GetTimestamp();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<long> Connect(WorkerIdentity identity, CancellationToken cancellationToken)
    {
        var sameAgent = stored.State.Identity?.InstanceId == identity.InstanceId;
        if (!sameAgent)
            RefuseWhileHeld(identity);
        var connected = new WorkerState { Identity = identity, ConnectedAt = Now, Drained = stored.State.Drained };
        if (sameAgent)
        {
            // Its ranks must not end because the database cannot be written for a while.
            stored.State = connected;
            _unwritten = true;
            MakeUp();
        }
        else
        {
            await roster.AddWorkerAsync(identity.Name, CancellationToken.None);
            await WriteAsync(connected);
            _status = new WorkerStatus();
            _reported = false;
            _assignment = null;
            _handedOut = 0;
        }
        _session = Math.Max(_session + 1, Now.UtcTicks);
        _connected = true;
        Seen();
        Signal();
        logger.LogInformation(
            "Worker {Worker} connected from {Host}, process {ProcessId}, with {Slots} slots{Again}",
            identity.Name, identity.Host, identity.ProcessId, identity.Slots.Length, sameAgent ? ", again" : "");
        Note(sameAgent ? "connected again" : "connected", $"from {identity.Host}, process {identity.ProcessId}, with {identity.Slots.Length} {(identity.Slots.Length == 1 ? "slot" : "slots")}");
        return _session;
    }

    /// <inheritdoc/>
    public Task<bool> Report(long session, WorkerStatus status, CancellationToken cancellationToken)
    {
        if (session != _session)
            return Task.FromResult(false);
        status = status.WithReadingsOf(_status);
        NoteUnfit(status.Unfit);
        _status = status.AssignmentRevision <= _handedOut ? status : status with { AssignmentRevision = 0 };
        _reported = true;
        Seen();
        MakeUp();
        return Task.FromResult(true);
    }

    /// <inheritdoc/>
    public async Task Disconnect(long session, CancellationToken cancellationToken)
    {
        if (session != _session)
            return;
        // Its lease runs on, but whoever was started in its place need not wait for the end of that.
        _nameHeldFrom = null;
        _connected = false;
        var idle = _status.Groups.All(group => group.Members.All(member => !member.IsAlive));
        if (!_status.Draining || !idle)
            return;
        await WriteAsync(stored.State with { Left = true });
        logger.LogInformation("Worker {Worker} has left", this.GetPrimaryKeyString());
        Note("left");
    }

    /// <inheritdoc/>
    public Task Assign(WorkerAssignment assignment, CancellationToken cancellationToken)
    {
        if (_assignment is { } before && Assignments.Same(before, assignment))
            return Task.CompletedTask;
        // From the clock, so that it also grows when the grain is activated anew.
        var revision = Math.Max((_assignment?.Revision ?? _handedOut) + 1, Now.ToUnixTimeMilliseconds());
        _assignment = assignment with { Revision = revision };
        Signal();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<WorkerAssignment?> AssignmentAfter(long session, long revision, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(LongestPoll);
        while (true)
        {
            if (session != _session)
                throw new WorkerRefusedException($"Another session of worker {this.GetPrimaryKeyString()} has taken this one's place.");
            if (_assignment is { } assignment && assignment.Revision > revision)
            {
                _handedOut = Math.Max(_handedOut, assignment.Revision);
                return assignment;
            }
            try
            {
                await _changed.Task.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return null;
            }
        }
    }

    /// <inheritdoc/>
    public async Task<WorkerView?> Drain(string drained, CancellationToken cancellationToken)
    {
        if (stored.State.Identity is null)
            return null;
        if (stored.State.Drained != drained)
        {
            await WriteAsync(stored.State with { Drained = drained });
            logger.LogInformation("Worker {Worker} is {Change}", this.GetPrimaryKeyString(), drained.Length > 0 ? $"drained by {drained}" : "not drained any more");
        }
        return View();
    }

    /// <inheritdoc/>
    public async Task<bool> ChangeDrain(string seen, string drained, CancellationToken cancellationToken)
    {
        if (stored.State.Drained != seen || await Drain(drained, cancellationToken) is null)
            return false;
        if (drained != seen)
            Note(drained.Length > 0 ? "drained" : "not drained any more", drained);
        return true;
    }

    /// <inheritdoc/>
    public async Task<bool> Forget(CancellationToken cancellationToken)
    {
        if (Alive)
            return false;
        await _makingUp;
        await roster.RemoveWorkerAsync(this.GetPrimaryKeyString(), CancellationToken.None);
        await stored.ClearStateAsync(CancellationToken.None);
        _unwritten = false;
        DeactivateOnIdle();
        logger.LogInformation("Worker {Worker} is forgotten, last heard of at {LastSeen:u}", this.GetPrimaryKeyString(), _lastSeen);
        Note("forgotten", $"last heard of at {_lastSeen:u}");
        return true;
    }

    /// <inheritdoc/>
    public Task<WorkerView?> Get(CancellationToken cancellationToken) => Task.FromResult(View());

    private WorkerView? View() => stored.State.Identity is not { } identity
        ? null
        : new WorkerView
        {
            Identity = identity,
            Alive = Alive,
            Connected = _connected,
            IsAwaited = !_reported && time.GetElapsedTime(_activatedAt) < timing.Lease,
            Reported = _reported,
            ConnectedAt = stored.State.ConnectedAt,
            LastSeen = _lastSeen,
            Status = _status,
            Assignment = _assignment ?? new WorkerAssignment(0, [], []),
            Left = stored.State.Left,
            Drained = stored.State.Drained,
        };

    private void Note(string what, string why = "", EventSeverity severity = EventSeverity.Info)
    {
        var name = this.GetPrimaryKeyString();
        events.Note(new EventRow { At = Now, Kind = EventKind.Worker, Subject = name, Name = name, What = what, Why = why, Severity = severity });
    }

    private void NoteUnfit(string unfit)
    {
        if (unfit.Length > 0 == _status.Unfit.Length > 0 || (_unfitTold is { } told && time.GetElapsedTime(told) < UnfitToldEvery))
            return;
        _unfitTold = time.GetTimestamp();
        if (unfit.Length > 0)
            Note("takes nothing new", unfit, EventSeverity.Warning);
        else
            Note("takes new work again");
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void RefuseWhileHeld(WorkerIdentity identity)
    {
        if (stored.State is not { Identity: { } holder, Left: false } || _nameHeldFrom is not { } from)
            return;
        var left = timing.Lease - time.GetElapsedTime(from);
        if (left <= TimeSpan.Zero)
            return;
        // After a restart of the coordinator: on the same machine it is the agent that was started again.
        if (_session == 0 && holder.Host == identity.Host)
            return;
        var seconds = Math.Ceiling(left.TotalSeconds);
        throw new WorkerRefusedException(
            $"The name '{identity.Name}' belongs to a worker on {holder.Host}, process {holder.ProcessId}, last heard of at {_lastSeen:u}. "
            + $"Choose another name, or stop that worker; if it is gone, its name is free in {seconds} s.");
    }

    private void Seen()
    {
        _lastSeen = Now;
        _seen = time.GetTimestamp();
        _nameHeldFrom = _seen;
    }

    private void Signal()
    {
        _changed.TrySetResult();
        _changed = NewSignal();
    }

    /// <summary>Writes who is connected, beside the calls that come meanwhile; what fails is tried again with the next report.</summary>
    private void MakeUp()
    {
        if (_unwritten && _makingUp.IsCompleted)
            _makingUp = MakeUpAsync();
    }

    private async Task MakeUpAsync()
    {
        var wanted = stored.State;
        try
        {
            await roster.AddWorkerAsync(this.GetPrimaryKeyString(), CancellationToken.None);
            wanted = stored.State;
            await stored.WriteStateAsync();
            _unwritten = !ReferenceEquals(stored.State, wanted);
            _complained = false;
        }
        catch (Exception exception)
        {
            if (!_complained)
                logger.LogWarning("Worker {Worker} is connected, but that cannot be recorded now ({Error}); tried again", this.GetPrimaryKeyString(), exception.Message);
            _complained = true;
            if (exception is Orleans.Storage.InconsistentStateException)
                await ReadEtagAsync();
        }
    }

    /// <summary>A write that seemed to have failed was made after all: the next one goes on from there.</summary>
    private async Task ReadEtagAsync()
    {
        var wanted = stored.State;
        try
        {
            await stored.ReadStateAsync();
        }
        catch (Exception exception)
        {
            logger.LogWarning("The state of worker {Worker} cannot be read now ({Error}); tried again", this.GetPrimaryKeyString(), exception.Message);
        }
        stored.State = wanted;
    }

    private async Task WriteAsync(WorkerState after)
    {
        await _makingUp;
        _unwritten = false;
        var before = stored.State;
        stored.State = after;
        try
        {
            await stored.WriteStateAsync();
        }
        catch
        {
            stored.State = before;
            DeactivateOnIdle();
            throw;
        }
    }
}
