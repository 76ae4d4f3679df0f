namespace Linformer.Coordinator.Storage;

/// <summary>What a rank has measured of itself: means over the steps since the sample before.</summary>
/// <param name="Sequence">Grows within the store; 0 before it is recorded.</param>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Rank">The rank.</param>
/// <param name="Step">The last step in it. A second sample of the same rank, generation and step is not recorded.</param>
/// <param name="Member">The rank's process, by its number in the job.</param>
/// <param name="Worker">The worker. Of a batch it is that of the batch, whatever is said here.</param>
/// <param name="At">When it was taken.</param>
/// <param name="Steps">Steps in it.</param>
/// <param name="DataMilliseconds">Reads, masks and places the batch, per step.</param>
/// <param name="ForwardMilliseconds">Forward, per step.</param>
/// <param name="BackwardMilliseconds">Backward, per step.</param>
/// <param name="ReduceMilliseconds">Sums gradients over the ranks, the wait for slower ones included, per step.</param>
/// <param name="UpdateMilliseconds">Scales, clips and updates, per step.</param>
/// <param name="OtherMilliseconds">Everything else, per step.</param>
/// <param name="MemoryBytes">Resident memory of the process.</param>
/// <param name="PeakMemoryBytes">The most that it ever was.</param>
/// <param name="GpuMemoryBytes">On its GPU, by the process; 0 without one.</param>
public sealed record RankSampleRow(
    long Sequence,
    int Lineage,
    int Generation,
    int Rank,
    long Step,
    long Member,
    string Worker,
    DateTimeOffset At,
    int Steps,
    double DataMilliseconds,
    double ForwardMilliseconds,
    double BackwardMilliseconds,
    double ReduceMilliseconds,
    double UpdateMilliseconds,
    double OtherMilliseconds,
    long MemoryBytes,
    long PeakMemoryBytes,
    long GpuMemoryBytes);
