using System.Globalization;

namespace Linformer.Protocol;

/// <summary>What a job takes, from the shapes of its model alone: memory of one rank, tokens, and floating-point operations.</summary>
/// <remarks>
/// Numbers beyond the range of a <see cref="long"/> are its greatest value. In bf16, what layers keep for the backward pass takes half
/// as much, and the parameters are there a second time; everything else is in 32-bit floating point. See <see cref="ModelShape"/> for
/// what is counted.
/// </remarks>
public sealed record JobNeeds
{
    /// <summary>Runtime, libraries and tables of a rank on the CPU, in bytes: measured, and the same for all jobs.</summary>
    public const long BareProcessBytes = 224L << 20;

    /// <summary>The vocabulary of RoBERTa, taken for that of a tokenizer file that nobody has read yet.</summary>
    public const int AssumedVocabularySize = 50_265;

    private const int BytesOfFloat = 4;
    private const int BytesOfBfloat16 = 2;

    private const int MomentBuffers = 2;

    // Of the optimizer: as large as the parameters where they are few.
    private const int ScratchBuffers = 1;

    // What a round of local steps began with, values and moments, and the momentum of the outer optimizer.
    private const int OuterBuffers = 4;

    // Values and both moments, copied for a checkpoint that is written while the training goes on.
    private const int SnapshotBuffers = 3;

    // Standard counting: a multiply-add is two operations, and the backward pass takes twice the forward's.
    private const double OperationsPerMultiplyAdd = 2 * 3;

    /// <summary>Trained numbers.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of the parameters, and of their copy in bf16.</summary>
    public required long ParameterBytes { get; init; }

    /// <summary>Bytes of their gradients.</summary>
    public required long GradientBytes { get; init; }

    /// <summary>Bytes that AdamW keeps, with its state shared out over the fewest ranks that the job may have; with local steps, also those of the outer optimizer.</summary>
    public required long OptimizerBytes { get; init; }

    /// <summary>The most bytes that a micro-batch takes between the beginning of its forward pass and the end of its backward pass.</summary>
    public required long ActivationBytes { get; init; }

    /// <summary>Bytes of the process without all that, the copy for a checkpoint being written among them.</summary>
    public required long ProcessBytes { get; init; }

    /// <summary>Bytes of one rank in all.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Tokens that go into an optimizer step, over all ranks; the most there can be where texts have different lengths.</summary>
    public required long TokensPerStep { get; init; }

    /// <summary>Tokens of the whole job; what it sees twice counts twice.</summary>
    public required long TotalTokens { get; init; }

    /// <summary>Floating-point operations of one micro-batch, forward and backward.</summary>
    public required double OperationsPerMicroBatch { get; init; }

    /// <summary>Floating-point operations of a step, forward and backward, over all ranks.</summary>
    public required double OperationsPerStep { get; init; }

    /// <summary>Operations of a Transformer of the same shape with full attention, as a multiple of this job's; 1 for full attention.</summary>
    public required double FullAttentionRatio { get; init; }

    /// <summary>Works it out.</summary>
    /// <param name="job">The job; a micro-batch that is open is taken for one of a single sequence.</param>
    /// <param name="vocabularySize">Tokens of its tokenizer; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary is empty.</exception>
    public static JobNeeds Of(JobFile job, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(job);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, 1);
        var (model, training) = (job.Model, job.Training);
        var shape = new ModelShape(job, vocabularySize);
        var full = new ModelShape(job, vocabularySize, AttentionKind.Full);
        var buffer = BytesOfFloat * shape.Parameters;
        var bf16 = training.Precision == PrecisionKind.Bf16;
        var parameters = buffer + (bf16 ? BytesOfBfloat16 * shape.Parameters : 0);
        var activations = (Int128)((BytesOfFloat * shape.OtherElements) + ((bf16 ? BytesOfBfloat16 : BytesOfFloat) * shape.KeptElements));
        var hasRounds = training.LocalSteps > 1;
        var process = BareProcessBytes + ((SnapshotBuffers + (hasRounds ? 1 : 0)) * buffer);
        var optimizer = ((ScratchBuffers + (hasRounds ? OuterBuffers : 0)) * buffer) + Moments(job, buffer);
        // Source and target.
        var texts = job.Task == JobTask.SequenceToSequence ? 2 : 1;
        var perStep = (Int128)training.GlobalBatch * model.SequenceLength * texts;
        var perMicroBatch = OperationsPerMultiplyAdd * shape.MultiplyAdds;
        return new JobNeeds
        {
            Parameters = Clamp(shape.Parameters),
            ParameterBytes = Clamp(parameters),
            GradientBytes = Clamp(buffer),
            OptimizerBytes = Clamp(optimizer),
            ActivationBytes = Clamp(activations),
            ProcessBytes = Clamp(process),
            MemoryBytes = Clamp(parameters + buffer + optimizer + activations + process),
            TokensPerStep = Clamp(perStep),
            TotalTokens = Clamp(perStep * training.Steps),
            OperationsPerMicroBatch = perMicroBatch,
            OperationsPerStep = perMicroBatch * training.MicroBatches,
            FullAttentionRatio = full.MultiplyAdds / shape.MultiplyAdds,
        };
    }

    /// <summary>What the numbers take for granted that the job file does not say, in sentences; empty for a job whose sequences all have n tokens.</summary>
    /// <param name="job">The job.</param>
    public static IReadOnlyList<string> Assumptions(JobFile job)
    {
        ArgumentNullException.ThrowIfNull(job);
        return [.. AssumptionsOf(job)];
    }

    /// <summary>Operations of a step on the rank that has the most micro-batches: the others wait for it.</summary>
    /// <param name="job">The job.</param>
    /// <param name="ranks">Ranks that train together; at least 1.</param>
    public double OperationsOfBusiestRank(JobFile job, int ranks)
    {
        ArgumentNullException.ThrowIfNull(job);
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        return OperationsPerMicroBatch * ((job.Training.MicroBatches + ranks - 1) / ranks);
    }

    private static IEnumerable<string> AssumptionsOf(JobFile job)
    {
        if (job.Task is not (JobTask.Classification or JobTask.SequenceToSequence))
            yield break;
        var what = job.Task == JobTask.Classification ? "Each text" : "Each source and each target";
        yield return string.Create(CultureInfo.InvariantCulture, $"{what} is taken for {job.Model.SequenceLength:#,0} tokens long, the most that the model reads: shorter ones take less memory and time.");
        if (job.Classification?.LongDocuments == LongDocumentAction.Windows)
            yield return "Each text is taken for one window: one of several takes as many times the memory and time.";
        if (job is { Task: JobTask.Classification, Corpus.Examples: { IsNumber: false, Classes: null } })
            yield return $"The classes are counted when the corpus is prepared; until then the estimate takes them for {ModelShape.AssumedClasses}.";
    }

    // Each part is on two ranks, and a job may have to go on with its fewest.
    private static Int128 Moments(JobFile job, Int128 buffer) =>
        MomentBuffers * (job.Training.ShardOptimizer ? buffer * Math.Min(2, job.Ranks.Min) / job.Ranks.Min : buffer);

    private static long Clamp(Int128 number) => number > long.MaxValue ? long.MaxValue : (long)number;
}
