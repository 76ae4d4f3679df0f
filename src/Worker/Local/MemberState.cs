using System.Collections.Immutable;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>How far a member is.</summary>
internal enum MemberPhase
{
    /// <summary>Its process starts, loads the model's shape and opens the data.</summary>
    Starting,

    /// <summary>It waits for a generation newer than the one it was in.</summary>
    Waiting,

    /// <summary>It connects with the other ranks of its generation and takes over state.</summary>
    Joining,

    /// <summary>It is a rank of a generation.</summary>
    Training,

    /// <summary>It is a rank of a generation, and was asked to write a checkpoint and end.</summary>
    Stopping,

    /// <summary>Its process has ended.</summary>
    Ended,
}

/// <summary>What is known of a member, from what it was told and what it tells: a value that each message changes to the next.</summary>
internal sealed record MemberState
{
    // Of two generations that follow each other, a member may be told before it has left the first.
    private const int KeptJoins = 4;
    private const int KeptTimes = 20;

    private ImmutableArray<JoinMessage> _joins = [];
    private ImmutableQueue<double> _times = [];
    private int _timeCount;
    private bool _ready;
    private bool _joining;
    private bool _inside;
    private bool _holds;
    private int _lineageHeld;
    private bool _ended;

    /// <summary>How far it is.</summary>
    public MemberPhase Phase => this switch
    {
        { _ended: true } => MemberPhase.Ended,
        { _ready: false } => MemberPhase.Starting,
        { _inside: true, ToldToStop: true } => MemberPhase.Stopping,
        { _inside: true } => MemberPhase.Training,
        { _joining: true } => MemberPhase.Joining,
        _ => MemberPhase.Waiting,
    };

    /// <summary>The lineage of <see cref="Generation"/>.</summary>
    public int Lineage { get; private init; }

    /// <summary>The generation that it joins, is in, or was in last; 0 for none.</summary>
    public int Generation { get; private init; }

    /// <summary>Its rank in <see cref="Generation"/>; -1 before the first.</summary>
    public int Rank { get; private init; } = -1;

    /// <summary>The last step that it applied.</summary>
    public long AppliedStep { get; private init; }

    /// <summary>Whether it holds the state of that step in <see cref="Lineage"/>.</summary>
    public bool HoldsState => _holds && _lineageHeld == Lineage;

    /// <summary>Whether it was told to stop.</summary>
    public bool ToldToStop { get; private init; }

    /// <summary>Why its generation broke, as a predicate; empty when it left at a step boundary, or has joined again.</summary>
    public string Why { get; private init; } = "";

    /// <summary>The step whose loss was bad, where that is why.</summary>
    public long? BadLossStep { get; private init; }

    /// <summary>Its own time for a step, mean of the newest; 0 before the first.</summary>
    public TimeSpan StepTime { get; private init; }

    /// <summary>Steps that it has applied since its process started.</summary>
    public long AppliedCount { get; private init; }

    /// <summary>The newest generation that it was told of; 0 for none.</summary>
    public int ToldGeneration => Newest?.Generation ?? 0;

    /// <summary>Whether it has said all that it has to say: its process should end.</summary>
    public bool IsLeaving { get; private init; }

    private JoinMessage? Newest => _joins.IsEmpty ? null : _joins[^1];

    /// <summary>The place in a generation that it was told; null when it was not, or long ago.</summary>
    public JoinMessage? Told(int generation) => _joins.LastOrDefault(join => join.Generation == generation);

    /// <summary>It is told to be a rank of a generation.</summary>
    public MemberState Tell(JoinMessage join)
    {
        var told = this with { _joins = [.. _joins.TakeLast(KeptJoins - 1), join] };
        return _ready && !_inside ? told.BeginJoin() : told;
    }

    /// <summary>It is told to stop.</summary>
    public MemberState TellStop() => this with { ToldToStop = true };

    /// <summary>Its process has ended.</summary>
    public MemberState End() => this with { _ended = true, _holds = false };

    /// <summary>It has told something.</summary>
    public MemberState Take(RankMessage message) => message switch
    {
        ReadyMessage => (this with { _ready = true }).BeginJoin(),
        JoinedMessage joined => Take(joined),
        LeftMessage left => Take(left),
        AppliedMessage applied => Take(applied),
        FinishedMessage or StoppedMessage or FailedMessage => this with { IsLeaving = true },
        _ => this,
    };

    /// <summary>Whether others should hear of the difference at once.</summary>
    public bool IsNewsAfter(MemberState before) =>
        (Phase, Lineage, Generation, HoldsState, Why, BadLossStep) != (before.Phase, before.Lineage, before.Generation, before.HoldsState, before.Why, before.BadLossStep);

    private MemberState BeginJoin() => Newest is { Rank: >= 0 } join && join.Generation > Generation
        ? this with { Lineage = join.Lineage, Generation = join.Generation, Rank = join.Rank, Why = "", BadLossStep = null, _joining = true }
        : this;

    private MemberState Take(JoinedMessage joined) => this with
    {
        _ready = true,
        _joining = false,
        _inside = true,
        _times = [],
        _timeCount = 0,
        Lineage = joined.Lineage,
        Generation = joined.Generation,
        Rank = Told(joined.Generation)?.Rank ?? Rank,
        AppliedStep = joined.Step,
        _holds = true,
        _lineageHeld = joined.Lineage,
        Why = "",
        BadLossStep = null,
    };

    private MemberState Take(LeftMessage left)
    {
        var after = this with { AppliedStep = left.Step, _holds = left.HoldsState };
        // It may have been told of the next one, and counts as joining that, before it has left this one's door.
        if (left.Generation < Generation)
        {
            return after;
        }

        return (after with { _joining = false, _inside = false, Why = left.Broken ?? "", BadLossStep = left.BadLossStep }).BeginJoin();
    }

    private MemberState Take(AppliedMessage applied)
    {
        var times = _times.Enqueue(applied.ComputeSeconds);
        times = _timeCount < KeptTimes ? times : times.Dequeue();
        return this with
        {
            _times = times,
            _timeCount = Math.Min(_timeCount + 1, KeptTimes),
            AppliedStep = applied.Step,
            AppliedCount = AppliedCount + 1,
            _holds = true,
            StepTime = TimeSpan.FromSeconds(times.Average() is >= 0 and < 1e6 and var mean ? mean : 0),
        };
    }
}
