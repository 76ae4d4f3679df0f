using Serilog;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>
/// All that an agent does: its rank groups and leases, led after the newest assignment. It knows nothing of connections,
/// so that it goes on while there is none.
/// </summary>
internal sealed class AgentWork : IGroupObserver, IDisposable
{
    private readonly WorkerAgentOptions _options;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Dictionary<GroupKey, GroupRunner> _groups = [];
    private readonly Dictionary<string, LeaseRunner> _leases = new(StringComparer.Ordinal);
    private readonly Lock _publishing = new();
    private readonly List<(long Number, V1.RendezvousValue Value)> _published = [];
    private V1.Assignment _assignment = new();
    private long _lastPublished;
    private int _change;

    public AgentWork(WorkerAgentOptions options, ILogger logger)
    {
        (_options, _logger) = (options, logger);
        Telemetry = new TelemetryBuffer(options.TelemetryItems, options.TelemetryBytes, Signal.Set);
    }

    /// <summary>Set when there is something to send.</summary>
    public ChangeSignal Signal { get; } = new();

    /// <summary>What is to be recorded.</summary>
    public TelemetryBuffer Telemetry { get; }

    /// <summary>The highest epoch of a coordinator that was obeyed.</summary>
    public long Epoch { get; private set; }

    /// <summary>Whether the agent leaves.</summary>
    public bool Draining { get; private set; }

    /// <summary>Whether a coordinator listens.</summary>
    public bool IsConnected { get; set; }

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
                return _groups.Values.All(group => group.Held.Stage == GroupStage.Ended) && _leases.Values.All(lease => lease.Held.Stage == LeaseStage.Ended);
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

    /// <summary>Starts to leave: ranks stop with a checkpoint, leases are dropped, nothing new starts.</summary>
    public void Drain()
    {
        lock (_gate)
        {
            Draining = true;
            Reconcile();
        }

        Changed(urgent: true);
    }

    /// <summary>Ends all ranks at once and all leases soon.</summary>
    public void Kill()
    {
        lock (_gate)
        {
            foreach (var group in _groups.Values)
            {
                group.Kill();
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
            return Task.WhenAll(_groups.Values.Select(group => group.Ended).Concat(_leases.Values.Select(lease => lease.Ended)));
        }
    }

    /// <summary>Hands a value to the group that waits for it; one of an unknown group is dropped.</summary>
    public void GiveRendezvous(V1.RendezvousValue value)
    {
        GroupRunner? group;
        lock (_gate)
        {
            _groups.TryGetValue(new GroupKey(value.JobId, value.Lineage, value.Generation), out group);
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
                Draining = Draining,
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

    public void Record(GroupKey group, int rank, V1.TelemetryItem item) => Telemetry.Add(group, rank, item);

    public void Published(V1.RendezvousValue value)
    {
        lock (_publishing)
        {
            _published.Add((++_lastPublished, value));
        }

        Signal.Set();
    }

    public void Dispose() => Signal.Dispose();

    private void Reconcile()
    {
        lock (_gate)
        {
            var wanted = _assignment.Groups.DistinctBy(KeyOf).ToDictionary(KeyOf);
            var leases = _assignment.Leases.DistinctBy(lease => lease.LeaseId, StringComparer.Ordinal).ToDictionary(lease => lease.LeaseId, StringComparer.Ordinal);
            var todo = Reconciler.Reconcile(
                [.. wanted.Select(group => new WantedGroup(group.Key, group.Value.Goal == V1.GroupGoal.Stop, GroupRunner.SlotsOf(group.Value)))],
                leases.Keys,
                [.. _groups.Values.Select(group => group.Held)],
                [.. _leases.Values.Select(lease => lease.Held)],
                Draining);
            foreach (var key in todo.Forget)
            {
                Forget(key);
            }

            foreach (var key in todo.Kill)
            {
                _logger.ForContext("JobId", key.JobId).Information("The ranks of {Group} are no longer wanted and are ended", key);
                _groups[key].Kill();
            }

            foreach (var key in todo.Stop)
            {
                _groups[key].Stop();
            }

            foreach (var start in todo.Start)
            {
                var after = Task.WhenAll(start.After.Select(key => _groups[key].Ended));
                var runner = Add(wanted[start.Key]);
                runner.Start(after);
                _ = ReconcileAfterAsync(runner.Ended);
            }

            foreach (var key in todo.Skip)
            {
                Add(wanted[key]).Skip();
            }

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
                var runner = new LeaseRunner(leases[id], _options, Changed, _logger);
                _leases.Add(id, runner);
                runner.Start();
                _ = ReconcileAfterAsync(runner.Ended);
            }
        }
    }

    private static GroupKey KeyOf(V1.RankGroup group) => new(group.JobId, group.Lineage, group.Generation);

    private GroupRunner Add(V1.RankGroup group)
    {
        var runner = new GroupRunner(KeyOf(group), group, _options, this, _logger);
        _groups.Add(runner.Key, runner);
        return runner;
    }

    private void Forget(GroupKey key)
    {
        _groups.Remove(key, out var ended);
        ended!.Dispose();
        lock (_publishing)
        {
            _published.RemoveAll(item => new GroupKey(item.Value.JobId, item.Value.Lineage, item.Value.Generation) == key);
        }
    }

    // What has ended and is no longer wanted is forgotten.
    private async Task ReconcileAfterAsync(Task ended)
    {
        await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Reconcile();
        Changed(urgent: true);
    }
}
