using Linformer.Worker.Local;
using Linformer.Worker.Machines;
using Serilog;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>
/// All that an agent does: its rank groups and leases, led after the newest assignment. It knows nothing of connections,
/// so that it goes on while there is none.
/// </summary>
internal sealed class AgentWork : IGroupObserver, IAsyncDisposable
{
    private readonly WorkerAgentOptions _options;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, GroupRunner> _groups = new(StringComparer.Ordinal);
    private readonly HashSet<MemberKey> _endedBefore = [];
    private readonly Dictionary<string, LeaseRunner> _leases = new(StringComparer.Ordinal);
    private readonly Lock _publishing = new();
    private readonly List<(long Number, V1.RendezvousValue Value)> _published = [];
    private readonly HangWatch _hangWatch;
    private readonly WarmRanks _warm;
    private readonly IDisposable _shown;
    private V1.Assignment _assignment = new();
    private long _lastPublished;
    private int _change;

    public AgentWork(WorkerAgentOptions options, ILogger logger)
    {
        (_options, _logger) = (options, logger);
        Telemetry = new TelemetryBuffer(options.TelemetryItems, options.TelemetryBytes, Signal.Set);
        Storage = new StorageWatch(options.StorageRoot, () => Changed(urgent: true), logger);
        _hangWatch = new HangWatch(Look);
        _hangWatch.Start();
        // Each GPU has an environment of its own.
        _warm = new WarmRanks(options.RankProgram, options.Gpus.Count > 0 ? 0 : options.WarmRanks, logger);
        KeepWarm();
        Gpus = new GpuWatch(options.Gpus, options.GpuInterval, () => Changed(urgent: false), logger);
        Gpus.Start();
        Machine = new MachineWatch(options.StorageRoot, options.MachineInterval);
        Machine.Start();
        _shown = AgentMeter.Show(this);
    }

    /// <summary>Set when there is something to send.</summary>
    public ChangeSignal Signal { get; } = new();

    /// <summary>What is to be recorded.</summary>
    public TelemetryBuffer Telemetry { get; }

    /// <summary>What is counted of jobs.</summary>
    public JobCounters Counters { get; } = new(TimeProvider.System);

    /// <summary>How the GPUs of the slots are doing.</summary>
    public GpuWatch Gpus { get; }

    /// <summary>The worker's name.</summary>
    public string Name => _options.Name;

    /// <summary>The rank processes that live.</summary>
    public IReadOnlyList<RankReading> Ranks
    {
        get
        {
            lock (_gate)
            {
                return [.. Members.Select(member => member.Reading).OfType<RankReading>()];
            }
        }
    }

    /// <summary>How busy this machine is.</summary>
    public MachineWatch Machine { get; }

    /// <summary>The highest epoch of a coordinator that was obeyed.</summary>
    public long Epoch { get; private set; }

    /// <summary>Whether the agent is here to stay.</summary>
    public AgentMode Mode { get; private set; }

    /// <summary>Whether a coordinator listens.</summary>
    public bool IsConnected { get; set; }

    /// <summary>Whether a coordinator has ever welcomed this agent.</summary>
    public bool WasWelcomed { get; set; }

    /// <summary>Whether the storage root is the coordinator's.</summary>
    public StorageWatch Storage { get; }

    /// <summary>Whether the coordinator was told that this agent has left, and how all has ended.</summary>
    public bool HasSaidItsEnd { get; set; }

    /// <summary>Whether it is worth waiting for a coordinator before the process ends.</summary>
    public bool HasMuchToSay
    {
        get
        {
            lock (_gate)
            {
                return IsConnected || _groups.Count > 0 || !Telemetry.IsEmpty;
            }
        }
    }

