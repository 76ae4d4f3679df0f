using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Tests;

/// <summary>
/// Does what an agent does, against the grains: connects, takes assignments up, and reports members that are ready and train at once, and
/// leases that are done at once.
/// </summary>
internal sealed class TestAgent : IAsyncDisposable
{
    private static readonly CorpusTotals Totals = new(3, 1000, 261, 4);

    private readonly TestCluster _cluster;
    private readonly WorkerIdentity _identity;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private Dictionary<(string Job, int Member), ReportedMember> _members = [];
    private ImmutableArray<ReportedLease> _leases = [];
    private long _session;
    private long _revision;
    private bool _draining;
    private Task _loops = Task.CompletedTask;

    private TestAgent(TestCluster cluster, WorkerIdentity identity)
    {
        _cluster = cluster;
        _identity = identity;
    }

    public string Name => _identity.Name;

    /// <summary>Every member of a job that it has started.</summary>
    public List<(string Job, int Member)> Started { get; } = [];

    /// <summary>Every generation of a job that a member of its was a rank of, in order.</summary>
    public List<(string Job, int Generation)> Joined { get; } = [];

    /// <summary>Whether new members get ready at once.</summary>
    public bool Ready { get; set; } = true;

    /// <summary>What it was asked to do and never should have been.</summary>
    public List<string> Violations { get; } = [];

    /// <summary>Works of the leases that it has had.</summary>
    public List<AssignedLease> Leased { get; } = [];

    public static async Task<TestAgent> ConnectAsync(
        TestCluster cluster, string name, int slots = 1, string instance = "first", IEnumerable<ReportedGroup>? groups = null)
    {
        var agent = new TestAgent(cluster, Some.Identity(name, slots, instance));
        foreach (var group in groups ?? [])
        {
            foreach (var member in group.Members)
                agent._members[(group.JobId, member.Member)] = member;
        }
        agent._session = await cluster.Worker(name).Connect(agent._identity, CancellationToken.None);
        await agent.ReportAsync();
        agent._loops = Task.WhenAll(agent.FollowAsync(), agent.BeatAsync());
        return agent;
    }

    /// <summary>How its members of a job are.</summary>
    public ReportedGroup Held(string job)
    {
        lock (_gate)
            return new ReportedGroup(job, [.. _members.Where(member => member.Key.Job == job).Select(member => member.Value)]);
    }

    /// <summary>Its members of a job change, those that live.</summary>
    public async Task ChangeAsync(string job, Func<ReportedMember, ReportedMember> change)
    {
        lock (_gate)
        {
            foreach (var key in _members.Keys.Where(key => key.Job == job && _members[key].IsAlive).ToList())
                _members[key] = change(_members[key]);
        }
        await ReportAsync();
    }

    /// <summary>Its members of a job end.</summary>
    public Task EndAsync(string job, MemberCondition condition) => ChangeAsync(job, member => Ended(member, condition));

    /// <summary>Says that it wants to leave.</summary>
    public Task DrainAsync()
    {
        _draining = true;
        return ReportAsync();
    }

    /// <summary>It is not heard of any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loops.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        _stop.Dispose();
    }

    private async Task BeatAsync()
    {
        while (true)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), _stop.Token);
            await ReportAsync();
        }
    }

    private async Task FollowAsync()
    {
        while (true)
        {
            var assignment = await _cluster.Worker(_identity.Name).AssignmentAfter(_session, _revision, _stop.Token);
            if (assignment is null)
                continue;
            TakeUp(assignment);
            await ReportAsync();
        }
    }

    private void TakeUp(WorkerAssignment assignment)
    {
        lock (_gate)
        {
            _revision = assignment.Revision;
            var members = new Dictionary<(string, int), ReportedMember>();
            foreach (var (group, place) in assignment.Groups.SelectMany(group => group.Members.Select(place => (group, place))))
            {
                var key = (group.JobId, place.Member);
                if (!_members.TryGetValue(key, out var known))
                {
                    Started.Add(key);
                    known = new ReportedMember { Member = place.Member, Condition = Ready ? MemberCondition.Waiting : MemberCondition.Starting };
                }
                members[key] = Follow(group, known);
            }
            Check(assignment, members);
            _members = members;
            Leased.AddRange(assignment.Leases);
            _leases = [.. assignment.Leases.Select(Done)];
        }
    }

    private ReportedMember Follow(AssignedGroup group, ReportedMember member)
    {
        if (!member.IsAlive)
            return member;
        if (group.Plan is { } plan && plan.Generation > member.Generation && member.Condition != MemberCondition.Starting)
        {
            var joins = plan.Members.Contains(member.Member);
            if (joins)
                Joined.Add((group.JobId, plan.Generation));
            member = joins
                ? member with { Condition = MemberCondition.Training, Lineage = plan.Lineage, Generation = plan.Generation, HoldsState = true, Broken = "" }
                : member with { Condition = MemberCondition.Waiting };
        }
        return group.Stop ? member with { Condition = MemberCondition.Stopped } : member;
    }

    private void Check(WorkerAssignment assignment, Dictionary<(string Job, int Member), ReportedMember> members)
    {
        var alive = assignment.Groups.SelectMany(group => group.Members.Where(place => members[(group.JobId, place.Member)].IsAlive)).ToList();
        foreach (var slot in alive.GroupBy(place => place.Slot).Where(places => places.Count() > 1))
            Violations.Add($"slot {slot.Key} of {_identity.Name} has {slot.Count()} ranks");
        foreach (var job in assignment.Groups.GroupBy(group => group.JobId).Where(groups => groups.Count() > 1))
            Violations.Add($"job {job.Key} is {job.Count()} times on {_identity.Name}");
    }

    /// <summary>One of its members of some job ends, if there are any.</summary>
    public async Task EndAnyAsync(Random random, MemberCondition condition)
    {
        lock (_gate)
        {
            var alive = _members.Where(member => member.Value.IsAlive).ToArray();
            if (alive.Length == 0)
                return;
            var (key, member) = alive[random.Next(alive.Length)];
            _members[key] = Ended(member, condition);
        }
        await ReportAsync();
    }

    private static ReportedMember Ended(ReportedMember member, MemberCondition condition) => member with
    {
        Condition = condition,
        Failure = condition == MemberCondition.Failed ? Some.Failure(member.Generation) : null,
        Summary = "{}",
    };

    private async Task ReportAsync()
    {
        WorkerStatus status;
        lock (_gate)
            status = new WorkerStatus { Groups = Groups(), Leases = _leases, AssignmentRevision = _revision, Draining = _draining };
        await _cluster.Worker(_identity.Name).Report(_session, status, CancellationToken.None);
        await _cluster.Scheduler.Poke(CancellationToken.None);
    }

    private ImmutableArray<ReportedGroup> Groups() =>
        [.. _members.GroupBy(member => member.Key.Job).Select(group => new ReportedGroup(group.Key, [.. group.Select(member => member.Value)]))];

    private static ReportedLease Done(AssignedLease lease) => new()
    {
        LeaseId = lease.LeaseId,
        CorpusId = lease.CorpusId,
        Condition = LeaseCondition.Done,
        Plan = lease.Work == LeaseWork.Plan ? new PlannedCorpus("fingerprint", "cache/f", 4, 261, Existing: null) : null,
        Totals = lease.Work == LeaseWork.Manifest ? Totals : null,
    };
}
