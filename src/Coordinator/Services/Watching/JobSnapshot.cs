using System.Collections.Immutable;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Watching;

/// <summary>How a job stands, as messages that all its watchers share and nobody changes.</summary>
internal sealed record JobSnapshot
{
    /// <summary>The job as its grain tells it.</summary>
    public required JobView View { get; init; }

    public required Proto.Job Job { get; init; }

    public Proto.MetricPoint? Metrics { get; init; }

    public double? HeldOutLoss { get; init; }

    /// <summary>What else the newest evaluation measured.</summary>
    public MeasureValues? Measures { get; init; }

    public string CorpusId { get; init; } = "";

    public Proto.CorpusProgress? Corpus { get; init; }

    public ImmutableArray<Proto.Rank> Ranks { get; init; } = [];

    public Proto.JobResult? Result { get; init; }

    public Proto.RankFailure? LastFailure { get; init; }

    /// <summary>The number of the newest log line.</summary>
    public long LogSequence { get; init; }

    /// <summary>Whether both show the same.</summary>
    public bool Shows(JobSnapshot other) =>
        Job.Equals(other.Job)
        && Equals(Metrics, other.Metrics)
        && Nullable.Equals(HeldOutLoss, other.HeldOutLoss)
        && Equals(Measures, other.Measures)
        && Equals(Corpus, other.Corpus)
        && Ranks.SequenceEqual(other.Ranks)
        && Equals(LastFailure, other.LastFailure)
        && LogSequence == other.LogSequence;
}
