using Linformer.Model;
using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Selection;

namespace Linformer.Training;

/// <summary>What happens to a step whose loss is not finite or far above its running mean.</summary>
public enum BadLossRule
{
    /// <summary>Training stops with an error; the parameters are those before the step.</summary>
    Stop,

    /// <summary>The step's update is left out and training goes on.</summary>
    Skip,

    /// <summary>Training goes back to a state before the step, and leaves the step out then.</summary>
    Back,
}

/// <summary>How a job is trained. The same on every rank.</summary>
public sealed record TrainingOptions
{
    /// <summary>Optimizer steps of the whole job.</summary>
    public required long Steps { get; init; }

    /// <summary>Sequences per step over all ranks, B; a multiple of <see cref="MicroBatch"/>.</summary>
    public required int GlobalBatch { get; init; }

    /// <summary>Sequences per forward pass of one rank.</summary>
    public required int MicroBatch { get; init; }

    /// <summary>The learning rate over the steps.</summary>
    public required LearningRateSchedule LearningRate { get; init; }

    /// <summary>Moments, epsilon and weight decay.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>Largest global norm of the gradient; 0 for no clipping.</summary>
    public double ClipNorm { get; init; } = 1;

    /// <summary>What the model computes in.</summary>
    public Precision Precision { get; init; }

    /// <summary>As what gradients travel between ranks. Losses and counts always travel as they are.</summary>
    public WireFormat Wire { get; init; }

    /// <summary>
    /// Fewest gradients that travel together while backward goes on; those that backward completes together are never parted. 1 MB by
    /// default: from there on collectives move no more bytes per second.
    /// </summary>
    public long BucketElements { get; init; } = 1 << 18;

    /// <summary>Seed of everything that is drawn.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>Steps between evaluations; 0 for only one at the end.</summary>
    public long EvaluateEvery { get; init; } = 100;

    /// <summary>Steps between checkpoints; 0 for only one at the end.</summary>
    public long CheckpointEvery { get; init; } = 100;

    /// <summary>Checkpoints that are kept.</summary>
    public int KeepCheckpoints { get; init; } = 3;

    /// <summary>The measure by which the best model is the finished one; null for the last model.</summary>
    public string? KeepBest { get; init; }

    /// <summary>When training ends before its last step; null for never.</summary>
    public EarlyStoppingOptions? EarlyStopping { get; init; }

    /// <summary>
    /// Whether a finite loss far above its running mean is bad. Of few examples a step, whose losses come near to zero, it is no sign of anything.
    /// </summary>
    public bool JudgesJumps { get; init; } = true;

    /// <summary>What a bad loss does.</summary>
    public BadLossRule OnBadLoss { get; init; }

    /// <summary>
    /// Steps that ranks take by themselves between two exchanges; 1 to exchange gradients in every step. Between two exchanges ranks hold
    /// different states, so that only the steps at whose end they exchange are ever told, committed or written.
    /// </summary>
    public int LocalSteps { get; init; } = 1;

    /// <summary>
    /// Whether both moments of the optimizer are shared out over the ranks, each part on two of them; not with local steps. The
    /// parameters have the same bits either way.
    /// </summary>
    public bool ShardOptimizer { get; init; }

    /// <summary>What an exchange does when there are local steps.</summary>
    public OuterOptimizerOptions Outer { get; init; } = new();

    /// <summary>The step at whose end ranks exchange next.</summary>
    /// <param name="step">A step, after which they go on.</param>
    public long StepAfter(long step) => Math.Min(Steps, ((step / LocalSteps) + 1) * LocalSteps);

    /// <summary>The step at whose end ranks exchanged before.</summary>
    /// <param name="step">A step at whose end they exchange, from 1 on.</param>
    public long StepBefore(long step) => (step - 1) / LocalSteps * LocalSteps;

    /// <summary>Micro-batches in a step, numbered from 0.</summary>
    public int MicroBatches => GlobalBatch / MicroBatch;
}
