using System.Diagnostics;
using Linformer.Training;
using Linformer.Training.Checkpoints;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Selection;
using Linformer.Worker.RankProtocol;
using Serilog;

namespace Linformer.Worker.Ranks;

/// <summary>How a rank's part in a generation ended that did not break.</summary>
internal enum GenerationEnd
{
    /// <summary>All of the job is done.</summary>
    Finished,

    /// <summary>All ranks stop, as one was asked to; the state is in a checkpoint.</summary>
    Stopped,

    /// <summary>All ranks have left at the same step boundary and keep their state.</summary>
    Left,
}

/// <summary>A newer generation has taken the job's place.</summary>
internal sealed class ReplacedException(int generation) : Exception($"was replaced by generation {generation}");

/// <summary>What a member has for as long as its process lives.</summary>
internal sealed record MemberParts(
    LoadedJob Job,
    RankControl Control,
    Pulse Pulse,
    Orders Orders,
    StateKeeper State,
    Confirmations Confirmations,
    BackgroundCheckpoints Checkpoints,
    StepSampler Sampler);

/// <summary>A rank's part in one generation: takes over the state, trains, and ends with all others at the same step.</summary>
/// <param name="member">The member.</param>
/// <param name="join">The generation.</param>
/// <param name="group">Its group, connected.</param>
/// <param name="log">The rank's log.</param>
internal sealed class GenerationRun(MemberParts member, JoinMessage join, ObservedGroup group, ILogger log)
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(3);

    private readonly Trainer _trainer = member.Job.Trainer;
    private readonly TrainingOptions _options = member.Job.Options;
    private readonly Throughput _throughput = new();
    private EvaluationResult? _evaluation;

    private bool Leads => group.Rank == 0;

    private bool IsLast => _trainer.Step >= _options.Steps || _trainer.State.Evaluations.ShouldStop(_options.EarlyStopping);

    private EvaluationPoint? Best => _options.KeepBest is { } measure ? _trainer.State.Evaluations.Best(measure) : null;

    /// <summary>Runs until all ranks leave together.</summary>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted; the state is the one after the last step.</exception>
    /// <exception cref="StateExchangeException">The ranks cannot get the same state; this one has what it had.</exception>
    /// <exception cref="BadLossException">A step's loss is bad and the job does not skip it; all ranks throw this.</exception>
    /// <exception cref="ReplacedException">A newer generation has gone on from this one's state.</exception>
    /// <exception cref="CheckpointException">A checkpoint cannot be read, or the last one not written.</exception>
    public GenerationEnd Run()
    {
        var state = TakeOver();
        if (state.Stop && !IsLast)
        {
            return Stop(write: state.WasHeld);
        }

        while (!IsLast)
        {
            if (_trainer.Step >= join.UntilStep)
            {
                return Leave();
            }

            var result = TrainStep();
            if (result.StopRequested && !IsLast)
            {
                return Stop(write: true);
            }

            if (result.LeaveRequested && !IsLast)
            {
                return Leave();
            }
        }

        return _trainer.Step >= join.UntilStep && join.UntilStep < _options.Steps ? Leave() : Finish();
    }

    private TakenOver TakeOver()
    {
        var state = member.State.TakeOver(join, group, member.Orders.StopRequested);
        _trainer.SkippedSteps = (join.SkippedSteps ?? []).ToHashSet();
        _trainer.Join(group);
        group.Barrier().Wait();
        _trainer.Settle();
        member.Orders.Training();
        member.Control.Send(new JoinedMessage(join.Lineage, join.Generation, _trainer.Step, state.Source));
        log.Information(
            "Rank {Rank} of {WorldSize} goes on from step {Step} of {Steps}, {Source}", join.Rank, join.WorldSize, _trainer.Step, _options.Steps, state.Source);
        if (state.WasHeld)
        {
            // What comes after a step may not have been done of the last one.
            EvaluateIfDue();
            WriteIfDue(confirmed: null);
        }

        if (state.IsRoot)
        {
            member.Confirmations.TellAll();
            TellIfBack(state);
        }

        member.Sampler.Begin(join);
        return state;
    }

    // People should not have to find out from the numbers that steps are done again.
    private void TellIfBack(TakenOver state)
    {
        var from = state.Source == StateKeeper.Fresh ? "the beginning" : $"{state.Source} (step {_trainer.Step})";
        if (state.Lost is { } lost && lost.Step > _trainer.Step)
        {
            member.Control.ReportWarning(
                $"{lost.Reason}: training goes on from {from}, and {lost.Step - _trainer.Step} steps are done again.");
        }
        else if (join.CommittedStep > _trainer.Step)
        {
            member.Control.ReportWarning(
                $"No rank holds step {join.CommittedStep} any more: training goes on from {from}, and {join.CommittedStep - _trainer.Step} steps are done again.");
        }
        else if (join.Lineage > 0 && !state.WasHeld)
        {
            member.Control.ReportWarning($"Lineage {join.Lineage} goes on from {from}.");
        }
    }

    private StepResult TrainStep()
    {
        var (started, waited, before) = (Stopwatch.GetTimestamp(), member.Pulse.Waited, _trainer.Step);
        var result = _trainer.TrainStep();
        member.State.Applied(join);
        var computed = Stopwatch.GetElapsedTime(started) - (member.Pulse.Waited - waited);
        member.Control.Send(new AppliedMessage(result.Step, computed.TotalSeconds / (result.Step - before)));
        member.Confirmations.Keep(new ProgressMessage(
            result.Step,
            _options.Steps,
            result.Loss,
            result.LearningRate,
            _throughput.Add(result.Tokens, started),
            HeldOutLoss: null,
            HeldOutPerplexity: null,
            result.GradientNorm,
            join.Lineage,
            join.Generation,
            join.WorldSize));
        if (Leads && result.Skipped is { } reason)
        {
            log.ForContext("Step", result.Step).Warning("Step {Step} was not applied: {Reason}", result.Step, reason);
            member.Control.ReportWarning($"Step {result.Step} was not applied: {reason}");
        }

        EvaluateIfDue();
        WriteIfDue(member.Confirmations.Confirm(group.Inner, report: Leads));
        member.Sampler.StepDone(result.Step);
        return result;
    }

    // Of the steps that no rank held by itself, the first one at or behind the step that is meant.
    private bool IsDue(long every) => _trainer.Step > 0 && (IsLast || (every > 0 && _trainer.Step / every > _options.StepBefore(_trainer.Step) / every));

    private void WriteIfDue(IWork? confirmed)
    {
        if (!IsDue(_options.CheckpointEvery) && (_trainer.Step == 0 || Best?.Step != _trainer.Step))
        {
            return;
        }

        using var gathered = _trainer.GatherMoments(keep: Leads);
        if (Leads)
        {
            member.Checkpoints.Write(_trainer, join, confirmed, gathered);
        }
    }

    private void EvaluateIfDue()
    {
        if (!IsDue(_options.EvaluateEvery) || member.Job.HeldOutSequences == 0)
        {
            return;
        }

        var evaluation = _trainer.Evaluate();
        _evaluation = evaluation;
        if (_options.KeepBest is not null || _options.EarlyStopping is not null)
        {
            var point = new EvaluationPoint(_trainer.Step, evaluation.Loss, evaluation.Predicted, evaluation.Measures);
            _trainer.ContinueFrom(_trainer.State with { Evaluations = _trainer.State.Evaluations.Add(point) });
        }

        if (member.Confirmations.Of(_trainer.Step) is { } progress)
        {
            member.Confirmations.Keep(progress with { HeldOutLoss = evaluation.Loss, HeldOutPerplexity = evaluation.Perplexity, Measures = evaluation.Measures });
            if (Leads)
            {
                log.ForContext("Step", _trainer.Step).Information(
                    "Step {Step}: loss {Loss:0.0000}, held-out perplexity {Perplexity:0.00}{Measures:l}", _trainer.Step, progress.Loss, evaluation.Perplexity, Shown(evaluation));
            }
        }
    }

    private GenerationEnd Leave()
    {
        EndTogether();
        return GenerationEnd.Left;
    }

    // Nobody ends before the state is in a checkpoint: until then it is only in memory.
    private GenerationEnd Stop(bool write)
    {
        using var gathered = write && _trainer.Step > 0 ? _trainer.GatherMoments(keep: Leads) : null;
        if (Leads)
        {
            while (write && _trainer.Step > 0 && !member.Checkpoints.WriteLast(_trainer, join, gathered))
            {
                member.Pulse.Wait(() => Thread.Sleep(RetryInterval));
                group.ThrowIfFailed();
            }

            member.Checkpoints.FinishWriting();
        }

        EndTogether();
        return GenerationEnd.Stopped;
    }

    // Nobody ends before the model is on disk.
    private GenerationEnd Finish()
    {
        var evaluation = _evaluation ?? _trainer.Evaluate();
        var best = Best is { } point && point.Step < _trainer.Step ? point : null;
        if (Leads)
        {
            member.Checkpoints.FinishWriting();
            // A rank 0 that was cut off for long may not know that others went on without it.
            if (member.Checkpoints.ReplacedBy(join) is { } newer)
            {
                throw new ReplacedException(newer);
            }

            var kept = best is null ? null : member.Checkpoints.Find(best.Step, join);
            best = kept is null ? null : best;
            member.Pulse.Wait(() => member.Job.Save(kept));
        }

        EndTogether();
        evaluation = best?.Result ?? evaluation;
        log.Information("Done after step {Step}: held-out perplexity {Perplexity}{Measures:l}", _trainer.Step, evaluation.Perplexity, Shown(evaluation));
        member.Control.ReportFinished(member.Job.Summary(evaluation, best?.Step).ToJson());
        return GenerationEnd.Finished;
    }

    private static string Shown(EvaluationResult evaluation) =>
        string.Concat((evaluation.Measures ?? new Dictionary<string, double>()).Select(measure => FormattableString.Invariant($", {measure.Key} {measure.Value:0.0000}")));

    private void EndTogether()
    {
        member.Sampler.End();
        group.Barrier().Wait();
        member.Confirmations.Flush();
    }
}
