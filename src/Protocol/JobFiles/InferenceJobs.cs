namespace Linformer.Protocol;

/// <summary>
/// What follows for the rest of a job file from <c>task: inference</c>. A step is a file of results for each of <c>ranks.max</c> ranks,
/// whoever computes them, so that files are shared out over ranks that come and go just as micro-batches are.
/// </summary>
public static class InferenceJobs
{
    /// <summary>The job with what follows; one of another task as it is.</summary>
    /// <param name="job">The job as its file says.</param>
    public static JobFile Derive(JobFile job)
    {
        ArgumentNullException.ThrowIfNull(job);
        return job is not { Task: JobTask.Inference, Inference: { } inference } ? job : job with
        {
            Corpus = job.Corpus with { Tokenizer = new TokenizerSection { File = $"{inference.Model}/tokenizer.json" } },
            Training = job.Training with
            {
                GlobalBatch = Math.Max(1, job.Ranks.Max),
                MicroBatch = 1,
                WarmupSteps = 0,
                LocalSteps = 1,
                Wire = WireKind.Fp32,
                KeepBest = null,
                EarlyStopping = null,
            },
        };
    }

    /// <summary>The job with as many steps as its corpus takes; one of another task as it is.</summary>
    /// <param name="job">The job.</param>
    /// <param name="documents">Documents of its corpus.</param>
    public static JobFile Settle(JobFile job, long documents)
    {
        ArgumentNullException.ThrowIfNull(job);
        if (job is not { Task: JobTask.Inference, Inference: { } inference })
            return job;
        var steps = Parts(Parts(documents, inference.ShardDocuments), job.Training.GlobalBatch);
        return job with { Training = job.Training with { Steps = (int)Math.Clamp(steps, 1, 1_000_000_000) } };
    }

    /// <summary>How many parts there are of a thing.</summary>
    /// <param name="count">How much there is.</param>
    /// <param name="size">How much of it is a part; the last one may have less.</param>
    public static long Parts(long count, long size) => (count + size - 1) / size;
}
