namespace Linformer.Protocol;

/// <summary>
/// Settles what a job file leaves to the machines, once and for all: the numbers that come out of a step depend on it, so it is
/// stored with the job and no longer depends on where the job runs.
/// </summary>
public static class JobResolution
{
    /// <summary>The job with nothing left open.</summary>
    /// <param name="job">The job as its file says.</param>
    /// <param name="slots">The slots that are known: of the cluster, or of this machine.</param>
    /// <param name="vocabularySize">Tokens of its tokenizer.</param>
    /// <param name="ranks">The most ranks that it will have; null for what it says.</param>
    public static JobFile Resolve(
        JobFile job, IReadOnlyCollection<SlotFacts> slots, int vocabularySize, int? ranks = null)
    {
        ArgumentNullException.ThrowIfNull(job);
        ArgumentNullException.ThrowIfNull(slots);
        // How much fits depends on the precision.
        job = job with { Training = job.Training with { Precision = PrecisionChoice.Of(job, slots) } };
        return job with { Training = job.Training with { MicroBatch = MicroBatchChoice.Of(job, slots, vocabularySize, ranks ?? job.Ranks.Max) } };
    }

    /// <summary>The job with what was settled before, where it leaves that open: a job that goes on stays what it was.</summary>
    /// <param name="job">The job as its file says.</param>
    /// <param name="before">The job as it was stored. Where that has no precision, it was fp32.</param>
    public static JobFile KeepOf(JobFile job, JobFile before)
    {
        ArgumentNullException.ThrowIfNull(job);
        ArgumentNullException.ThrowIfNull(before);
        var (now, then) = (job.Training, before.Training);
        return job with
        {
            Training = now with
            {
                Precision = now.Precision != PrecisionKind.Auto ? now.Precision : then.Precision == PrecisionKind.Bf16 ? PrecisionKind.Bf16 : PrecisionKind.Fp32,
                MicroBatch = now.MicroBatch ?? then.MicroBatch,
            },
        };
    }
}
