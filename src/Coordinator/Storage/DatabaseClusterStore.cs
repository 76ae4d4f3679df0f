using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Storage;

/// <summary>Figures of all jobs together, from the database.</summary>
/// <param name="database">The database.</param>
public sealed class DatabaseClusterStore(CoordinatorDatabase database) : IClusterStore
{
    /// <inheritdoc/>
    public Task<JobTotals> TotalsAsync(CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            var jobs = session.All("SELECT phase, count(*) FROM jobs GROUP BY phase", row => ((JobPhase)row.GetInt32(0), row.GetInt64(1)));
            var rates = session.All(
                """
                SELECT (SELECT tokens_per_second FROM metrics WHERE metrics.job_id = jobs.job_id ORDER BY lineage DESC, generation DESC, step DESC LIMIT 1)
                FROM jobs WHERE phase = $1
                """,
                row => row.Number(0),
                (int)JobPhase.Running);
            return new JobTotals(jobs.ToDictionary(job => job.Item1, job => job.Item2), rates.Sum(rate => rate is { } one && double.IsFinite(one) ? one : 0));
        },
        cancellationToken);
}
