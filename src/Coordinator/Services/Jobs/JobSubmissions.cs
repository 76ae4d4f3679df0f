using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Linformer.Protocol;
using Serilog;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>
/// Takes job files. The submission is recorded under its key first, and its grain made then: whatever happens in between, a
/// second try with the key finds the same job, and so does the coordinator's next start.
/// </summary>
internal sealed partial class JobSubmissions(
    IGrainFactory grains, IJobStore jobs, ClusterReader cluster, SchedulerPoker scheduler, CoordinatorOptions options, TimeProvider time, ILogger logger)
{
    private const int IdTries = 10;
    private const int MaxName = 128;
    private const int MaxSource = 256;

    /// <summary>Submits a job, or only checks it.</summary>
    public async Task<Proto.SubmitResponse> SubmitAsync(Proto.SubmitRequest request, Principal caller, CancellationToken cancellationToken)
    {
        Check(request);
        var source = request.Source.Length == 0 ? "job.yaml" : Source(request.Source);
        var file = JobFileParser.Parse(request.JobFile.Span, source, cuda: true).OrThrow();
        var json = file.ToJson();
        if (Encoding.UTF8.GetByteCount(json) > JobFileParser.MaxBytes)
            throw Refusal.Invalid($"{source}: with all settings written out, it is larger than {JobFileParser.MaxBytes:#,0} bytes. Use globs for the corpus files.");
        var response = new Proto.SubmitResponse { ResolvedJob = json };
        response.Notices.AddRange(await TryNoticesAsync(file, cancellationToken));
        if (request.DryRun)
        {
            response.Job = Draft(file);
            return response;
        }
        cancellationToken.ThrowIfCancellationRequested();
        // From here on to the end, also for a client that goes away: a write that has begun is not taken back, so that it would be a
        // job that the audit log tells of as not made.
        var recorded = await RecordAsync(request, caller, file, json);
        var view = await grains.GetGrain<IJobGrain>(recorded.Submission.JobId).Create(recorded.Submission, CancellationToken.None);
        await scheduler.PokeAsync(CancellationToken.None);
        response.Job = view.ToProto(new JobProgress(view.Lineage, view.Generation, view.Plan?.CommittedBefore ?? 0, null, null), appliedStep: 0);
        response.Existed = recorded.Existed;
        return response;
    }

    private static void Check(Proto.SubmitRequest request)
    {
        if (request.JobFile.Length > JobFileParser.MaxBytes)
            throw Refusal.Invalid($"The job file has {request.JobFile.Length:#,0} bytes; at most {JobFileParser.MaxBytes:#,0} are allowed.");
        if (!request.DryRun && !KeyPattern().IsMatch(request.IdempotencyKey))
            throw Refusal.Invalid($"idempotency_key {Refusal.Show(request.IdempotencyKey)} is not 8 to 128 characters of A-Z a-z 0-9 - _ .");
        Refusal.CheckText("submitter", request.Submitter, MaxName);
    }

    // Only messages show it, so no name of a file is wrong; the end of a long one tells most.
    private static string Source(string source)
    {
        var shown = source.Length > MaxSource ? "…" + source[^(MaxSource - 1)..] : source;
        return string.Concat(shown.Select(character => char.IsControl(character) ? '?' : character));
    }

    private async Task<RecordedSubmission> RecordAsync(Proto.SubmitRequest request, Principal caller, JobFile file, string json)
    {
        // A user's keys are the user's own: with another's nobody learns of a job, or keeps one from being made.
        var open = caller.Kind == PrincipalKind.Open;
        var key = open ? request.IdempotencyKey : $"{caller.User}/{request.IdempotencyKey}";
        var allowed = open || options.Limits.UnfinishedJobs == 0 ? int.MaxValue : options.Limits.UnfinishedJobs;
        var sha256 = Convert.ToHexStringLower(SHA256.HashData(request.JobFile.Span));
        for (var attempt = 1; ; attempt++)
        {
            var submission = new JobSubmission(JobIds.Make(file.Name), file.Name, json, caller.PersonName(request.Submitter), time.GetUtcNow());
            try
            {
                return await jobs.RecordSubmissionAsync(key, sha256, submission, allowed, CancellationToken.None);
            }
            catch (JobIdTakenException) when (attempt < IdTries)
            {
                // Another id is as good.
            }
        }
    }

    // What a job waits for is told as a help: a job is not refused because that is not known.
    private async Task<IReadOnlyList<string>> TryNoticesAsync(JobFile file, CancellationToken cancellationToken)
    {
        try
        {
            return await NoticesAsync(file, cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Warning(exception, "The workers could not be read for a submission's notices");
            return [];
        }
    }

    private async Task<IReadOnlyList<string>> NoticesAsync(JobFile file, CancellationToken cancellationToken)
    {
        var workers = (await cluster.WorkersAsync(cancellationToken)).Where(worker => worker.Alive).ToList();
        if (workers.Count == 0)
            return ["No worker is connected; the job waits until one is."];
        var slots = workers.Where(worker => !worker.Status.Draining).Sum(worker => worker.Identity.Slots.Length);
        var notices = new List<string>();
        if (slots < file.Ranks.Min)
            notices.Add($"The job needs at least {file.Ranks.Min} slots; the cluster has {slots}. The job waits until it has more.");
        if (file.Device == DeviceKind.Cuda && !workers.Any(worker => worker.Identity.Slots.Any(slot => slot.Device == "cuda")))
            notices.Add("The job asks for device: cuda; no connected worker offers a GPU.");
        return notices;
    }

    private static Proto.Job Draft(JobFile file) => new()
    {
        Name = file.Name,
        Priority = file.Priority,
        TotalSteps = file.Training.Steps,
        RanksMin = file.Ranks.Min,
        RanksMax = file.Ranks.Max,
    };

    [GeneratedRegex("^[A-Za-z0-9_.-]{8,128}\\z", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex KeyPattern();
}