    /// <summary>Whether no rank and no lease is at work.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_gate)
            {
                return Members.All(member => member.Held.Stage == MemberStage.Ended && member.Closed.IsCompleted) && _leases.Values.All(lease => lease.Held.Stage == LeaseStage.Ended);
            }
        }
    }

    /// <summary>Takes a coordinator's epoch.</summary>
    /// <returns>False when a later coordinator has been obeyed.</returns>
    public bool Obey(long epoch)
    {
        lock (_gate)
        {
            if (epoch < Epoch)
            {
                return false;
            }

            Epoch = epoch;
            return true;
        }
    }

    /// <summary>Takes up an assignment, unless a later one has come.</summary>
    public void Take(V1.Assignment assignment)
    {
        lock (_gate)
        {
            var old = assignment.Epoch < Epoch || (assignment.Epoch == _assignment.Epoch && assignment.Revision < _assignment.Revision);
            if (old)
            {
                _logger.Warning("The assignment {Revision} of epoch {Epoch} is out of date and is ignored", assignment.Revision, assignment.Epoch);
                return;
            }

            Epoch = assignment.Epoch;
            _assignment = assignment;
            // Under the same lock: no status may name an assignment whose groups it does not have yet.
            Reconcile();
        }

        Changed(urgent: true);
    }

    /// <summary>Starts to leave, or to stop: leases are dropped, nothing new starts.</summary>
    /// <param name="mode">How.</param>
    public void Leave(AgentMode mode)
    {
        lock (_gate)
        {
            Mode = mode;
            Reconcile();
        }

        Changed(urgent: true);
    }

    /// <summary>Ends all ranks at once and all leases soon.</summary>
    public void Kill()
    {
        lock (_gate)
        {
            _warm.Keep(0);
            foreach (var member in Members)
            {
                member.Kill();
            }

            foreach (var lease in _leases.Values)
            {
                lease.Cancel();
            }
        }
    }

    /// <summary>Completes when all that is at work now has ended.</summary>
    public Task EndedAsync()
    {
        lock (_gate)
        {
            return Task.WhenAll(Members.Select(member => member.Closed).Concat(_leases.Values.Select(lease => lease.Ended)));
        }
    }

    /// <summary>Hands a value to the group that waits for it; one of an unknown group is dropped.</summary>
    public void GiveRendezvous(V1.RendezvousValue value)
    {
        GroupRunner? group;
        lock (_gate)
        {
            _groups.TryGetValue(value.JobId, out group);
        }

        group?.GiveRendezvous(value);
    }

    /// <summary>The first value of this agent's ranks after a number.</summary>
    public (long Number, V1.RendezvousValue Value)? NextPublished(long after)
    {
        lock (_publishing)
        {
            var index = _published.FindIndex(item => item.Number > after);
            return index < 0 ? null : _published[index];
        }
    }

    /// <summary>Takes what has changed since the last call.</summary>
    /// <returns>0 for nothing, 1 for progress, 2 for more.</returns>
    public int TakeChange() => Interlocked.Exchange(ref _change, 0);

    /// <summary>What the agent is doing, whole.</summary>
    public V1.Status Status()
    {
        lock (_gate)
        {
            var status = new V1.Status
            {
                LostMetricPoints = Telemetry.LostMetricPoints,
                LostLogLines = Telemetry.LostLogLines,
                Draining = Mode != AgentMode.Working,
                Unfit = Storage.Unfit,
                AssignmentRevision = _assignment.Epoch == Epoch ? _assignment.Revision : 0,
            };
            status.Groups.AddRange(_groups.Values.Select(group => group.Status()));
            status.Leases.AddRange(_leases.Values.Where(lease => lease.Held.Stage != LeaseStage.Cancelled).Select(lease => lease.Status()));
            return status;
        }
    }

    public void Changed(bool urgent)
    {
        if (urgent)
        {
            Interlocked.Exchange(ref _change, 2);
        }
        else
        {
            Interlocked.CompareExchange(ref _change, 1, 0);
        }

        Signal.Set();
    }

    public void Record(V1.TelemetryItem item) => Telemetry.Add(item);

    public void Published(V1.RendezvousValue value)
    {
        lock (_publishing)
        {
            _published.Add((++_lastPublished, value));
        }

        Signal.Set();
    }

    public async ValueTask DisposeAsync()
    {
        _shown.Dispose();
        await Gpus.DisposeAsync();
        await Machine.DisposeAsync();
        await _warm.DisposeAsync();
        await _hangWatch.DisposeAsync();
        await Storage.DisposeAsync();
        Signal.Dispose();
    }

    // Under the lock.
    private IEnumerable<MemberRunner> Members => _groups.Values.SelectMany(group => group.Members);

    private void Look(TimeSpan passed)
    {
        List<MemberRunner> members;
        lock (_gate)
        {
            members = [.. Members];
        }

        members.ForEach(member => member.Look(passed));
    }

    private void Reconcile()
    {
        lock (_gate)
        {
            var groups = _assignment.Groups.DistinctBy(group => group.JobId, StringComparer.Ordinal).ToList();
            var leases = _assignment.Leases.DistinctBy(lease => lease.LeaseId, StringComparer.Ordinal).ToDictionary(lease => lease.LeaseId, StringComparer.Ordinal);
            var todo = Reconciler.Reconcile(
                [.. groups.SelectMany(Wanted)],
                leases.Keys,
                [.. Members.Select(member => member.Held)],
                [.. _leases.Values.Select(lease => lease.Held)],
                _endedBefore,
                Mode);
            groups.ForEach(Take);
            Reconcile(todo);
            ReconcileLeases(todo, leases);
            foreach (var group in _groups.Values.Where(group => group.Members.Count == 0).ToList())
            {
                Forget(group);
            }

            KeepWarm();
        }
    }

    // Under the lock. Where a rank is, none waits.
    private void KeepWarm() => _warm.Keep(Mode == AgentMode.Working ? _options.Slots - Members.Count(member => member.Held.Stage != MemberStage.Ended) : 0);

    private static IEnumerable<WantedMember> Wanted(V1.RankGroup group) => group.Members.Select(place =>
        new WantedMember(new MemberKey(group.JobId, place.Member), place.Slot, group.Plan?.Generation ?? 0, group.Goal == V1.GroupGoal.Stop));

    private void Take(V1.RankGroup assigned)
    {
        if (!_groups.TryGetValue(assigned.JobId, out var group))
        {
            _groups[assigned.JobId] = group = new GroupRunner(assigned.JobId, _options, Storage, Counters.Of(assigned.JobId), _warm, this, _logger);
        }

        group.Take(assigned);
        Unpublish(value => value.JobId == assigned.JobId && value.Generation < (assigned.Plan?.Generation ?? 0));
    }

    private void Reconcile(Reconciliation todo)
    {
        foreach (var key in todo.Forget)
        {
            _groups[key.JobId].Forget(key.Member);
            _endedBefore.Add(key);
        }

        foreach (var key in todo.Kill)
        {
            _logger.ForContext("JobId", key.JobId).Information("The member {Member} is no longer wanted and is ended", key);
            _groups[key.JobId].Kill(key.Member);
        }

        foreach (var start in todo.Start)
        {
            var after = Task.WhenAll(Members.Where(member => start.After.Contains(member.Key)).Select(member => member.Gone));
            _ = ReconcileAfterAsync(_groups[start.Key.JobId].Start(start.Key.Member, after));
        }

        foreach (var key in todo.Skip)
        {
            _groups[key.JobId].Skip(key.Member, reason: null);
        }

        foreach (var key in todo.Refuse)
        {
            _groups[key.JobId].Skip(key.Member, "has ended before and is not started again");
        }

        foreach (var key in todo.Tell)
        {
            _groups[key.JobId].Tell(key.Member);
        }

        foreach (var key in todo.Stop)
        {
            _groups[key.JobId].Stop(key.Member);
        }
    }

    private void ReconcileLeases(Reconciliation todo, Dictionary<string, V1.CorpusLease> leases)
    {
        foreach (var id in todo.ForgetLeases)
        {
            _leases.Remove(id, out var ended);
            ended!.Dispose();
        }

        foreach (var id in todo.CancelLeases)
        {
            _leases[id].Cancel();
        }

        foreach (var id in todo.StartLeases)
        {
            var runner = new LeaseRunner(leases[id], _options, Storage, Changed, _logger);
            _leases.Add(id, runner);
            runner.Start();
            _ = ReconcileAfterAsync(runner.Ended);
        }
    }

    private void Forget(GroupRunner group)
    {
        if (_assignment.Groups.All(assigned => assigned.JobId != group.JobId))
        {
            _groups.Remove(group.JobId);
            Counters.End(group.JobId);
            Unpublish(value => value.JobId == group.JobId);
        }
    }

    private void Unpublish(Predicate<V1.RendezvousValue> isOver)
    {
        lock (_publishing)
        {
            _published.RemoveAll(item => isOver(item.Value));
        }
    }

    // What has ended and is no longer wanted is forgotten, once nothing of it is left to record.
    private async Task ReconcileAfterAsync(MemberRunner member)
    {
        await member.Closed.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await ReconcileAfterAsync(member.Gone);
    }

    private async Task ReconcileAfterAsync(Task ended)
    {
        await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Reconcile();
        Changed(urgent: true);
    }
}
