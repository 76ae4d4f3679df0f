using System.Collections.Immutable;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Tests.Membership;

/// <summary>What a rank's parameters are made of: the lineage in which they were computed, and the steps that went into them, in order.</summary>
internal sealed record SimulatedState(int Lineage, ImmutableList<long> Steps, long Applied)
{
    public static SimulatedState Fresh(int lineage) => new(lineage, [], 0);
}

/// <summary>A checkpoint on storage.</summary>
internal sealed record SimulatedCheckpoint(int Lineage, int Generation, long Step, SimulatedState State)
{
    public string Name => $"l{Lineage:D4}-g{Generation:D4}-s{Step:D8}";
}

/// <summary>What a person has wished to go back to last.</summary>
internal sealed record SimulatedChoice(int Lineage, SimulatedCheckpoint Checkpoint, int Skipped);

/// <summary>A generation as a rank was told of it.</summary>
internal sealed record SimulatedJoin(GenerationPlan Plan, ImmutableArray<LineageChange> Lineages);

/// <summary>A rank process.</summary>
internal sealed class SimulatedRank(int member)
{
    public int Member { get; } = member;

    public MemberCondition Condition { get; set; } = MemberCondition.Starting;

    public int Lineage { get; set; }

    public int Generation { get; set; }

    public SimulatedState? State { get; set; }

    /// <summary>Which parts of the state it holds, as rank of so many; those that it gives away until all others have theirs too.</summary>
    public ImmutableHashSet<(int World, int Rank)> Parts { get; set; } = [];

    /// <summary>The step to which it can bring its parts by itself, beside that of its state.</summary>
    public long? Unfinished { get; set; }

    public string Broken { get; set; } = "";

    public BadLossReport? BadLoss { get; set; }

    /// <summary>The newest generation that it was told of.</summary>
    public SimulatedJoin? Told { get; set; }

    public bool StopTold { get; set; }

    /// <summary>Of the group that it trains in: all of its ranks, and the steps that all of them have applied.</summary>
    public SimulatedGroup? Group { get; set; }

    public bool IsAlive => Condition < MemberCondition.Finished;

    /// <summary>Whether it wants to go on in another generation than the one it is in.</summary>
    public bool WantsToLeave => Told is { } told && told.Plan.Generation > Generation;

    public ReportedMember Report() => new()
    {
        Member = Member,
        Condition = Condition,
        Lineage = Lineage,
        Generation = Generation,
        AppliedStep = State?.Applied ?? 0,
        // What it brought from another lineage is none of this one.
        HoldsState = IsAlive && State?.Lineage == Lineage,
        Broken = Broken,
        BadLoss = BadLoss,
        Failure = Condition == MemberCondition.Failed ? Some.Failure() : null,
        Summary = Condition == MemberCondition.Finished ? "{}" : null,
    };

    /// <summary>It leaves its generation, and joins the newest that it was told of.</summary>
    public void Leave(string broken, BadLossReport? badLoss = null)
    {
        Group = null;
        Broken = broken;
        BadLoss = badLoss;
        Condition = MemberCondition.Waiting;
        Proceed();
    }

    /// <summary>A waiting rank goes where it was told to.</summary>
    public void Proceed()
    {
        if (Condition != MemberCondition.Waiting)
            return;
        if (WantsToLeave && Told!.Plan.Members.Contains(Member))
        {
            (Lineage, Generation) = (Told.Plan.Lineage, Told.Plan.Generation);
            (Broken, BadLoss, Condition) = ("", null, MemberCondition.Joining);
        }
        // Whoever holds state waits for a generation that brings it to a checkpoint.
        else if (StopTold && State is null)
        {
            Condition = MemberCondition.Stopped;
        }
    }
}

/// <summary>The ranks of a formed generation.</summary>
internal sealed record SimulatedGroup(SimulatedJoin Join, ImmutableArray<SimulatedRank> Ranks)
{
    public bool IsIntact => Ranks.All(rank => rank.Condition == MemberCondition.Training && ReferenceEquals(rank.Group, this));
}

/// <summary>An agent with the ranks that it runs, and what the coordinator knows of it.</summary>
internal sealed class SimulatedWorker(string name, int slots)
{
    private int _instance;

    public string Name { get; } = name;

    public Dictionary<int, SimulatedRank> Ranks { get; } = [];

    public bool Runs { get; set; }

    public bool Connected { get; set; }

    public bool Leaving { get; set; }

    /// <summary>Counts connections: a message of an earlier one is not taken any more.</summary>
    public int Session { get; set; }

    public long TakenUp { get; set; }

    public long NextRevision { get; set; } = 1;

    /// <summary>As the coordinator knows it.</summary>
    public WorkerView? View { get; set; }

    public WorkerIdentity Identity => Some.Identity(Name, slots, $"instance-{_instance}");

    public void StartAnew()
    {
        _instance++;
        Ranks.Clear();
        (Runs, Leaving, TakenUp) = (true, false, 0);
    }

    public WorkerStatus Status() => new()
    {
        Groups = Ranks.Count == 0 ? [] : [new ReportedGroup("job", [.. Ranks.Values.Select(rank => rank.Report())])],
        Draining = Leaving,
        AssignmentRevision = TakenUp,
    };

    /// <summary>Does what an assignment says. Returns the ranks that live and are not wanted any more.</summary>
    public List<SimulatedRank> TakeUp(WorkerAssignment assignment)
    {
        TakenUp = assignment.Revision;
        var group = assignment.Groups.SingleOrDefault();
        var wanted = group?.Members.Select(place => place.Member).ToHashSet() ?? [];
        var ended = Ranks.Values.Where(rank => !wanted.Contains(rank.Member)).ToList();
        ended.ForEach(rank => Ranks.Remove(rank.Member));
        foreach (var member in wanted.Where(member => !Ranks.ContainsKey(member)))
            Ranks[member] = new SimulatedRank(member);
        foreach (var rank in Ranks.Values.Where(rank => rank.IsAlive))
        {
            if (group!.Plan is { } plan && plan.Generation > (rank.Told?.Plan.Generation ?? 0))
                Tell(rank, new SimulatedJoin(plan, group.Lineages));
            rank.StopTold |= group.Stop;
            rank.Proceed();
        }
        return [.. ended.Where(rank => rank.IsAlive)];
    }

    private static void Tell(SimulatedRank rank, SimulatedJoin join)
    {
        rank.Told = join;
        if (rank.Condition == MemberCondition.Joining || (rank.Condition == MemberCondition.Training && join.Plan.AtOnce))
            rank.Leave("");
    }
}
