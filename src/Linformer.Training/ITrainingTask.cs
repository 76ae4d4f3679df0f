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

    /// <summary>
    /// Names of the model's parameters in groups, in the order in which backward completes their gradients: those of a group together.
    /// What is in no group comes last. By it the parameters are laid out, so it must be the same on all ranks.
    /// </summary>
    IReadOnlyList<IReadOnlyList<string>> GradientOrder => [];

    /// <summary>The sum of the losses of a micro-batch, ready for backward.</summary>
    /// <param name="firstSample">Global number i of the micro-batch's first sequence (sequence j of step s is number s·B + j).</param>
    /// <param name="count">Sequences in the micro-batch.</param>
    MicroBatchLoss TrainingLoss(long firstSample, int count);

    /// <summary>What to tell of a step in whose batch nothing was predicted: it is not applied, and a job in which it is so from the beginning fails.</summary>
    string NothingPredicted => "nothing was predicted";

    /// <summary>
    /// Says which micro-batch will probably be asked for next, so that it can be read meanwhile. It need not be asked for, and what is
    /// asked for is the same with and without.
    /// </summary>
    /// <param name="firstSample">Global number of the micro-batch's first sequence.</param>
    /// <param name="count">Sequences in the micro-batch.</param>
    void Upcoming(long firstSample, int count)
    {
    }

    /// <summary>The sum of the losses of some held-out sequences, always the same for the same sequences.</summary>
    /// <param name="firstSequence">First held-out sequence, from 0.</param>
    /// <param name="count">Sequences.</param>
    MicroBatchLoss HeldOutLoss(long firstSequence, int count);

    /// <summary>Numbers beside the loss that are added up over all held-out sequences, and over all ranks, for <see cref="Measures"/>.</summary>
    int StatisticsLength => 0;

    /// <summary>The same as without statistics, and adds what these sequences add to the numbers.</summary>
    /// <param name="firstSequence">First held-out sequence, from 0.</param>
    /// <param name="count">Sequences.</param>
    /// <param name="statistics">
    /// [<see cref="StatisticsLength"/>]: added to. Where the result must not depend on the ranks, counts, and numbers to which one sequence alone
    /// adds: then no sum is rounded.
    /// </param>
    MicroBatchLoss HeldOutLoss(long firstSequence, int count, Span<double> statistics) => HeldOutLoss(firstSequence, count);

    /// <summary>The measures that the numbers come to, by name, such as accuracy; none by default.</summary>
    /// <param name="statistics">[<see cref="StatisticsLength"/>]: the sums over all held-out sequences.</param>
    IReadOnlyDictionary<string, double> Measures(ReadOnlySpan<double> statistics) => System.Collections.Immutable.ImmutableSortedDictionary<string, double>.Empty;

    /// <summary>
    /// Sets whom <see cref="TrainingLoss"/> tells when the batch is made and its forward pass begins, so that the two are timed apart.
    /// A task that does not tell has all of it counted as making the batch.
    /// </summary>
    /// <param name="made">To be called on the thread that trains; it returns at once.</param>
    void OnBatchMade(Action made)
    {
    }

    /// <summary>Tells that the parameters stay as they are until the result is disposed, so that what is made of them is made once.</summary>
    /// <returns>To be disposed before a parameter is written; null if it makes no difference.</returns>
    IDisposable? HoldParameters() => null;

    /// <summary>
    /// Sets whom backward tells which parameters' gradients it will not change any more in this micro-batch, so that these travel while
    /// it goes on. What it does not tell of travels at the end; in which order it tells, and whether it does, changes no result.
    /// </summary>
    /// <param name="ready">
    /// To be called during backward with parameters of the model, the objects that it has registered; it returns soon and throws nothing.
    /// </param>
    void OnGradientsReady(Action<IReadOnlyList<Tensor>> ready)
    {
    }
}

/// <summary>The loss of one micro-batch before it is normalised.</summary>
/// <param name="Sum">Sum over the predicted tokens, in nats; a scalar. Null when nothing was predicted.</param>
/// <param name="Predicted">Predicted tokens.</param>
/// <param name="Tokens">Tokens that went through the model, padding left out.</param>
public readonly record struct MicroBatchLoss(Tensor? Sum, long Predicted, long Tokens);
