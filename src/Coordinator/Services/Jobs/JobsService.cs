using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services.Checking;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Services.Watching;
using Linformer.Coordinator.Storage;
using Microsoft.Extensions.Hosting;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>Jobs, for people.</summary>
internal sealed partial class JobsService(
    IGrainFactory grains,
    IJobStore jobs,
    IHistoryStore history,
    ITelemetryStore telemetry,
    JobSubmissions submissions,
    JobChecks checks,
    JobDeletions deletions,
    JobReader reader,
    JobCharts charts,
    JobFeeds feeds,
    StreamLimit streams,
    SchedulerPoker scheduler,
    CoordinatorOptions options,
    IHostApplicationLifetime lifetime) : Proto.Jobs.JobsBase
{
    private const int DefaultPage = 50;
    private const int LargestPage = 500;
    private const int ShownHistory = 1000;
    private const int MaxText = 1024;
    private const int MaxName = 128;
    private const string Person = "person:";

    public override Task<Proto.SubmitResponse> Submit(Proto.SubmitRequest request, ServerCallContext context) =>
        submissions.SubmitAsync(request, Principal.Of(context), context.CancellationToken);

    public override async Task<Proto.ListJobsResponse> List(Proto.ListJobsRequest request, ServerCallContext context)
    {
        if (request.PageSize is < 0 or > LargestPage)
            throw Refusal.Invalid($"page_size is {request.PageSize}; 1 to {LargestPage} are allowed, and 0 for {DefaultPage}.");
        Refusal.CheckText("name_contains", request.NameContains, MaxName);
        JobCharts.CheckLossLine(request.LossLinePoints);
        var phases = request.States
            .Select(state => state.ToPhase() ?? throw Refusal.Invalid($"states has {(int)state}, which is not a job's state."))
            .Distinct().ToList();
        Refusal.CheckText("submitter", request.Submitter, MaxName);
        if (!Enum.IsDefined(request.Order))
            throw Refusal.Invalid($"order is {(int)request.Order}, which is none.");
        var sort = (JobSort)(int)request.Order;
        var submitter = request.Submitter.Length == 0 || request.Submitter.StartsWith(Person, StringComparison.Ordinal) ? request.Submitter : Person + request.Submitter;
        var size = request.PageSize == 0 ? DefaultPage : request.PageSize;
        // One more tells whether there is another page.
        var rows = await jobs.ListAsync(
            new JobFilter(phases, request.NameContains, size + 1, PageToken.Read(request), submitter, sort, request.Reverse), context.CancellationToken);
        var response = new Proto.ListJobsResponse();
        foreach (var row in rows.Take(size))
        {
            var progress = await telemetry.ProgressAsync(row.View.JobId, context.CancellationToken);
            response.Jobs.Add(row.View.ToProto(progress, appliedStep: 0));
        }
        await charts.AddLossLinesAsync(response.Jobs, request.LossLinePoints, context.CancellationToken);
        if (rows.Count > size)
            response.NextPageToken = PageToken.Make(JobPlace.Of(rows[size - 1], sort), request);
        return response;
    }

    public override async Task<Proto.JobDetails> Show(Proto.ShowJobRequest request, ServerCallContext context)
    {
        var jobId = await reader.ResolveAsync(request.Job, context.CancellationToken);
        var snapshot = await reader.ReadAsync(jobId, context.CancellationToken);
        var details = new Proto.JobDetails
        {
            Job = snapshot.Job,
            JobFile = snapshot.View.JobJson,
            CorpusId = snapshot.CorpusId,
            Corpus = snapshot.Corpus,
            Ranks = { snapshot.Ranks },
            History = { (await NewestHistoryAsync(jobId, context.CancellationToken)).Select(JobMapping.ToProto) },
            LastMetrics = snapshot.Metrics,
            Generations = { await charts.GenerationsAsync(jobId, context.CancellationToken) },
            Result = snapshot.Result,
            LastFailure = snapshot.LastFailure,
        };
        if (snapshot.HeldOutLoss is { } loss)
            details.HeldOutLoss = loss;
        if (snapshot.Measures is { } measures)
            details.Measures.Add(measures.Values);
        return details;
    }

    public override Task<Proto.Job> Cancel(Proto.ChangeRequest request, ServerCallContext context) =>
        ChangeAsync(request, context, (grain, change) => grain.Cancel(change, CancellationToken.None), before => before.Phase == JobPhase.Cancelled);

    public override Task<Proto.Job> Pause(Proto.ChangeRequest request, ServerCallContext context) =>
        ChangeAsync(request, context, (grain, change) => grain.Pause(change, CancellationToken.None), before => before.Wish == JobWish.Pause);

    public override Task<Proto.Job> Resume(Proto.ChangeRequest request, ServerCallContext context) =>
        ChangeAsync(request, context, (grain, change) => grain.Resume(change, CancellationToken.None), before => before.Wish == JobWish.Train);

    private async Task<Proto.Job> ChangeAsync(
        Proto.ChangeRequest request, ServerCallContext context, Func<IJobGrain, JobChange, Task<JobView>> change, Func<JobView, bool> wasSo)
    {
        var caller = Principal.Of(context);
        var cancellationToken = context.CancellationToken;
        Refusal.CheckText("why", request.Why, MaxText);
        Refusal.CheckText("who", request.Who, MaxName);
        var jobId = await reader.ResolveAsync(request.Job, cancellationToken);
        var grain = grains.GetGrain<IJobGrain>(jobId);
        // A submission that the coordinator was killed right after has no grain yet.
        var before = await grain.Get(cancellationToken) ?? await CreateAsync(grain, jobId, cancellationToken);
        caller.RequireOwner($"Job {jobId}", before.Submitter);
        // All that can fail or be given up comes before the change: what was made is answered, and recorded, as made.
        var progress = await telemetry.ProgressAsync(jobId, cancellationToken);
        var view = await change(grain, new JobChange(caller.PersonName(request.Who), TokenText.Mask(request.Why)));
        await scheduler.PokeAsync(CancellationToken.None);
        var job = view.ToProto(progress, appliedStep: 0);
        job.Unchanged = wasSo(before);
        return job;
    }

    private async Task<JobView> CreateAsync(IJobGrain grain, string jobId, CancellationToken cancellationToken)
    {
        var view = await reader.ViewAsync(jobId, cancellationToken);
        return await grain.Create(new JobSubmission(view.JobId, view.Name, view.JobJson, view.Submitter, view.SubmittedAt), CancellationToken.None);
    }

    private async Task<IReadOnlyList<JobHistoryEntry>> NewestHistoryAsync(string jobId, CancellationToken cancellationToken)
    {
        var entries = new List<JobHistoryEntry>();
        while (true)
        {
            var page = await history.ReadAfterAsync(jobId, entries.Count == 0 ? 0 : entries[^1].Sequence, ShownHistory, cancellationToken);
            entries.AddRange(page);
            if (page.Count < ShownHistory)
                return entries.Count > ShownHistory ? entries[^ShownHistory..] : entries;
            // Only the newest are shown; the rest is not kept meanwhile.
            entries.RemoveRange(0, entries.Count - ShownHistory);
        }
    }
}
