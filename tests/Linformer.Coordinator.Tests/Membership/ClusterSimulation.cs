using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Scheduling;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Tests.Membership;

/// <summary>
/// One job on a cluster that is made up: ranks, agents, a network and storage behave as their protocols say, and everything may happen at
/// any moment. Only the decisions are the coordinator's own code. After every event the rules are checked that must always hold.
/// </summary>
internal sealed partial class ClusterSimulation
{
    private const string JobId = "job";
    private const int CheckpointEvery = 5;

    private readonly Random _random;
    private readonly List<SimulatedWorker> _workers;
    private readonly HashSet<long> _badSteps;
    private readonly long _totalSteps;
    private readonly List<SimulatedCheckpoint> _checkpoints = [];
    private readonly List<(SimulatedWorker Worker, int Session, WorkerStatus Status)> _statuses = [];
    private readonly List<(SimulatedWorker Worker, int Session, WorkerAssignment Assignment)> _assignments = [];
    private readonly List<(int Lineage, int Generation, long Step)> _metrics = [];
    private readonly List<JobObserved> _late = [];
    private DateTimeOffset _now = Some.Noon;
    private bool _inGrace;
    private bool _calm;
    private JobState _job;
    private SimulatedChoice? _choice;

    // As the telemetry tables have it.
    private (int Lineage, int Generation, long Committed) _stored;

    public ClusterSimulation(Random random)
    {
        _random = random;
        _totalSteps = random.Next(20, 80);
        var min = random.Next(1, 3);
        var file = Some.JobFile(min, min + random.Next(0, 3));
        _shares = random.Next(2) == 0;
        file = file with { Training = file.Training with { Steps = (int)_totalSteps, ShardOptimizer = _shares } };
        _job = JobMachine.Create(new JobState(), Some.Submission(JobId) with { JobJson = file.ToJson() }, _now);
        _workers = [.. Enumerable.Range(1, random.Next(2, 5)).Select(i => new SimulatedWorker($"w{i}", random.Next(1, 3)))];
        _badSteps = [.. Enumerable.Range(0, random.Next(3)).Select(_ => (long)random.Next(2, (int)_totalSteps))];
        foreach (var worker in _workers)
        {
            worker.StartAnew();
            Connect(worker);
        }
    }

    /// <summary>What has happened, for people who look for the reason of a failure.</summary>
    public List<string> Log { get; } = [];

    /// <summary>How the job was whenever a person took it back.</summary>
    public List<(JobPhase Phase, bool Stopping)> Choices { get; } = [];

    public JobView View => _job.View!;

    /// <summary>How the workers are in truth.</summary>
    public string Truth => string.Join("; ", _workers.Select(worker =>
        $"{worker.Name} runs {worker.Runs} connected {worker.Connected} known alive {worker.View?.Alive} reported {worker.View?.Reported}: "
        + string.Join(", ", worker.Ranks.Values.Select(rank => $"{rank.Member} {rank.Condition} g{rank.Generation} s{rank.State?.Applied}"))));

    private IEnumerable<(SimulatedWorker Worker, SimulatedRank Rank)> Alive =>
        _workers.Where(worker => worker.Runs).SelectMany(worker => worker.Ranks.Values.Where(rank => rank.IsAlive).Select(rank => (worker, rank)));

    /// <summary>Lets something happen.</summary>
    public void Step()
    {
        _now += TimeSpan.FromMilliseconds(_random.Next(200));
        var worker = _workers[_random.Next(_workers.Count)];
        switch (_random.Next(100))
        {
            case < 22:
                Event("pass", () => Pass(patient: false));
                break;
            case < 34:
                SendStatus(worker);
                break;
            case < 48:
                Event("status arrives", DeliverStatus);
                break;
            case < 58:
                Event("assignment arrives", DeliverAssignment);
                break;
            case < 82:
                Event("ranks go on", () => Progress(_random.Next(8)));
                break;
            case < 86:
                Event("metrics arrive", DeliverMetrics);
                break;
            case < 88:
                Fault($"a rank on {worker.Name} is killed", () => KillRank(worker));
                break;
            default:
                Disturb(worker);
                break;
        }
    }

    /// <summary>Faults stop, and all that can go on does: the job has to get to its end.</summary>
    public void ToTheEnd()
    {
        _calm = true;
        var apart = 0;
        for (var round = 0; round < 2000 && !View.HasEnded; round++)
        {
            Round();
            apart = View.Phase == JobPhase.Running && View.Generation != _stored.Generation ? apart + 1 : 0;
            apart.ShouldBeLessThan(5, "what the ranks of the newest generation compute does not commit");
        }
    }

