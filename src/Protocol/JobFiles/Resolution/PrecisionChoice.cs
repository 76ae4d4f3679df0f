namespace Linformer.Protocol;

/// <summary>What <c>training.precision: auto</c> comes to.</summary>
public static class PrecisionChoice
{
    /// <summary>
    /// The precision of a job: what it says, or, with <c>auto</c>, bf16 if each of the slots that it may get multiplies bf16 in
    /// hardware, else fp32. A job that may get no slot that is known is fp32, which runs everywhere.
    /// </summary>
    /// <param name="job">The job.</param>
    /// <param name="slots">All slots that are known.</param>
    /// <returns>Never <see cref="PrecisionKind.Auto"/>.</returns>
    public static PrecisionKind Of(JobFile job, IEnumerable<SlotFacts> slots)
    {
        ArgumentNullException.ThrowIfNull(job);
        if (job.Training.Precision != PrecisionKind.Auto)
            return job.Training.Precision;
        var own = slots.Where(slot => slot.Takes(job)).ToList();
        return own.Count > 0 && own.TrueForAll(slot => slot.Bfloat16) ? PrecisionKind.Bf16 : PrecisionKind.Fp32;
    }
}
