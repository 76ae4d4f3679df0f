using System.Collections.Immutable;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Telemetry;

/// <summary>How the cluster was when it was last looked at for machines.</summary>
internal sealed record ClusterReading
{
    /// <summary>When that was.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>How many jobs there are of each phase.</summary>
    public required ImmutableDictionary<JobPhase, long> Jobs { get; init; }

    /// <summary>Jobs that have not ended, the newest first, at most so many as have series of their own.</summary>
    public required ImmutableArray<JobReading> Unfinished { get; init; }

    /// <summary>How long the first of the jobs that wait for slots has waited.</summary>
    public required TimeSpan LongestWait { get; init; }

    /// <summary>The workers.</summary>
    public required ImmutableArray<WorkerView> Workers { get; init; }

    /// <summary>How many corpora there are of each stage.</summary>
    public required ImmutableDictionary<CorpusStage, long> Corpora { get; init; }

    /// <summary>The room on the file systems; those that answer.</summary>
    public required ImmutableArray<StorageReading> Storage { get; init; }
}

/// <summary>A job that has not ended.</summary>
/// <param name="View">As its row tells it.</param>
/// <param name="Progress">What was recorded of it; null for one that does not run.</param>
/// <param name="SinceStep">Of a job that runs: how long ago a step was committed, or its ranks got their slots, whichever is later.</param>
internal sealed record JobReading(JobView View, JobProgress? Progress, TimeSpan SinceStep);

/// <summary>A file system.</summary>
/// <param name="Name"><c>data</c> or <c>coordinator</c>.</param>
/// <param name="FreeBytes">What this user may still write.</param>
/// <param name="SizeBytes">All of it.</param>
internal sealed record StorageReading(string Name, long FreeBytes, long SizeBytes);
