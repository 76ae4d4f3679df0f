using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Mapping;

/// <summary>Jobs as people are shown them.</summary>
internal static class JobMapping
{
    private static readonly JsonSerializerOptions SummaryOptions = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    public static Proto.Job ToProto(this JobView view, JobProgress progress, long appliedStep)
    {
        var again = view.Phase == JobPhase.Running && progress.Generation == view.Generation ? progress.AgainFrom : null;
        // A lineage that begins with a chosen checkpoint is that far before it has taken a step.
        var begins = view.Lineages is [.., { IsChosen: true } choice] ? choice.KeptStep : 0;
        var committed = progress.Lineage == view.Lineage ? Math.Max(progress.CommittedStep, begins) : begins;
        // The last steps' numbers may still be on their way.
        if (view.Phase == JobPhase.Succeeded)
            committed = Math.Max(committed, JobSummary.Steps(view.Summary) ?? 0);
        var told = progress.LastMetric is { } metric && metric.Lineage == view.Lineage ? metric.Step : 0;
        var facts = JobTaskFacts.Of(view.JobJson);
        var job = new Proto.Job
        {
            Id = view.JobId,
            Name = view.Name,
            State = view.Phase.ToProto(),
            Reason = view.Reason,
            Priority = view.Priority,
            Submitter = view.Submitter,
            SubmittedAt = view.SubmittedAt.ToTimestamp(),
            StartedAt = view.StartedAt?.ToTimestamp(),
            EndedAt = view.EndedAt?.ToTimestamp(),
            Lineage = view.Lineage,
            Generation = view.Generation,
            WorldSize = view.WorldSize,
            AppliedStep = Math.Max(appliedStep, again is null ? Math.Max(committed, told) : told),
            CommittedStep = committed,
            TotalSteps = view.TotalSteps,
            Pending = !view.HasEnded && view.Wish == JobWish.Pause && view.Phase != JobPhase.Paused ? "pausing" : "",
            RanksMin = view.RanksMin,
            RanksMax = view.RanksMax,
            Revision = view.Revision,
            LastMetrics = progress.LastMetric?.ToProto(),
            Task = facts.Task,
            DocumentsPerStep = facts.DocumentsPerStep,
        };
        if (view.Plan is { } plan)
            job.RanksLeft = plan.Members.Count(member => view.Placements.Any(placement => placement.Member == member));
        if (again is { } from)
            job.AgainFrom = from;
        return job;
    }

    public static Proto.JobState ToProto(this JobPhase phase) => phase switch
    {
        JobPhase.Queued => Proto.JobState.Queued,
        JobPhase.Preparing => Proto.JobState.Preparing,
        JobPhase.Running => Proto.JobState.Running,
        JobPhase.Paused => Proto.JobState.Paused,
        JobPhase.Succeeded => Proto.JobState.Succeeded,
        JobPhase.Failed => Proto.JobState.Failed,
        JobPhase.Cancelled => Proto.JobState.Cancelled,
        _ => Proto.JobState.Unspecified,
    };

    /// <summary>The phase; null for a state that is none.</summary>
    public static JobPhase? ToPhase(this Proto.JobState state) => state switch
    {
        Proto.JobState.Queued => JobPhase.Queued,
        Proto.JobState.Preparing => JobPhase.Preparing,
        Proto.JobState.Running => JobPhase.Running,
        Proto.JobState.Paused => JobPhase.Paused,
        Proto.JobState.Succeeded => JobPhase.Succeeded,
        Proto.JobState.Failed => JobPhase.Failed,
        Proto.JobState.Cancelled => JobPhase.Cancelled,
        _ => null,
    };

    public static Proto.HistoryEntry ToProto(this JobHistoryEntry entry) => new()
    {
        Sequence = entry.Sequence,
        At = entry.At.ToTimestamp(),
        Who = entry.Who,
        What = entry.What,
        Why = entry.Why,
        State = entry.Phase.ToProto(),
        Lineage = entry.Lineage,
        Generation = entry.Generation,
        Step = entry.Step,
    };

