using Linformer.Coordinator.Workers;
using Linformer.Protocol;

namespace Linformer.Coordinator.Services.Checking;

/// <summary>Things to know about a job file at the moment, such as that the cluster is too small for it.</summary>
internal static class JobNotices
{
    private const int NamedWorkers = 3;

    /// <summary>Tells them.</summary>
    /// <param name="written">The job as its file says.</param>
    /// <param name="file">The same with nothing left open.</param>
    /// <param name="known">All workers.</param>
    public static IReadOnlyList<string> Of(JobFile written, JobFile file, IReadOnlyList<WorkerView> known)
    {
        var workers = known.Where(worker => worker.Alive).ToList();
        if (workers.Count == 0)
            return [$"No worker is connected; the job waits until one is.{(known.Count == 0 ? Unknown(written) : "")}"];
        var slots = workers.Where(worker => !worker.Status.Draining).Sum(worker => worker.Identity.Slots.Length);
        var notices = new List<string>();
        if (slots < file.Ranks.Min)
            notices.Add($"The job needs at least {file.Ranks.Min} slots; the cluster has {slots}. The job waits until it has more.");
        if (file.Device == DeviceKind.Cuda && !workers.Any(worker => worker.Identity.Slots.Any(slot => slot.Device == "cuda")))
            notices.Add("The job asks for device: cuda; no connected worker offers a GPU.");
        if (file.Task != JobTask.Plugin && file.Training.Precision == PrecisionKind.Bf16 && WithoutBfloat16(file, workers) is { Length: > 0 } who)
            notices.Add($"The job computes in bf16, for which {who} no hardware: there it trains more slowly than in fp32.");
        return notices;
    }

    /// <summary>
    /// Why a cluster does not take a job: it runs code of its submitter's, and the workers are there, but none allows that. Null if it does.
    /// </summary>
    /// <param name="file">The job.</param>
    /// <param name="known">All workers.</param>
    public static string? Refused(JobFile file, IReadOnlyList<WorkerView> known)
    {
        var workers = known.Where(worker => worker.Alive).ToList();
        return file.Task == JobTask.Plugin && workers.Count > 0 && !workers.Exists(worker => worker.Identity.AllowsPlugins)
            ? "Task plugin runs code of whoever submits the job, and no connected worker allows that. Start workers with --allow-plugins for it."
            : null;
    }

    private static string Unknown(JobFile written) => written.Training.Precision == PrecisionKind.Auto
        ? " Whether that has hardware for bf16 is not known, so precision: auto is fp32; write bf16 if it will."
        : "";

    // The workers of which the job may get a slot that emulates bf16, as the beginning of a clause; empty for none.
    private static string WithoutBfloat16(JobFile file, List<WorkerView> workers)
    {
        var usable = workers.Where(worker => worker.Identity.Slots.Any(slot => slot.ToFacts().Takes(file))).ToList();
        var without = usable.Where(worker => worker.Identity.Slots.Any(slot => !slot.Bfloat16 && slot.ToFacts().Takes(file))).Select(worker => worker.Identity.Name).ToList();
        return without.Count == 0 ? ""
            : without.Count == usable.Count && usable.Count > 1 ? "the workers have"
            : without.Count > NamedWorkers ? $"{without.Count} workers have"
            : $"{string.Join(", ", without)} {(without.Count == 1 ? "has" : "have")}";
    }
}
