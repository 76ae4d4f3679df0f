namespace Linformer.Coordinator.Storage.Metrics;

/// <summary>A range of a job's steps as few equal buckets.</summary>
/// <param name="StepsPerBucket">The steps of each.</param>
/// <param name="Oldest">The first step of the job that counts; 0 before there is one.</param>
/// <param name="Newest">The newest one.</param>
/// <param name="Buckets">Those with any step that counts, in order.</param>
public sealed record MetricRange(long StepsPerBucket, long Oldest, long Newest, IReadOnlyList<MetricBucket> Buckets)
{
    /// <summary>Of a job without steps.</summary>
    public static MetricRange Empty { get; } = new(1, 0, 0, []);
}
