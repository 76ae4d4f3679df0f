using Linformer.Training.Optimizers;

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

    /// <summary>Seed of everything that is drawn.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>Steps between evaluations; 0 for only one at the end.</summary>
    public long EvaluateEvery { get; init; } = 100;

    /// <summary>Steps between checkpoints; 0 for only one at the end.</summary>
    public long CheckpointEvery { get; init; } = 100;

    /// <summary>Checkpoints that are kept.</summary>
    public int KeepCheckpoints { get; init; } = 3;

    /// <summary>What a bad loss does.</summary>
    public BadLossRule OnBadLoss { get; init; }

    /// <summary>Micro-batches in a step, numbered from 0.</summary>
    public int MicroBatches => GlobalBatch / MicroBatch;
}
