using Linformer.Cli.Progress;
using Linformer.Training;
using static TorchSharp.torch;

namespace Linformer.Cli.Evaluation;

/// <summary>Measures a task's model on all that is held out, on one thread of control and without gradients.</summary>
internal static class HeldOutMeasure
{
    /// <summary>Measures it.</summary>
    /// <param name="task">The task; its model is in the mode of training, and is asked as for an evaluation during training.</param>
    /// <param name="batch">Sequences at once.</param>
    /// <param name="unit">What the sequences are, for the progress.</param>
    /// <param name="progress">Where progress is shown.</param>
    /// <param name="cancellation">Ends it between two batches.</param>
    /// <returns>The mean loss with the measures; null where nothing was predicted.</returns>
    public static EvaluationResult? Run(ITrainingTask task, int batch, string unit, IProgressReporter progress, CancellationToken cancellation)
    {
        using var noGrad = no_grad();
        var (loss, predicted, statistics) = (0.0, 0L, new double[task.StatisticsLength]);
        using var phase = progress.StartPhase("Evaluating", unit, task.HeldOutSequences);
        for (var first = 0L; first < task.HeldOutSequences; first += batch)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var part = task.HeldOutLoss(first, (int)Math.Min(batch, task.HeldOutSequences - first), statistics);
            loss += part.Sum?.item<float>() ?? 0;
            predicted += part.Predicted;
            phase.Report(Math.Min(first + batch, task.HeldOutSequences));
        }

        phase.Complete();
        return predicted > 0 ? new EvaluationResult(loss / predicted, predicted, task.Measures(statistics)) : null;
    }
}
