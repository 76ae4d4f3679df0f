using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using static TorchSharp.torch;

namespace Linformer.Training;

// Rounds of local steps (DiLoCo). A round ends with a collective, which is all that ranks exchange of it.
public sealed partial class Trainer
{
    /// <summary>The outer optimizer of a job with local steps; null with one step at a time.</summary>
    public OuterOptimizer? Outer { get; }

    /// <summary>All steps up to the end of the round that begins now. Whatever fails leaves parameters and moments as they were.</summary>
    private StepResult TrainRound(IProcessGroup group, OuterOptimizer outer)
    {
        var last = _options.StepAfter(Step);
        for (var step = Step + 1; step <= last; step++)
        {
            if (SkippedSteps.Contains(step))
            {
                return LeaveOut(group, last);
            }
        }

        using var scope = NewDisposeScope();
        outer.Begin();
        try
        {
            var sums = LocalSteps(group, last);
            var norm = Math.Sqrt(Exchange(group, outer, sums)) / group.WorldSize;
            var result = ApplyRound(outer, last, norm, group.WorldSize);
            Clock.StepDone(sums.TokensOfLast);
            return result;
        }
        catch
        {
            outer.Rewind();
            throw;
        }
    }

    private LocalSums LocalSteps(IProcessGroup group, long last)
    {
        var sums = default(LocalSums);
        for (var step = Step; step < last; step++)
        {
            Clock.Enter(StepPhase.Backward);
            Parameters.GradientsAndTrailer.zero_();
            var (tokens, predicted, lossSum) = ForwardBackward(group, step, travels: false);
            sums = new LocalSums(sums.Loss + lossSum, sums.Predicted + predicted, sums.Tokens + tokens);
            Clock.Enter(StepPhase.Update);
            if (predicted > 0)
            {
                var norm = Math.Sqrt(Optimizer.SumOfSquares(0, Parameters.Length)) / predicted;
                // Counted by steps, so that it is the same on all ranks.
                var update = State.Updates + 1 + (step - State.Step);
                Optimizer.Update(update, _options.LearningRate.At(step), Clip(norm) / predicted, 0, Parameters.Length);
            }

            // The last one is not over before the exchange.
            if (step + 1 < last)
            {
                Clock.StepDone(tokens);
            }
            else
            {
                sums = sums with { TokensOfLast = tokens };
            }
        }

        return sums;
    }

    /// <summary>Sums the outer gradients and the trailer over the ranks.</summary>
    /// <returns>The sum of the squares of the outer gradients' sum.</returns>
    private double Exchange(IProcessGroup group, OuterOptimizer outer, LocalSums sums)
    {
        outer.TakeGradient();
        SetTrailer((float)sums.Loss, sums.Predicted, sums.Tokens, _stopRequested ? 1 : 0, _leaveRequested ? 1 : 0);
        _reduction.Begin(group);
        try
        {
            return _reduction.Finish(Clock);
        }
        catch (Exception e)
        {
            _reduction.Abandon(e);
            throw;
        }
    }

    /// <summary>Judges the round as a whole, and moves the parameters. The last collective is behind us.</summary>
    private StepResult ApplyRound(OuterOptimizer outer, long last, double norm, int ranks)
    {
        var sums = Parameters.Trailer.cpu().data<float>().ToArray();
        var loss = (double)sums[LossSum] / sums[PredictedCount];
        var bad = sums[PredictedCount] > 0 ? LossMonitor.Verdict(_options.JudgesJumps ? State.LossHistory : default, loss, norm) : _task.NothingPredicted;
        CheckPredictions(sums[PredictedCount], last);
        if (bad is not null && sums[PredictedCount] > 0 && _options.OnBadLoss != BadLossRule.Skip)
        {
            throw new BadLossException(Step + 1, bad, _options.OnBadLoss);
        }

        var next = State with { Step = last, World = WorldAfter(last, ranks) };
        if (bad is null)
        {
            next = next with { Updates = State.Updates + (last - Step), LossHistory = LossMonitor.Add(State.LossHistory, loss) };
            outer.Update(ranks);
        }
        else
        {
            outer.Rewind();
        }

        State = next;
        return new StepResult(
            Step, loss, norm, _options.LearningRate.At(Step - 1), (long)sums[TokenCount], bad, sums[StopVotes] > 0, sums[LeaveVotes] > 0);
    }

    private WorldHistory WorldAfter(long last, int ranks)
    {
        var world = State.World;
        for (var step = Step; step < last; step++)
        {
            world = world.Add(ranks);
        }

        return world;
    }

    /// <summary>What a rank has to tell of the steps of a round.</summary>
    private readonly record struct LocalSums(double Loss, long Predicted, long Tokens, long TokensOfLast = 0);
}