    /// <summary>
    /// The rare coincidence: the coordinator is started again while a rank or an agent ends, and hears of the workers one by one, while it
    /// makes its passes; perhaps after ranks have got far ahead of what their workers have reported, and while a worker is to be left.
    /// </summary>
    public void Storm()
    {
        if (_random.Next(3) == 0)
            RunAhead();
        if (_random.Next(3) == 0 && _workers[_random.Next(_workers.Count)] is { View: { } view } drained)
            drained.View = view with { Drained = "person:ada" };
        if (_random.Next(3) > 0)
            Event("coordinator restarts", Restart);
        for (var i = _random.Next(1, 3); i > 0; i--)
        {
            var worker = _workers[_random.Next(_workers.Count)];
            if (_random.Next(4) == 0)
                Fault($"agent {worker.Name} is killed", () => KillAgent(worker));
            else
                Fault($"a rank on {worker.Name} is killed", () => KillRank(worker));
        }
        Event("ranks go on", () => Progress(0));
        foreach (var worker in _workers.Where(_ => _random.Next(3) > 0).ToArray())
        {
            if (!worker.Connected && worker.Runs)
                Event($"{worker.Name} connects", () => Connect(worker));
            SendStatus(worker);
            for (var i = _random.Next(4); i > 0; i--)
                Event("status arrives", DeliverStatus);
            Event("pass", () => Pass(patient: _random.Next(2) == 0));
        }
        for (var i = _random.Next(4); i > 0; i--)
            Event("assignment arrives", DeliverAssignment);
        Event("ranks go on", () => Progress(0));
    }

    private void RunAhead()
    {
        Event("pass", () => Pass(patient: false));
        while (_assignments.Count > 0)
            Event("assignment arrives", DeliverAssignment);
        for (var i = _random.Next(1, 5); i > 0; i--)
            Event("ranks go on", () => Progress(0));
        while (_metrics.Count > 0)
            Event("metrics arrive", DeliverMetrics);
    }

    /// <summary>A while in which nothing fails.</summary>
    public void Round()
    {
        _now += TimeSpan.FromMinutes(1);
        foreach (var worker in _workers.Where(worker => !worker.Runs || (worker.Leaving && worker.Ranks.Count == 0)))
            worker.StartAnew();
        foreach (var worker in _workers.Where(worker => !worker.Connected))
            Connect(worker);
        foreach (var worker in _workers.Where(worker => worker.View!.Drained.Length > 0))
            worker.View = worker.View! with { Drained = "" };
        if (View.Phase == JobPhase.Paused)
            Wish(() => JobMachine.Resume(_job, Some.Ada, _now));
        Event("pass", () => Pass(patient: true));
        while (_assignments.Count > 0)
            Event("assignment arrives", DeliverAssignment);
        for (var i = 0; i < 3; i++)
            Event("ranks go on", () => Progress(0));
        while (_metrics.Count > 0)
            Event("metrics arrive", DeliverMetrics);
        foreach (var worker in _workers)
            SendStatus(worker);
        while (_statuses.Count > 0)
            Event("status arrives", DeliverStatus);
        _inGrace = false;
    }

    private void SendStatus(SimulatedWorker worker)
    {
        if (worker.Leaving && worker.Ranks.Count == 0 && worker.Runs)
            worker.Runs = worker.Connected = false;
        if (!worker.Connected)
            return;
        _statuses.Add((worker, worker.Session, worker.Status()));
        if (_random.Next(8) == 0)
            _statuses.Add(_statuses[^1]);
    }

    private void DeliverStatus()
    {
        if (_statuses.Count == 0)
            return;
        // Mostly in order.
        var at = _random.Next(4) > 0 ? 0 : _random.Next(_statuses.Count);
        var (worker, session, status) = _statuses[at];
        _statuses.RemoveAt(at);
        if (worker.Connected && worker.Session == session)
            worker.View = worker.View! with { Status = status, Reported = true, Alive = true };
    }

    private void DeliverAssignment()
    {
        if (_assignments.Count == 0)
            return;
        var (worker, session, assignment) = _assignments[0];
        _assignments.RemoveAt(0);
        if (!worker.Connected || worker.Session != session || !worker.Runs)
            return;
        foreach (var rank in worker.TakeUp(assignment))
            Log.Add($"   member {rank.Member} ends: not wanted any more");
    }

    private void DeliverMetrics()
    {
        if (_metrics.Count == 0)
            return;
        var at = _random.Next(_metrics.Count);
        var (lineage, generation, step) = _metrics[at];
        if (_random.Next(6) > 0)
            _metrics.RemoveAt(at);
        if ((lineage, generation) == (_stored.Lineage, _stored.Generation) && step > _stored.Committed)
            _stored.Committed = step;
    }

