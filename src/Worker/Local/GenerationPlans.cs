using Linformer.Data;
using Linformer.Training;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>Which generations the ranks of a local training form.</summary>
internal interface IGenerationPlan
{
    /// <summary>Rank processes, at least 1.</summary>
    int Processes { get; }

    /// <summary>The first generation.</summary>
    JoinMessage First { get; }

    /// <summary>The generation after one that has ended without a failure; null when the training cannot go on.</summary>
    /// <exception cref="BadDataException">The training cannot go on; the message says why.</exception>
    JoinMessage? After(GenerationEnd end);
}

/// <summary>One generation of all ranks, and after a bad loss another one of a new lineage, which leaves the step out.</summary>
/// <param name="ranks">The ranks.</param>
/// <param name="record">What is remembered of the job, with the generation that is to start.</param>
/// <param name="changed">Told of each new record before its generation starts; it should be kept then.</param>
internal sealed class TrainingPlan(int ranks, RunRecord record, Action<RunRecord, GenerationEnd> changed) : IGenerationPlan
{
    /// <summary>How often a job goes back.</summary>
    public const int MostReturns = 10;

    private RunRecord _record = record;

    public int Processes => ranks;

    public JoinMessage First => Order();

    public JoinMessage? After(GenerationEnd end)
    {
        if (end.BadLossStep is not { } step)
        {
            return null;
        }

        if (_record.Lineage >= MostReturns)
        {
            throw new BadDataException($"Step {step}: {end.Reason}, and the job has gone back {MostReturns} times already, from the steps {string.Join(", ", _record.SkippedSteps ?? [])}. Lower training.learningRate, or look at the corpus.");
        }

        _record = _record.GoneBackFrom(step);
        changed(_record, end);
        return Order();
    }

    private JoinMessage Order() => new(
        _record.Lineage, _record.Generation, 0, ranks, AtOnce: true, SkippedSteps: _record.SkippedSteps, LineageLimits: _record.LineageLimits);
}

/// <summary>Repeats a recorded training: a generation for each number of ranks, each to the step where the next begins.</summary>
internal sealed class ReplayPlan : IGenerationPlan
{
    private readonly List<(int Ranks, long Last)> _generations = [];
    private readonly IReadOnlyList<long>? _skipped;
    private readonly int _firstGeneration;
    private readonly long _steps;
    private int _current;

    /// <summary>Makes a plan.</summary>
    /// <param name="history">What is repeated.</param>
    /// <param name="steps">The job's steps.</param>
    /// <param name="mostRanks">The most ranks that the job can have.</param>
    /// <param name="firstGeneration">The number of the first generation.</param>
    /// <exception cref="BadDataException">It is not a history of this job; the message says why.</exception>
    public ReplayPlan(WorldHistory history, long steps, int mostRanks, int firstGeneration)
    {
        (_steps, _firstGeneration) = (steps, firstGeneration);
        if (history.Steps != steps)
        {
            throw new BadDataException($"The history has {history.Steps} steps and the job {steps}; they must be the same.");
        }

        for (var segment = 0; segment < history.Segments.Length; segment++)
        {
            Add(history.Segments[segment].Ranks, history.LastStepOf(segment));
        }

        if (_generations is not [{ Ranks: > 0 }, ..])
        {
            throw new BadDataException("The history has no step that was computed.");
        }

        if (_generations.Find(generation => generation.Ranks > mostRanks) is { Ranks: > 0 } wrong)
        {
            throw new BadDataException($"The history has {wrong.Ranks} ranks up to step {wrong.Last}; the job can have at most {mostRanks}, a micro-batch each.");
        }

        _skipped = [.. history.SkippedSteps];
        _skipped = _skipped.Count > 0 ? _skipped : null;
    }

    public int Processes => _generations.Max(generation => generation.Ranks);

    public JoinMessage First => Order();

    public JoinMessage? After(GenerationEnd end)
    {
        if (end.BadLossStep is { } step)
        {
            throw new BadDataException($"Step {step}: {end.Reason}, and it was not when the history was recorded: the job or its corpus is another one.");
        }

        if (_current + 1 == _generations.Count || end.Step != _generations[_current].Last)
        {
            return null;
        }

        _current++;
        return Order();
    }

    // Steps that were left out belong to whichever generation is there; nothing is computed.
    private void Add(int ranks, long last)
    {
        var before = _generations.Count > 0 ? _generations[^1].Ranks : 0;
        if (_generations.Count > 0 && (ranks == 0 || before == 0 || ranks == before))
        {
            _generations[^1] = (Math.Max(ranks, before), last);
            return;
        }

        _generations.Add((ranks, last));
    }

    private JoinMessage Order()
    {
        var (ranks, last) = _generations[_current];
        var held = _current > 0 ? _generations[_current - 1].Last : 0;
        return new JoinMessage(
            Lineage: 0,
            _firstGeneration + _current,
            Rank: 0,
            ranks,
            MustHold: held > 0,
            CommittedStep: held,
            SkippedSteps: _skipped,
            UntilStep: last < _steps ? last : null);
    }
}
