using Linformer.Data;
using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Sharding;
using TorchSharp;
using static TorchSharp.torch;

namespace Linformer.Training;

/// <summary>What one step did.</summary>
/// <param name="Step">Steps taken, this one included.</param>
/// <param name="Loss">Mean loss over the global batch, or those of a round of local steps, in nats per predicted token; NaN when nothing was predicted.</param>
/// <param name="GradientNorm">Global norm of the gradient before clipping; of a round of local steps, that of the outer gradient.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="Tokens">Tokens that all ranks put through the model.</param>
/// <param name="Skipped">Why the update was left out; null when it was applied.</param>
/// <param name="StopRequested">Whether some rank was asked to stop: all ranks see it at the same step.</param>
/// <param name="LeaveRequested">Whether some rank was asked to leave the generation: all ranks see it at the same step.</param>
public readonly record struct StepResult(
    long Step,
    double Loss,
    double GradientNorm,
    double LearningRate,
    long Tokens,
    string? Skipped,
    bool StopRequested,
    bool LeaveRequested);

/// <summary>The loss over the held-out sequences.</summary>
/// <param name="Loss">Mean loss, in nats per predicted token.</param>
/// <param name="Predicted">Predicted tokens.</param>
/// <param name="Measures">What else the task measures, by name; null for nothing.</param>
public readonly record struct EvaluationResult(double Loss, long Predicted, IReadOnlyDictionary<string, double>? Measures = null)
{
    /// <summary>exp(loss).</summary>
    public double Perplexity => Math.Exp(Loss);
}

/// <summary>
/// Data-parallel training of one rank. A step is a function of (state, seed, step): its global batch is cut into
/// numbered micro-batches, of which each rank takes a contiguous run. The trainer outlives process groups: between two
/// steps it joins another one, and goes on with the state that it holds.
/// </summary>
/// <remarks>
/// Synchronous, for one thread: gradient mode and dispose scopes belong to a thread. No parameter is written before the
/// step's last collective has succeeded on this rank, so a step that throws leaves the state as it was.
/// </remarks>
public sealed partial class Trainer : IDisposable
{
    // What travels behind the gradients, in the same all-reduce.
    private const int LossSum = 0;
    private const int PredictedCount = 1;
    private const int TokenCount = 2;
    private const int StopVotes = 3;
    private const int LeaveVotes = 4;
    private const int TrailerLength = 5;

    // So many steps from the first on in which nothing is predicted are no accident.
    private const int MostStepsWithoutPredictions = 100;

    // What comes before the task's own numbers of the held-out part.
    private const int HeldOutCounts = 2;

    private readonly ITrainingTask _task;
    private readonly TrainingOptions _options;
    private readonly GradientReduction _reduction;
    private IProcessGroup? _group;
    private volatile bool _stopRequested;
    private volatile bool _leaveRequested;

    /// <summary>Takes over the task's model: its parameters become views of flat buffers.</summary>
    /// <param name="task">What is trained.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ArgumentException">The batches do not fit.</exception>
    public Trainer(ITrainingTask task, TrainingOptions options)
    {
        CheckBatches(options);
        _task = task;
        _task.OnBatchMade(() => Clock.Enter(StepPhase.Forward));
        _options = options;
        CheckShards();
        Parameters = new FlatParameters(task.Model, TrailerLength, task.GradientOrder);
        Optimizer = new AdamW(Parameters, options.Optimizer, shard: options.ShardOptimizer ? Shard.None : Shard.Whole);
        Outer = options.LocalSteps > 1 ? new OuterOptimizer(Parameters, Optimizer, options.Outer) : null;
        _reduction = new GradientReduction(Parameters, options.Wire, options.BucketElements, Optimizer.SumOfSquares);
        task.OnGradientsReady(_reduction.Ready);
    }

    /// <summary>Parameters and gradients.</summary>
    public FlatParameters Parameters { get; }

    /// <summary>The optimizer with its state.</summary>
    public AdamW Optimizer { get; }

    /// <summary>Counters and histories; with the parameters and both moments, all that the next step depends on.</summary>
    public TrainerState State { get; private set; } = TrainerState.Initial;

    /// <summary>Steps taken, whether their updates were applied or skipped.</summary>
    public long Step => State.Step;

