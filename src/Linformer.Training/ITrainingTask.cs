using static TorchSharp.torch;

namespace Linformer.Training;

/// <summary>What a rank trains: the model, its data and its loss. The loop around it knows none of the three.</summary>
/// <remarks>
/// Everything is a function of the seed and of numbers that all ranks agree on: nothing may depend on the rank.
/// All members are called from the one thread that trains.
/// </remarks>
public interface ITrainingTask : IDisposable
{
    /// <summary>The model, built and initialised from the job's seed.</summary>
    nn.Module Model { get; }

    /// <summary>Sequences of one epoch, N.</summary>
    long TrainingSequences { get; }

    /// <summary>Sequences that are held out.</summary>
    long HeldOutSequences { get; }

    /// <summary>The sum of the losses of a micro-batch, ready for backward.</summary>
    /// <param name="firstSample">Global number i of the micro-batch's first sequence (sequence j of step s is number s·B + j).</param>
    /// <param name="count">Sequences in the micro-batch.</param>
    MicroBatchLoss TrainingLoss(long firstSample, int count);

    /// <summary>The sum of the losses of some held-out sequences, always the same for the same sequences.</summary>
    /// <param name="firstSequence">First held-out sequence, from 0.</param>
    /// <param name="count">Sequences.</param>
    MicroBatchLoss HeldOutLoss(long firstSequence, int count);
}

/// <summary>The loss of one micro-batch before it is normalised.</summary>
/// <param name="Sum">Sum over the predicted tokens, in nats; a scalar. Null when nothing was predicted.</param>
/// <param name="Predicted">Predicted tokens.</param>
/// <param name="Tokens">Tokens that went through the model, padding left out.</param>
public readonly record struct MicroBatchLoss(Tensor? Sum, long Predicted, long Tokens);
