using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services.Checking;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Linformer.Protocol;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>
/// Takes job files. The submission is recorded under its key first, and its grain made then: whatever happens in between, a
/// second try with the key finds the same job, and so does the coordinator's next start.
/// </summary>
internal sealed partial class JobSubmissions(
    IGrainFactory grains, IJobStore jobs, JobResolver resolver, SchedulerPoker scheduler, CoordinatorOptions options, TimeProvider time)
{
    private const int IdTries = 10;
    private const int MaxName = 128;
    private const int MaxSource = 256;

    /// <summary>Submits a job, or only checks it.</summary>
    public async Task<Proto.SubmitResponse> SubmitAsync(Proto.SubmitRequest request, Principal caller, CancellationToken cancellationToken)
    {
        Check(request);
        var source = request.Source.Length == 0 ? "job.yaml" : Source(request.Source);
        var written = JobFileParser.Parse(request.JobFile.Span, source, cuda: true).OrThrow();
        var (file, notices, refused) = await resolver.ResolveAsync(written, cancellationToken);
        var (json, problem) = JobChecks.Resolve(file);
        if (problem is not null)
            throw Refusal.Invalid($"{source}: {problem}");
        if (refused is not null)
            throw Refusal.Precondition(refused);
        var response = new Proto.SubmitResponse { ResolvedJob = json };
        response.Notices.AddRange(notices);
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
        // What was settled when it was submitted first.
        response.ResolvedJob = view.JobJson;
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
