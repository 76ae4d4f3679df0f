namespace Linformer.Protocol;

/// <summary>What <c>training.microBatch: auto</c> comes to.</summary>
public static class MicroBatchChoice
{
    /// <summary>Tokens in a forward pass beyond which a processor gets no quicker.</summary>
    public const int TokensOnCpu = 8192;

    /// <summary>The same of a GPU.</summary>
    public const int TokensOnGpu = 32_768;

    /// <summary>Memory that a slot is taken to have where that is not known, in bytes.</summary>
    public const long AssumedMemoryBytes = 4L << 30;

    // What a rank takes is estimated, and it is not alone on its machine.
    private const double RoomShare = 0.75;

    // More than so much for the busiest rank, beyond its even share, costs more time than larger micro-batches win.
    private const double MostUneven = 1.125;

    /// <summary>
    /// The micro-batch of a job: what it says, or, with <c>auto</c>, the largest divisor of the global batch that has no more tokens than
    /// make a forward pass quick, leaves each rank a micro-batch and all of them about equally much to do, and fits in the memory
    /// of the smallest slot that the job may get. One sequence is the least, whether it fits or not.
    /// </summary>
    /// <param name="job">The job; its precision is settled.</param>
    /// <param name="slots">All slots that are known.</param>
    /// <param name="vocabularySize">Tokens of its tokenizer.</param>
    /// <param name="ranks">The most ranks that it will have.</param>
    /// <returns>At least 1, and a divisor of the global batch if that is what the job leaves open.</returns>
    public static int Of(JobFile job, IEnumerable<SlotFacts> slots, int vocabularySize, int ranks)
    {
        ArgumentNullException.ThrowIfNull(job);
        if (job.Training.MicroBatch is { } given)
            return given;
        var own = slots.Where(slot => slot.Takes(job)).ToList();
        var tokens = job.Device == DeviceKind.Cuda || (own.Count > 0 && own.TrueForAll(slot => slot.Device == "cuda")) ? TokensOnGpu : TokensOnCpu;
        var most = Math.Clamp(tokens / job.Model.SequenceLength, 1, TrainingSection.MostInMicroBatch);
        var room = RoomOf(own);
        for (var candidate = Math.Min(most, job.Training.GlobalBatch); candidate > 1; candidate--)
        {
            if (job.Training.GlobalBatch % candidate == 0 && IsEven(job.Training.GlobalBatch, candidate, ranks) && BytesOf(job, candidate, vocabularySize) <= room)
                return candidate;
        }
        return 1;
    }

    /// <summary>Whether a rank of the job fits in each slot that it may get, as far as their memory is known.</summary>
    /// <param name="job">The job, settled.</param>
    /// <param name="slots">All slots that are known.</param>
    /// <param name="vocabularySize">Tokens of its tokenizer.</param>
    public static bool Fits(JobFile job, IEnumerable<SlotFacts> slots, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(job);
        var known = slots.Where(slot => slot.Takes(job) && slot.MemoryBytes > 0).ToList();
        return known.Count == 0 || JobNeeds.Of(job, vocabularySize).MemoryBytes <= known.Min(slot => slot.MemoryBytes);
    }

    private static double RoomOf(IReadOnlyCollection<SlotFacts> slots) =>
        RoomShare * slots.Select(slot => slot.MemoryBytes).Where(bytes => bytes > 0).DefaultIfEmpty(AssumedMemoryBytes).Min();

    private static bool IsEven(int globalBatch, int microBatch, int ranks)
    {
        var microBatches = globalBatch / microBatch;
        if (microBatches < ranks)
            return false;
        var busiest = (long)microBatch * ((microBatches + ranks - 1) / ranks);
        var alone = (globalBatch + ranks - 1) / ranks;
        return busiest <= MostUneven * alone;
    }

    private static long BytesOf(JobFile job, int microBatch, int vocabularySize) =>
        JobNeeds.Of(job with { Training = job.Training with { MicroBatch = microBatch } }, vocabularySize).MemoryBytes;
}