    private void Connect(SimulatedWorker worker)
    {
        if (!worker.Runs)
            return;
        var same = worker.View?.Identity.InstanceId == worker.Identity.InstanceId;
        worker.Connected = true;
        worker.Session++;
        worker.View = new WorkerView
        {
            Identity = worker.Identity,
            Alive = true,
            Reported = same && worker.View!.Reported,
            ConnectedAt = _now,
            LastSeen = _now,
            Status = same ? worker.View!.Status : new WorkerStatus(),
            Assignment = same ? worker.View!.Assignment : new WorkerAssignment(0, [], []),
            Drained = worker.View?.Drained ?? "",
        };
        // An agent that connects is sent the newest assignment.
        if (worker.View.Assignment.Revision > 0)
            _assignments.Add((worker, worker.Session, worker.View.Assignment));
    }

    /// <summary>A pass of the scheduler: the real decisions about what is seen.</summary>
    /// <param name="patient">Whether all that can be waited for has been waited for.</param>
    private void Pass(bool patient)
    {
        bool Waited() => patient || _random.Next(4) == 0;
        var cluster = Cluster();
        if (View.Phase is JobPhase.Preparing or JobPhase.Running)
        {
            var seen = new JobObserved
            {
                Revision = View.Revision,
                Members = Assignments.Observe(cluster, View),
                CommittedStep = View.Lineage == _stored.Lineage ? _stored.Committed : 0,
                RecordedGeneration = _stored.Generation,
                CauseAwaited = Waited(),
                StartAwaited = Waited(),
                HandoverAwaited = Waited(),
            };
            _late.Add(seen);
            Log.Add("   seen: " + string.Join(", ", seen.Members.Select(member => $"{member.Member} on {member.Worker} {member.Condition} g{member.Generation} s{member.AppliedStep} {member.Why}")));
            Apply(state => JobMachine.Apply(state, seen, _now));
        }
        cluster = Cluster();
        if (cluster.WorkersAreBack)
        {
            foreach (var decision in GangScheduler.Place(Assignments.Waiting(cluster), Assignments.Capacities(cluster)).Where(one => !one.Places.IsEmpty))
                Apply(state => JobMachine.Apply(state, View.Phase == JobPhase.Running ? new JobGrown(decision.Places) : new JobPlaced(decision.Places), _now));
        }
        if (View.Phase == JobPhase.Preparing)
            Apply(state => JobMachine.Apply(state, new JobCorpusReady(Some.Corpus), _now));
        foreach (var worker in _workers.Where(worker => worker.View is { Reported: true }))
            Assign(worker);
    }

    private void Assign(SimulatedWorker worker)
    {
        var derived = Assignments.Derive(Cluster(), worker.View!, [], new HashSet<string>())!;
        if (worker.View!.Assignment.Revision > 0 && Assignments.Same(worker.View.Assignment, derived))
            return;
        if (derived.Groups.SingleOrDefault()?.Plan is { } plan)
            _stored.Generation.ShouldBeGreaterThanOrEqualTo(plan.Generation, "an agent hears of a generation before its steps commit");
        worker.View = worker.View with { Assignment = derived with { Revision = worker.NextRevision++ } };
        if (worker.Connected)
            _assignments.Add((worker, worker.Session, worker.View.Assignment));
    }

    private ClusterView Cluster() => new()
    {
        Jobs = View.HasEnded ? new Dictionary<string, JobView>() : new Dictionary<string, JobView> { [JobId] = View },
        Workers = _workers.Where(worker => worker.View is not null).ToDictionary(worker => worker.Name, worker => worker.View!),
        Timing = new ClusterTiming { StartedAt = Some.Noon },
        Now = _now,
        InGrace = _inGrace,
    };

    /// <summary>As the job's grain: what a new generation commits is settled before anybody hears of it, and a kill may come in between.</summary>
    private void Apply(Func<JobState, JobState> change)
    {
        var before = _job;
        var after = change(before);
        if (ReferenceEquals(after, before))
            return;
        if (after.View!.Generation != before.View!.Generation)
        {
            Begin(after.View);
            if (!_calm && _random.Next(30) == 0)
            {
                Log.Add("   the coordinator is killed before the change is written");
                Restart();
                return;
            }
            if (_stored.Lineage == before.View.Lineage && _stored.Committed > before.CommittedStep)
                after = change(before with { CommittedStep = _stored.Committed });
        }
        CheckChange(before, after);
        foreach (var entry in after.Outbox)
            Log.Add($"   {entry.What} ({entry.Why})");
        _job = after with { Outbox = [] };
    }

    private void Begin(JobView view)
    {
        if ((view.Lineage, view.Generation).CompareTo((_stored.Lineage, _stored.Generation)) <= 0)
            return;
        _stored = (view.Lineage, view.Generation, view.Lineage == _stored.Lineage ? _stored.Committed : 0);
    }
}
