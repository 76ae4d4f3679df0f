using System.Diagnostics;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Linformer.Protocol.V1;

namespace Linformer.Bench.ControlPlane;

/// <summary>A rank that computes nothing: it is ready at once, finds the others of its generation, and applies steps at an even pace.</summary>
internal sealed class SimulatedMember(RankGroup group, int member, double stepsPerSecond, long totalSteps)
{
    private const int BytesOfAddress = 100;
    private const double SecondsPerSample = 1;
    private const double SecondsPerLogLine = 10;

    private readonly HashSet<(int Generation, string Key)> _found = [];
    private readonly long _totalSteps = totalSteps;
    private RankGroup _group = group;
    private long _startedAt;
    private long _startedFrom;
    private long _toldStep;
    private long _lines;
    private long _sampledStep;
    private double _sampleDue = SecondsPerSample;
    private double _lineDue = SecondsPerLogLine;

    /// <summary>Its number in the job.</summary>
    public int Member => member;

    /// <summary>Its job.</summary>
    public string JobId => _group.JobId;

    /// <summary>Its name begins with what the job is for.</summary>
    public string JobName => _group.JobName;

    /// <summary>How far it is.</summary>
    public MemberPhase Phase { get; private set; } = MemberPhase.Waiting;

    /// <summary>The generation that it joins or is in.</summary>
    public int Generation { get; private set; }

    /// <summary>How many generations it has been in.</summary>
    public int Generations { get; private set; }

    /// <summary>The last step that it has applied.</summary>
    public long Applied { get; private set; }

    private int Rank => _group.Plan?.Members.IndexOf(member) ?? -1;

    /// <summary>Takes up what is assigned; gives the address to publish when that is a generation with ranks elsewhere.</summary>
    public RendezvousValue? Take(RankGroup group)
    {
        _group = group;
        if (group.Plan is not { } plan || plan.Generation <= Generation || Phase == MemberPhase.Ended)
            return null;
        Generations++;
        Generation = plan.Generation;
        Phase = MemberPhase.Joining;
        _found.RemoveWhere(found => found.Generation < Generation);
        JoinIfAllAreFound();
        return plan.Members.Count == group.Members.Count
            ? null
            : new RendezvousValue { JobId = JobId, Lineage = plan.Lineage, Generation = plan.Generation, Key = $"rank/{Rank}", Value = ByteString.CopyFrom(new byte[BytesOfAddress]) };
    }

    /// <summary>Another rank is reached there.</summary>
    /// <returns>Whether it trains from now on.</returns>
    public bool Find(RendezvousValue value)
    {
        // It may come before the assignment that tells of its generation.
        _found.Add((value.Generation, value.Key));
        return Phase == MemberPhase.Joining && JoinIfAllAreFound();
    }

    /// <summary>Applies the steps that are due.</summary>
    /// <returns>Whether there were any.</returns>
    public bool Advance()
    {
        if (Phase != MemberPhase.Training)
            return false;
        var due = Math.Min(_totalSteps, _startedFrom + (long)(Stopwatch.GetElapsedTime(_startedAt).TotalSeconds * stepsPerSecond));
        var moved = due > Applied;
        Applied = Math.Max(Applied, due);
        return moved;
    }

    /// <summary>All steps are taken.</summary>
    public bool IsDone => Applied == _totalSteps && Phase == MemberPhase.Training;

    /// <summary>It has told all and ends.</summary>
    public void End() => Phase = MemberPhase.Ended;

    /// <summary>What it is doing.</summary>
    public MemberStatus Status()
    {
        var status = new MemberStatus
        {
            Member = member,
            ProcessId = Environment.ProcessId,
            Phase = Phase,
            Lineage = _group.Plan?.Lineage ?? 0,
            Generation = Generation,
            AppliedStep = Applied,
            HoldsState = Phase is MemberPhase.Training,
            StepMilliseconds = Phase == MemberPhase.Training ? 1000 / stepsPerSecond : 0,
        };
        if (Phase == MemberPhase.Ended)
        {
            status.Outcome = MemberOutcome.Finished;
            status.Summary = Rank == 0 ? "{\"steps\":1,\"parameters\":1,\"heldOutLoss\":1,\"heldOutPerplexity\":1,\"unigramPerplexity\":1,\"predictedTokens\":1,\"modelFolder\":\"models/x\"}" : "";
        }
        return status;
    }

    /// <summary>Adds what is to be recorded since the last call.</summary>
    /// <returns>How many of it are metric points.</returns>
    public int AddTelemetry(Telemetry telemetry, int most)
    {
        var points = 0;
        var at = Timestamp.FromDateTimeOffset(DateTimeOffset.UtcNow);
        for (; Rank == 0 && _toldStep < Applied && telemetry.Items.Count < most; points++)
            telemetry.Items.Add(Item(new TelemetryItem { Metric = Metric(++_toldStep, at) }, at));
        var running = Phase == MemberPhase.Training ? Stopwatch.GetElapsedTime(_startedAt).TotalSeconds : 0;
        if (running > _sampleDue && Applied > _sampledStep)
        {
            telemetry.Items.Add(Item(new TelemetryItem { Sample = Sample(at) }, at));
            (_sampleDue, _sampledStep) = (running + SecondsPerSample, Applied);
        }
        if (running > _lineDue)
        {
            telemetry.Items.Add(Item(new TelemetryItem { Log = new LogText { Number = ++_lines, Text = $"Step {Applied}: loss 5.0, 12,345 tokens/s" } }, at));
            _lineDue = running + SecondsPerLogLine;
        }
        return points;
    }

    private bool JoinIfAllAreFound()
    {
        if (_found.Count(found => found.Generation == Generation) < _group.Plan.Members.Count - _group.Members.Count)
            return false;
        Phase = MemberPhase.Training;
        _startedAt = Stopwatch.GetTimestamp();
        _startedFrom = Math.Max(Applied, _group.Plan.CommittedStep);
        (Applied, _toldStep) = (_startedFrom, Math.Max(_toldStep, _startedFrom));
        return true;
    }

    private TelemetryItem Item(TelemetryItem item, Timestamp at)
    {
        (item.JobId, item.Member, item.At) = (JobId, member, at);
        (item.Lineage, item.Generation, item.Rank) = (_group.Plan.Lineage, Generation, Rank);
        return item;
    }

    private MetricPoint Metric(long step, Timestamp at) => new()
    {
        Lineage = _group.Plan.Lineage,
        Generation = Generation,
        Step = step,
        At = at,
        WorldSize = _group.Plan.Members.Count,
        Loss = 5 + (1 / Math.Sqrt(step)),
        LearningRate = 1e-3,
        TokensPerSecond = 12_345,
        GradientNorm = 1.5,
    };

    private RankSample Sample(Timestamp at) => new()
    {
        Lineage = _group.Plan.Lineage,
        Generation = Generation,
        Rank = Rank,
        Member = member,
        Step = Applied,
        At = at,
        Steps = (int)Math.Max(1, Applied - _sampledStep),
        DataMilliseconds = 0.1,
        ForwardMilliseconds = 3,
        BackwardMilliseconds = 5,
        ReduceMilliseconds = 1,
        UpdateMilliseconds = 0.5,
        MemoryBytes = 1L << 30,
        PeakMemoryBytes = 1L << 30,
    };
}