    /// <summary>Steps that are left out: they count, but nothing is computed. The same on all ranks.</summary>
    public IReadOnlySet<long> SkippedSteps { get; set; } = new HashSet<long>();

    /// <summary>Called whenever a micro-batch is done, or handed to the GPU, on the thread that trains.</summary>
    public Action Advanced { get; set; } = () => { };

    /// <summary>Where the time of the steps goes. All that is not within <see cref="TrainStep"/> counts as <see cref="StepPhase.Other"/>.</summary>
    public StepClock Clock { get; init; } = new();

    /// <summary>Trains with other ranks from the next step on; a request to leave is forgotten.</summary>
    /// <param name="group">The ranks that train together, all of which hold the same state; not disposed here.</param>
    /// <exception cref="ArgumentException">There are more ranks than micro-batches in a step.</exception>
    /// <exception cref="InvalidOperationException">Moments are shared out over ranks, and this rank lacks some that it needs in this group.</exception>
    public void Join(IProcessGroup group)
    {
        if (_options.MicroBatches < group.WorldSize)
        {
            throw new ArgumentException($"A step has {_options.MicroBatches} micro-batches (globalBatch {_options.GlobalBatch}, microBatch {_options.MicroBatch}); {group.WorldSize} ranks need at least one each.", nameof(group));
        }

        TakeShard(group);
        _leaveRequested = false;
        _group = group;
    }

    /// <summary>Forgets the group. The state stays.</summary>
    public void Leave()
    {
        _group = null;
        // A step that has failed leaves the clock where it failed.
        Clock.Enter(StepPhase.Other);
    }

    /// <summary>Asks all ranks to stop: the next step's result says so on every rank. From any thread.</summary>
    public void RequestStop() => _stopRequested = true;

    /// <summary>Asks all ranks to leave the group: the next step's result says so on every rank. From any thread.</summary>
    public void RequestLeave() => _leaveRequested = true;

    /// <summary>Continues from a state whose tensors are already in the buffers.</summary>
    /// <param name="state">Counters and histories.</param>
    public void ContinueFrom(TrainerState state) => (State, Unfinished) = (state, null);

    /// <summary>One optimizer step over the global batch; with local steps, all steps of a round, which end with one exchange.</summary>
    /// <exception cref="BadDataException">Nothing was predicted in any of many steps, or in all of the job; nothing was written, on any rank.</exception>
    /// <exception cref="BadLossException">The loss is bad and the job says to stop or to go back; nothing was written, on any rank.</exception>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted; nothing was written on this rank.</exception>
    /// <exception cref="InvalidOperationException">The trainer has not joined a group.</exception>
    public StepResult TrainStep()
    {
        var group = Group;
        if (Outer is { } outer)
        {
            return TrainRound(group, outer);
        }

        Unfinished = null;
        if (SkippedSteps.Contains(Step + 1))
        {
            return LeaveOut(group, Step + 1);
        }

        using var scope = NewDisposeScope();
        Clock.Enter(StepPhase.Backward);
        Parameters.GradientsAndTrailer.zero_();
        var (tokens, sumOfSquares) = SumGradients(group);
        var sums = Parameters.Trailer.cpu().data<float>().ToArray();
        var result = Apply(sums[LossSum], sums[PredictedCount], sumOfSquares, group);
        Clock.StepDone(tokens);
        return result with { Tokens = (long)sums[TokenCount], StopRequested = sums[StopVotes] > 0, LeaveRequested = sums[LeaveVotes] > 0 };
    }

    /// <summary>The loss over all held-out sequences, shared out over the ranks. Leaves the model in the mode that it was in.</summary>
    /// <exception cref="ProcessGroupException">A rank was lost, or the group was aborted.</exception>
    /// <exception cref="InvalidOperationException">The trainer has not joined a group.</exception>
    public EvaluationResult Evaluate()
    {
        var group = Group;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var training = _task.Model.training;
        _task.Model.eval();
        Tensor sums;
        try
        {
            using var held = _task.HoldParameters();
            sums = tensor(HeldOutSums(group), device: group.Device);
        }
        finally
        {
            _task.Model.train(training);
        }

        group.AllReduce(sums).Wait();
        var all = sums.cpu().data<double>().ToArray();
        var measures = _task.Measures(all.AsSpan(HeldOutCounts));
        return new EvaluationResult(all[LossSum] / all[PredictedCount], (long)all[PredictedCount], measures.Count > 0 ? measures : null);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Settle();
        Outer?.Dispose();
        Optimizer.Dispose();
        _reduction.Dispose();
        Parameters.Dispose();
    }

