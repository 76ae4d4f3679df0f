using Linformer.Data;
using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using static TorchSharp.torch;

namespace Linformer.Training;

/// <summary>What one step did.</summary>
/// <param name="Step">Steps applied, this one included.</param>
/// <param name="Loss">Mean loss over the global batch, in nats per predicted token; NaN when nothing was predicted.</param>
/// <param name="GradientNorm">Global norm of the gradient before clipping.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="Tokens">Tokens that all ranks put through the model.</param>
/// <param name="Skipped">Why the update was left out; null when it was applied.</param>
/// <param name="StopRequested">Whether some rank was asked to stop: all ranks see it at the same step.</param>
public readonly record struct StepResult(
    long Step, double Loss, double GradientNorm, double LearningRate, long Tokens, string? Skipped, bool StopRequested);

/// <summary>The loss over the held-out sequences.</summary>
/// <param name="Loss">Mean loss, in nats per predicted token.</param>
/// <param name="Predicted">Predicted tokens.</param>
public readonly record struct EvaluationResult(double Loss, long Predicted)
{
    /// <summary>exp(loss).</summary>
    public double Perplexity => Math.Exp(Loss);
}

/// <summary>
/// Data-parallel training of one rank. A step is a function of (state, seed, step): its global batch is cut into
/// numbered micro-batches, of which each rank takes a contiguous run.
/// </summary>
/// <remarks>Synchronous, for one thread: gradient mode and dispose scopes belong to a thread.</remarks>
public sealed class Trainer : IDisposable
{
    // What travels behind the gradients, in the same all-reduce.
    private const int LossSum = 0;
    private const int PredictedCount = 1;
    private const int TokenCount = 2;
    private const int StopVotes = 3;
    private const int TrailerLength = 4;

    private readonly ITrainingTask _task;
    private readonly TrainingOptions _options;
    private readonly IProcessGroup _group;
    private volatile bool _stopRequested;

    /// <summary>Takes over the task's model: its parameters become views of flat buffers.</summary>
    /// <param name="task">What is trained.</param>
    /// <param name="options">How.</param>
    /// <param name="group">The ranks that train together; not disposed here.</param>
    /// <exception cref="ArgumentException">The batches do not fit, or there are more ranks than micro-batches in a step.</exception>
    public Trainer(ITrainingTask task, TrainingOptions options, IProcessGroup group)
    {
        CheckBatches(options, group.WorldSize);
        _task = task;
        _options = options;
        _group = group;
        Parameters = new FlatParameters(task.Model, TrailerLength);
        Optimizer = new AdamW(Parameters, options.Optimizer);
    }

    /// <summary>Parameters and gradients.</summary>
    public FlatParameters Parameters { get; }

    /// <summary>The optimizer with its state.</summary>
    public AdamW Optimizer { get; }

    /// <summary>Steps taken, whether their updates were applied or skipped.</summary>
    public long Step { get; private set; }

    /// <summary>Updates applied: it corrects the bias of the optimizer's moments.</summary>
    public long Updates { get; private set; }

    /// <summary>Past losses, on which the verdict over the next one depends.</summary>
    public LossHistory LossHistory { get; private set; }

    /// <summary>Asks all ranks to stop: the next step's result says so on every rank. From any thread.</summary>
    public void RequestStop() => _stopRequested = true;

    /// <summary>Continues from a checkpoint whose tensors are already in the buffers.</summary>
    /// <param name="step">Steps taken.</param>
    /// <param name="updates">Updates applied.</param>
    /// <param name="history">Past losses.</param>
    public void ContinueFrom(long step, long updates, LossHistory history) =>
        (Step, Updates, LossHistory) = (step, updates, history);

    /// <summary>One optimizer step over the global batch.</summary>
    /// <exception cref="BadLossException">The loss is bad and the job says to stop; nothing was written.</exception>
    /// <exception cref="ProcessGroupException">A rank was lost; nothing was written.</exception>
    public StepResult TrainStep()
    {
        using var scope = NewDisposeScope();
        Parameters.GradientsAndTrailer.zero_();
        var (tokens, predicted, lossSum) = ForwardBackward();
        SetTrailer((float)lossSum, predicted, tokens, _stopRequested ? 1 : 0);
        // The training thread waits on purpose: nothing of this step can be done before the sums are there.
        _group.AllReduce(Parameters.GradientsAndTrailer).Wait();

        var sums = Parameters.Trailer.cpu().data<float>().ToArray();
        var result = Apply(sums[LossSum], sums[PredictedCount]);
        return result with { Tokens = (long)sums[TokenCount], StopRequested = sums[StopVotes] > 0 };
    }

