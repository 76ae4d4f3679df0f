using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Services.Mapping;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Watching;

/// <summary>Brings together what grains and tables know of a job.</summary>
internal sealed class JobReader(IGrainFactory grains, IJobStore jobs, ITelemetryStore telemetry)
{
    private const int MaxName = 128;

    /// <summary>The id of a job that is named by its id or its name.</summary>
    /// <exception cref="Grpc.Core.RpcException">There is none.</exception>
    public async Task<string> ResolveAsync(string idOrName, CancellationToken cancellationToken)
    {
        if (idOrName.Length == 0)
            throw Refusal.Invalid("job is empty; it is a job's id or name.");
        var row = idOrName.Length <= MaxName ? await jobs.FindAsync(idOrName, cancellationToken) : null;
        return row?.View.JobId ?? throw Refusal.NotFound($"There is no job with the id or name {Refusal.Show(idOrName)}.");
    }

    /// <summary>The job's view: the grain's, or the submission's when the grain has not come to be.</summary>
    public async Task<JobView> ViewAsync(string jobId, CancellationToken cancellationToken)
    {
        if (await grains.GetGrain<IJobGrain>(jobId).Get(cancellationToken) is { } view)
            return view;
        var row = await jobs.FindAsync(jobId, cancellationToken);
        return row is not null && row.View.JobId == jobId ? row.View : throw Refusal.NotFound($"There is no job {Refusal.Show(jobId)}.");
    }

    /// <summary>How the job stands.</summary>
    public async Task<JobSnapshot> ReadAsync(string jobId, CancellationToken cancellationToken)
    {
        var view = await ViewAsync(jobId, cancellationToken);
        var ranks = await RanksAsync(view, cancellationToken);
        var progress = await telemetry.ProgressAsync(jobId, cancellationToken);
        var corpusId = view.Corpus?.CorpusId ?? (view.Phase == JobPhase.Preparing ? CorpusKey.Of(view.JobJson).CorpusId : "");
        return new JobSnapshot
        {
            View = view,
            Job = view.ToProto(progress, ranks.Select(rank => rank.AppliedStep).DefaultIfEmpty(0).Max()),
            Metrics = progress.LastMetric?.ToProto(),
            HeldOutLoss = progress.HeldOutLoss,
            Measures = progress.Measures,
            CorpusId = corpusId,
            Corpus = view.Phase == JobPhase.Preparing ? await CorpusAsync(corpusId, cancellationToken) : null,
            Ranks = ranks,
            Result = view.ToResult(),
            LastFailure = view.LastFailure?.ToProto(),
            LogSequence = await telemetry.LogTailAsync(jobId, rank: null, lines: 0, cancellationToken),
        };
    }

    private async Task<Proto.CorpusProgress?> CorpusAsync(string corpusId, CancellationToken cancellationToken)
    {
        var corpus = await grains.GetGrain<ICorpusGrain>(corpusId).Get(cancellationToken);
        return corpus?.Progress?.ToProto();
    }

    private async Task<ImmutableArray<Proto.Rank>> RanksAsync(JobView view, CancellationToken cancellationToken)
    {
        if (view.HasEnded || view.Placements.IsEmpty)
            return [];
        var names = view.Placements.Select(place => place.Worker).Distinct(StringComparer.Ordinal);
        var workers = await Task.WhenAll(names.Select(name => grains.GetGrain<IWorkerGrain>(name).Get(cancellationToken)));
        var reports = workers.OfType<WorkerView>()
            .SelectMany(worker => worker.Status.Groups)
            .Where(group => group.JobId == view.JobId)
            .SelectMany(group => group.Members)
            .DistinctBy(member => member.Member)
            .ToDictionary(member => member.Member);
        return
        [
            .. view.Placements
                .Select(place => ToRank(view, place, view.Phase == JobPhase.Running ? reports.GetValueOrDefault(place.Member) : null))
                .OrderBy(rank => rank.InGeneration ? rank.Rank_ : int.MaxValue)
                .ThenBy(rank => rank.Member),
        ];
    }

    private static Proto.Rank ToRank(JobView view, Placement place, ReportedMember? report)
    {
        var rank = view.Plan?.RankOf(place.Member) ?? -1;
        return new Proto.Rank
        {
            Rank_ = rank,
            Worker = place.Worker,
            Slot = place.Slot,
            State = report switch
            {
                null => "assigned",
                { IsAlive: false } => "ended",
                _ => report.Condition.ToString().ToLowerInvariant(),
            },
            AppliedStep = report?.AppliedStep ?? 0,
            ProcessId = report?.ProcessId ?? 0,
            Member = place.Member,
            StepMilliseconds = report?.StepMilliseconds ?? 0,
            Straggler = view.Slow.Any(slow => slow.Member == place.Member),
            InGeneration = rank >= 0,
        };
    }
}
