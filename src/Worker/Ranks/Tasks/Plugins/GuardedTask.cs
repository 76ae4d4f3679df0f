using Linformer.Training;
using Linformer.Training.Plugins;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks.Tasks.Plugins;

/// <summary>A plug-in's task with what it promises checked, so that a slip ends the job with a word on what is wrong.</summary>
internal sealed class GuardedTask(ITrainingTask task, string shown) : ITrainingTask
{
    /// <inheritdoc/>
    public nn.Module Model => PluginFault.Guard($"{shown}: the model", () => task.Model) ?? throw new PluginException($"{shown}: the task has no model: its {nameof(Model)} is null.");

    /// <inheritdoc/>
    public long TrainingSequences => PluginFault.Guard($"{shown}: the number of training samples", () => task.TrainingSequences);

    /// <inheritdoc/>
    public long HeldOutSequences
    {
        get
        {
            var samples = PluginFault.Guard($"{shown}: the number of held-out samples", () => task.HeldOutSequences);
            return samples >= 0 ? samples : throw new PluginException($"{shown}: the task has {samples} held-out samples; 0 or more are needed.");
        }
    }

    /// <inheritdoc/>
    public string NothingPredicted =>
        $"{shown}: the task counts no prediction in the batch: the {nameof(MicroBatchLoss.Predicted)} of each {nameof(TrainingLoss)} is 0, and it should be how many predictions the sum is of";

    /// <inheritdoc/>
    public IReadOnlyList<IReadOnlyList<string>> GradientOrder => PluginFault.Guard($"{shown}: the order of the gradients", () => task.GradientOrder);

    /// <inheritdoc/>
    public MicroBatchLoss TrainingLoss(long firstSample, int count)
    {
        var what = $"{shown}: the loss of training samples {firstSample} to {firstSample + count - 1}";
        var loss = Checked(what, PluginFault.Guard(what, () => task.TrainingLoss(firstSample, count)));
        return loss.Sum is { requires_grad: false }
            ? throw new PluginException($"{what} depends on no parameter of the model: there are no gradients. Compute it from the model's outputs, without detach and outside of no_grad.")
            : loss;
    }

    /// <inheritdoc/>
    public MicroBatchLoss HeldOutLoss(long firstSequence, int count)
    {
        var what = $"{shown}: the loss of held-out samples {firstSequence} to {firstSequence + count - 1}";
        return Checked(what, PluginFault.Guard(what, () => task.HeldOutLoss(firstSequence, count)));
    }

    /// <inheritdoc/>
    public void Upcoming(long firstSample, int count) => Call("the announcement of samples", () => task.Upcoming(firstSample, count));

    /// <inheritdoc/>
    public void OnBatchMade(Action made) => Call(nameof(OnBatchMade), () => task.OnBatchMade(made));

    /// <inheritdoc/>
    public IDisposable? HoldParameters() => PluginFault.Guard($"{shown}: {nameof(HoldParameters)}", task.HoldParameters);

    /// <inheritdoc/>
    public void OnGradientsReady(Action<IReadOnlyList<Tensor>> ready) => Call(nameof(OnGradientsReady), () => task.OnGradientsReady(ready));

    /// <inheritdoc/>
    public void Dispose() => task.Dispose();

    private static MicroBatchLoss Checked(string what, MicroBatchLoss loss)
    {
        if (loss is { Predicted: < 0 } or { Tokens: < 0 })
        {
            throw new PluginException($"{what} counts {loss.Predicted} predictions and {loss.Tokens} tokens; neither can be below 0.");
        }

        return loss.Sum is { } sum && (sum.numel() != 1 || sum.dtype != ScalarType.Float32)
            ? throw new PluginException($"{what} is a tensor of {sum.dtype} with shape [{string.Join(", ", sum.shape)}]; a single Float32 number is needed, the sum over the samples.")
            : loss;
    }

    private void Call(string what, Action action) => PluginFault.Guard($"{shown}: {what}", () =>
    {
        action();
        return true;
    });
}
