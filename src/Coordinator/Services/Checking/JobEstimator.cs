using System.Globalization;
using Linformer.Protocol;
using Linformer.Protocol.Wire;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Checking;

/// <summary>Says what a job takes, and how long by what this cluster's jobs have achieved.</summary>
internal static class JobEstimator
{
    // The median of so many newest jobs, so that one that was disturbed does not decide.
    private const int JobsToGoBy = 5;

    /// <summary>Makes the estimate.</summary>
    /// <param name="job">The job.</param>
    /// <param name="vocabularySize">Tokens of its tokenizer.</param>
    /// <param name="device">Where it will compute.</param>
    /// <param name="rates">What jobs have achieved, the newest first.</param>
    public static Proto.JobEstimate Of(JobFile job, int vocabularySize, string device, IReadOnlyList<JobRate> rates)
    {
        var needs = JobNeeds.Of(job, vocabularySize);
        var estimate = needs.ToMessage();
        if (Rate(job, device, rates) is { } rate)
        {
            estimate.Seconds = job.Training.Steps * needs.OperationsOfBusiestRank(job, job.Ranks.Max) / rate.PerSecond;
            estimate.Basis = rate.Basis;
        }
        else
        {
            estimate.Basis = device.Length == 0
                ? "No job of this cluster has trained yet."
                : $"No job of this cluster has trained on {device} yet.";
        }
        return estimate;
    }

    private static (double PerSecond, string Basis)? Rate(JobFile job, string device, IReadOnlyList<JobRate> rates)
    {
        var onDevice = rates.Where(rate => rate.Device == device).ToList();
        if (onDevice.Count == 0)
            return null;
        // How much quicker or slower the other precision is depends on the machine, so its speed is only better than none.
        var precision = job.Training.Precision;
        var inPrecision = onDevice.Where(rate => rate.Precision == precision).ToList();
        var there = inPrecision.Count > 0 ? inPrecision : onDevice;
        // The threads of a rank matter on CPUs only; where no job had as many, they are taken to share the work evenly.
        var threads = job.Ranks.Threads;
        var alike = device == "cuda" ? there : [.. there.Where(rate => rate.Threads == threads)];
        var scaled = alike.Count == 0;
        var used = (scaled ? there : alike).Take(JobsToGoBy).ToList();
        var speeds = used.Select(rate => rate.OperationsPerSecond * (scaled ? (double)threads / rate.Threads : 1)).Order().ToList();
        var perSecond = speeds[speeds.Count / 2];
        return (perSecond, Words(job, device, used, perSecond, scaled));
    }

    private static string Words(JobFile job, string device, List<JobRate> used, double perSecond, bool scaled)
    {
        var who = used.Count == 1 ? $"Job {used[0].JobId}" : $"The newest {used.Count} jobs, {used[0].JobId} the last of them,";
        var on = device.Length == 0 ? "" : $" on {device}";
        var with = device == "cuda" ? "" : $" with {job.Ranks.Threads} {(job.Ranks.Threads == 1 ? "thread" : "threads")}{(scaled ? " (from other numbers of threads, in proportion)" : "")}";
        var other = used[0].Precision == job.Training.Precision ? "" : used[0].Precision == PrecisionKind.Bf16 ? " in bf16" : " in fp32";
        var ranks = job.Ranks.Max;
        return $"{who} reached {Rate(perSecond)} a rank{on}{with}{other}; this job has {ranks} {(ranks == 1 ? "rank" : "ranks")}.";
    }

    private static string Rate(double perSecond)
    {
        var (unit, scale) = perSecond >= 1e12 ? ("TFLOP/s", 1e12) : perSecond >= 1e9 ? ("GFLOP/s", 1e9) : ("MFLOP/s", 1e6);
        return $"{(perSecond / scale).ToString("0.##", CultureInfo.InvariantCulture)} {unit}";
    }
}