    private IProcessGroup Group =>
        _group ?? throw new InvalidOperationException("The trainer is in no process group; join one first.");

    private static void CheckBatches(TrainingOptions options)
    {
        if (options.MicroBatch < 1)
        {
            throw new ArgumentException($"microBatch is {options.MicroBatch}; it must be at least 1.", nameof(options));
        }

        if (options.GlobalBatch < 1 || options.GlobalBatch % options.MicroBatch != 0)
        {
            throw new ArgumentException($"globalBatch is {options.GlobalBatch}; it must be a multiple of microBatch, which is {options.MicroBatch}.", nameof(options));
        }
    }

    /// <summary>Fills gradients and trailer with the sums over all micro-batches of all ranks.</summary>
    /// <returns>The tokens of this rank, and the sum of the squares of the gradients.</returns>
    private (long Tokens, double SumOfSquares) SumGradients(IProcessGroup group)
    {
        _reduction.Begin(group);
        try
        {
            var (tokens, predicted, lossSum) = ForwardBackward(group, Step, travels: true);
            SetTrailer((float)lossSum, predicted, tokens, _stopRequested ? 1 : 0, _leaveRequested ? 1 : 0);
            return (tokens, _reduction.Finish(Clock));
        }
        catch (Exception e)
        {
            _reduction.Abandon(e);
            throw;
        }
    }

    /// <summary>Adds up this rank's gradients of a step.</summary>
    /// <param name="group">The ranks, of which each has its part.</param>
    /// <param name="step">Steps before this one.</param>
    /// <param name="travels">Whether the gradients are summed over the ranks as soon as they are complete.</param>
    private (long Tokens, long Predicted, double LossSum) ForwardBackward(IProcessGroup group, long step, bool travels)
    {
        using var held = _task.HoldParameters();
        var (tokens, predicted) = (0L, 0L);
        var losses = new List<Tensor>();
        var (from, to) = ((int)Share(_options.MicroBatches, group.Rank, group), (int)Share(_options.MicroBatches, group.Rank + 1, group));
        for (var microBatch = from; microBatch < to; microBatch++)
        {
            using var scope = NewDisposeScope();
            SeedDropout(step, microBatch);
            if (travels && microBatch == to - 1)
            {
                _reduction.LastMicroBatch();
            }

            Clock.Enter(StepPhase.Data);
            var firstSample = SampleOrder.SampleNumber(step, _options.GlobalBatch, microBatch * _options.MicroBatch);
            var loss = _task.TrainingLoss(firstSample, _options.MicroBatch);
            var next = microBatch + 1 < to ? firstSample + _options.MicroBatch : SampleOrder.SampleNumber(step + 1, _options.GlobalBatch, from * _options.MicroBatch);
            _task.Upcoming(next, _options.MicroBatch);
            Clock.Enter(StepPhase.Backward);
            loss.Sum?.backward();
            tokens += loss.Tokens;
            predicted += loss.Predicted;
            if (loss.Sum is { } sum)
            {
                losses.Add(sum.detach().MoveToOuterDisposeScope());
            }

            Advance(group);
        }

        return (tokens, predicted, SumOf(losses));
    }

    // Reading a value waits until a GPU has done all that it was given, so it is done once for all micro-batches.
    private static double SumOf(List<Tensor> losses)
    {
        if (losses.Count == 0)
        {
            return 0;
        }

        using var all = stack(losses);
        using var onCpu = all.cpu();
        var sum = 0.0;
        foreach (var loss in onCpu.data<float>().ToArray())
        {
            sum += loss;
        }

        return sum;
    }

