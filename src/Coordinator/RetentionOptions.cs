namespace Linformer.Coordinator;

/// <summary>How much of the telemetry of jobs stays in the database. Jobs, their history and their checkpoints stay for ever.</summary>
public sealed record RetentionOptions
{
    /// <summary>
    /// A job that ended longer ago loses its log lines, and of its metrics all but <see cref="MetricPointsPerJob"/>; zero to keep them.
    /// </summary>
    public TimeSpan KeepLogs { get; init; } = TimeSpan.FromDays(30);

    /// <summary>The newest log lines of a job that stay while it runs and after; 0 for no limit.</summary>
    public int LogLinesPerJob { get; init; } = 200_000;

    /// <summary>
    /// About how many steps of an old job that has more than twice as many keep their numbers, evenly over the job: of each generation
    /// the first and the last one always, and of the evaluated steps as many again.
    /// </summary>
    public int MetricPointsPerJob { get; init; } = 2_000;

    /// <summary>
    /// The newest samples of a job's ranks that stay while it runs and after; 0 for no limit. A rank takes one a second at most. All go
    /// when its log lines do.
    /// </summary>
    public int RankSamplesPerJob { get; init; } = 500_000;

    /// <summary>Events that are older are deleted, of the history of jobs too, which itself stays; zero to keep them.</summary>
    public TimeSpan KeepEvents { get; init; } = TimeSpan.FromDays(90);

    /// <summary>How long to wait between two looks through the jobs.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Rows that are deleted in one write, between which others get their turn.</summary>
    public int BatchRows { get; init; } = 500;
}