    /// <summary>The loss over all held-out sequences, shared out over the ranks. Leaves the model in the mode that it was in.</summary>
    public EvaluationResult Evaluate()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var training = _task.Model.training;
        _task.Model.eval();
        Tensor sums;
        try
        {
            sums = tensor(HeldOutSums());
        }
        finally
        {
            _task.Model.train(training);
        }

        _group.AllReduce(sums).Wait();
        var (loss, predicted) = (sums[0].item<double>(), sums[1].item<double>());
        return new EvaluationResult(loss / predicted, (long)predicted);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Optimizer.Dispose();
        Parameters.Dispose();
    }

    private static void CheckBatches(TrainingOptions options, int ranks)
    {
        if (options.MicroBatch < 1)
        {
            throw new ArgumentException($"microBatch is {options.MicroBatch}; it must be at least 1.", nameof(options));
        }

        if (options.GlobalBatch < 1 || options.GlobalBatch % options.MicroBatch != 0)
        {
            throw new ArgumentException($"globalBatch is {options.GlobalBatch}; it must be a multiple of microBatch, which is {options.MicroBatch}.", nameof(options));
        }

        if (options.MicroBatches < ranks)
        {
            throw new ArgumentException($"A step has {options.MicroBatches} micro-batches (globalBatch {options.GlobalBatch}, microBatch {options.MicroBatch}); {ranks} ranks need at least one each.", nameof(options));
        }
    }

    private (long Tokens, long Predicted, double LossSum) ForwardBackward()
    {
        var (tokens, predicted, lossSum) = (0L, 0L, 0.0);
        var (from, to) = ((int)Share(_options.MicroBatches, _group.Rank), (int)Share(_options.MicroBatches, _group.Rank + 1));
        for (var microBatch = from; microBatch < to; microBatch++)
        {
            using var scope = NewDisposeScope();
            SeedDropout(microBatch);
            var firstSample = SampleOrder.SampleNumber(Step, _options.GlobalBatch, microBatch * _options.MicroBatch);
            var loss = _task.TrainingLoss(firstSample, _options.MicroBatch);
            loss.Sum?.backward();
            tokens += loss.Tokens;
            predicted += loss.Predicted;
            lossSum += loss.Sum?.item<float>() ?? 0;
        }

        return (tokens, predicted, lossSum);
    }

    /// <summary>This rank's part of the held-out sequences: the sum of the losses, and how many tokens were predicted.</summary>
    private double[] HeldOutSums()
    {
        var (lossSum, predicted) = (0.0, 0L);
        var batches = (_task.HeldOutSequences + _options.MicroBatch - 1) / _options.MicroBatch;
        for (var batch = Share(batches, _group.Rank); batch < Share(batches, _group.Rank + 1); batch++)
        {
            using var scope = NewDisposeScope();
            var first = batch * _options.MicroBatch;
            var loss = _task.HeldOutLoss(first, (int)Math.Min(_options.MicroBatch, _task.HeldOutSequences - first));
            lossSum += loss.Sum?.to_type(ScalarType.Float64).item<double>() ?? 0;
            predicted += loss.Predicted;
        }

        return [lossSum, predicted];
    }

    /// <summary>Where the run of a rank begins when <paramref name="count"/> things are shared out over the ranks.</summary>
    private long Share(long count, int rank) => count * rank / _group.WorldSize;

    private void SeedDropout(int microBatch)
    {
        var random = Model.CounterRandom.For(_options.Seed, "dropout").Derive((ulong)Step);
        using var generator = manual_seed((long)(random.UInt64At((ulong)microBatch) >> 1));
    }

    private void SetTrailer(params ReadOnlySpan<float> sums)
    {
        using var values = tensor(sums.ToArray());
        using var noGrad = no_grad();
        Parameters.Trailer.copy_(values);
    }

    /// <summary>Normalises once, clips, judges, updates. The last collective of the step is behind us.</summary>
    private StepResult Apply(double lossSum, double predicted)
    {
        using var noGrad = no_grad();
        var learningRate = _options.LearningRate.At(Step);
        var loss = lossSum / predicted;
        var norm = predicted > 0 ? Parameters.Gradients.norm().item<float>() / predicted : 0;
        var bad = predicted > 0 ? LossMonitor.Verdict(LossHistory, loss, norm) : "no token of the global batch was masked";
        if (bad is not null && predicted > 0 && _options.OnBadLoss == BadLossRule.Stop)
        {
            throw new BadLossException(Step + 1, bad);
        }

        if (bad is null)
        {
            var clip = _options.ClipNorm > 0 ? Math.Min(1, _options.ClipNorm / (norm + 1e-6)) : 1;
            Parameters.Gradients.mul_(clip / predicted);
            Optimizer.Update(++Updates, learningRate);
            LossHistory = LossMonitor.Add(LossHistory, loss);
        }

        Step++;
        return new StepResult(Step, loss, norm, learningRate, Tokens: 0, bad, StopRequested: false);
    }
}