    /// <summary>This rank's part of the held-out sequences: the sum of the losses, how many tokens were predicted, and what the task counts.</summary>
    private double[] HeldOutSums(IProcessGroup group)
    {
        var sums = new double[HeldOutCounts + _task.StatisticsLength];
        var batches = (_task.HeldOutSequences + _options.MicroBatch - 1) / _options.MicroBatch;
        for (var batch = Share(batches, group.Rank, group); batch < Share(batches, group.Rank + 1, group); batch++)
        {
            using var scope = NewDisposeScope();
            var first = batch * _options.MicroBatch;
            var loss = _task.HeldOutLoss(first, (int)Math.Min(_options.MicroBatch, _task.HeldOutSequences - first), sums.AsSpan(HeldOutCounts));
            sums[LossSum] += loss.Sum?.to_type(ScalarType.Float64).item<double>() ?? 0;
            sums[PredictedCount] += loss.Predicted;
            Advance(group);
        }

        return sums;
    }

    /// <summary>Where the run of a rank begins when <paramref name="count"/> things are shared out over the ranks.</summary>
    private static long Share(long count, int rank, IProcessGroup group) => count * rank / group.WorldSize;

    // What is computed for a group that is of no more use is computed for nothing.
    private void Advance(IProcessGroup group)
    {
        Advanced();
        group.ThrowIfFailed();
    }

    private void SeedDropout(long step, int microBatch)
    {
        var random = Model.CounterRandom.For(_options.Seed, "dropout").Derive((ulong)step);
        var seed = (long)(random.UInt64At((ulong)microBatch) >> 1);
        using var generator = manual_seed(seed);
        if (Parameters.Values.device_type == DeviceType.CUDA)
        {
            // The generator of the CPU is another one.
            cuda.manual_seed(seed);
        }
    }

    private void SetTrailer(params ReadOnlySpan<float> sums)
    {
        using var values = tensor(sums.ToArray());
        using var noGrad = no_grad();
        Parameters.Trailer.copy_(values);
    }

    /// <summary>The steps count, and that is all.</summary>
    private StepResult LeaveOut(IProcessGroup group, long last)
    {
        Take(group, State with { Step = last, World = WorldAfter(last, ranks: 0) }, update: null);
        Clock.StepDone(tokens: 0);
        return new StepResult(
            Step, double.NaN, 0, _options.LearningRate.At(Step - 1), Tokens: 0, "it is left out", StopRequested: false, LeaveRequested: false);
    }

    // A task that never predicts anything would end as a success, with the model that it began with. The same on all ranks.
    private void CheckPredictions(double predicted, long step)
    {
        if (predicted == 0 && State.Updates == 0 && step >= Math.Min(_options.Steps, MostStepsWithoutPredictions))
        {
            throw new BadDataException($"Step {step}: {_task.NothingPredicted}. No step so far was applied, so the model learns nothing.");
        }
    }

    /// <summary>What a gradient of this norm is multiplied by.</summary>
    private double Clip(double norm) => _options.ClipNorm > 0 ? Math.Min(1, _options.ClipNorm / (norm + 1e-6)) : 1;

    /// <summary>Normalises once, clips, judges, updates. Unless moments are shared out, the last collective of the step is behind us.</summary>
    private StepResult Apply(double lossSum, double predicted, double sumOfSquares, IProcessGroup group)
    {
        using var noGrad = no_grad();
        var learningRate = _options.LearningRate.At(Step);
        var loss = lossSum / predicted;
        var norm = predicted > 0 ? Math.Sqrt(sumOfSquares) / predicted : 0;
        var bad = predicted > 0 ? LossMonitor.Verdict(_options.JudgesJumps ? State.LossHistory : default, loss, norm) : _task.NothingPredicted;
        CheckPredictions(predicted, Step + 1);
        if (bad is not null && predicted > 0 && _options.OnBadLoss != BadLossRule.Skip)
        {
            throw new BadLossException(Step + 1, bad, _options.OnBadLoss);
        }

        var next = State with { Step = Step + 1, World = State.World.Add(group.WorldSize) };
        AdamWUpdate? update = null;
        if (bad is null)
        {
            next = next with { Updates = State.Updates + 1, LossHistory = LossMonitor.Add(State.LossHistory, loss) };
            update = new AdamWUpdate(next.Updates, learningRate, Clip(norm) / predicted);
        }

        Take(group, next, update);
        return new StepResult(Step, loss, norm, learningRate, Tokens: 0, bad, StopRequested: false, LeaveRequested: false);
    }
}
