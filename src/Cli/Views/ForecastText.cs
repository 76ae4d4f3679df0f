using Linformer.Protocol;
using Linformer.Protocol.Wire;

namespace Linformer.Cli.Views;

/// <summary>What a job would take on GPUs that need not be there.</summary>
internal static class ForecastText
{
    /// <summary>Writes it.</summary>
    /// <param name="context">Where to.</param>
    /// <param name="path">The job's file.</param>
    /// <param name="job">The job.</param>
    /// <param name="gpuName">One of <see cref="GpuModel.Known"/>.</param>
    /// <param name="bitsPerSecond">Of each rank's link to the others.</param>
    /// <exception cref="CommandException">Nothing is known of the job's model.</exception>
    public static void Write(CommandContext context, string path, JobFile job, string gpuName, double bitsPerSecond)
    {
        if (job.Task is JobTask.Plugin or JobTask.Inference)
        {
            throw new CommandException(job.Task == JobTask.Plugin
                ? "--on is for models that are known; what a task of your own takes is not known before it runs."
                : "--on is for training; how many steps inference has is known once its documents are counted.");
        }
        var gpu = GpuModel.Known.Single(known => known.Name == gpuName);
        if (job.Training.Precision == PrecisionKind.Auto)
            job = job with { Training = job.Training with { Precision = gpu.Bf16 is null ? PrecisionKind.Fp32 : PrecisionKind.Bf16 } };
        var needs = JobNeeds.Of(job, job.Corpus.Tokenizer.VocabularySize ?? JobNeeds.AssumedVocabularySize);
        var forecast = GpuForecast.Of(job, needs, gpu, bitsPerSecond);
        foreach (var notice in forecast.Notices.Concat(JobNeeds.Assumptions(job)))
            context.Note($"note: {notice}");
        var estimate = needs.ToMessage();
        estimate.Seconds = forecast.Seconds;
        estimate.Basis = forecast.Basis;
        context.WriteMessage(estimate, output =>
        {
            output.WriteLine($"{path} is fine; nothing was queued, and no coordinator was asked.");
            EstimateText.Write(output, estimate, job.Training.Steps);
        });
    }
}