    public static Proto.MetricPoint ToProto(this MetricRow row)
    {
        var point = new Proto.MetricPoint
        {
            Lineage = row.Lineage,
            Generation = row.Generation,
            Step = row.Step,
            At = row.At.ToTimestamp(),
            WorldSize = row.WorldSize,
            Loss = row.Loss,
            LearningRate = row.LearningRate,
            TokensPerSecond = row.TokensPerSecond,
        };
        if (row.GradientNorm is { } norm)
            point.GradientNorm = norm;
        if (row.HeldOutLoss is { } loss)
            point.HeldOutLoss = loss;
        if (row.Measures is { } measures)
            point.Measures.Add(measures.Values);
        return point;
    }

    public static Proto.LogLine ToProto(this LogRow row) => new()
    {
        Sequence = row.Sequence,
        At = row.At.ToTimestamp(),
        Generation = row.Generation,
        Rank = row.Rank,
        Worker = row.Worker,
        Text = row.Text,
    };

    public static Proto.Checkpoint ToProto(this CheckpointRow row) => new()
    {
        Name = row.Name,
        Lineage = row.Lineage,
        Generation = row.Generation,
        Step = row.Step,
        At = row.At.ToTimestamp(),
        Bytes = row.Bytes,
        Kept = row.Kept,
    };

    public static Proto.CorpusProgress ToProto(this PreparationStand stand) =>
        new() { Phase = stand.Phase, Done = stand.Done, Total = stand.Total, Unit = stand.Unit };

    public static Proto.RankFailure ToProto(this FailedRank failure) => new()
    {
        Generation = failure.Generation,
        Rank = failure.Rank,
        Worker = failure.Worker,
        ExitCode = failure.ExitCode,
        Signal = failure.Signal,
        Reason = failure.Reason,
        LastLogLines = { failure.LastLogLines.IsDefault ? [] : failure.LastLogLines },
        Permanent = failure.Permanent,
        PeerLost = failure.PeerLost,
        Member = failure.Member,
        Step = failure.Step,
    };

    /// <summary>What came of a job that has succeeded; null for others, or if its summary cannot be read.</summary>
    public static Proto.JobResult? ToResult(this JobView view)
    {
        if (view is not { Phase: JobPhase.Succeeded, Summary: { } json })
            return null;
        try
        {
            var summary = JsonSerializer.Deserialize<Summary>(json, SummaryOptions)!;
            var result = new Proto.JobResult
            {
                Steps = summary.Steps,
                Parameters = summary.Parameters,
                HeldOutLoss = summary.HeldOutLoss,
                HeldOutPerplexity = summary.HeldOutPerplexity,
                UnigramPerplexity = summary.UnigramPerplexity,
                PredictedTokens = summary.PredictedTokens,
                ModelFolder = JobFolders.Model(view.JobId),
                BestStep = summary.BestStep ?? 0,
            };
            result.Measures.Add(summary.Measures ?? []);
            return result;
        }
        catch (JsonException)
        {
            return new Proto.JobResult { ModelFolder = JobFolders.Model(view.JobId) };
        }
    }

    // What rank 0 says at the end, as far as people are shown it.
    private sealed record Summary(
        long Steps, long Parameters, double HeldOutLoss, double HeldOutPerplexity, double UnigramPerplexity, long PredictedTokens,
        Dictionary<string, double>? Measures = null, long? BestStep = null);
}

/// <summary>Where a job's files are, relative to the storage root.</summary>
internal static class JobFolders
{
    /// <summary>Checkpoints, logs and metrics.</summary>
    public static string Run(string jobId) => $"jobs/{jobId}";

    /// <summary>A checkpoint.</summary>
    public static string Checkpoint(string jobId, string name) => $"{Run(jobId)}/checkpoints/{name}";

    /// <summary>The finished model.</summary>
    public static string Model(string jobId) => $"models/{jobId}";
}
