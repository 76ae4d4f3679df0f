using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Screens;

/// <summary>By what the jobs are in order.</summary>
public enum TopOrder
{
    /// <summary>The newest first.</summary>
    Newest,

    /// <summary>By name.</summary>
    Name,

    /// <summary>By state, those that run first.</summary>
    State,

    /// <summary>The fastest first, by tokens in a second.</summary>
    Speed,

    /// <summary>The nearest to their end first.</summary>
    Progress,
}

/// <summary>What the screen of a cluster shows.</summary>
public sealed record TopState
{
    /// <summary>The cluster as a whole.</summary>
    public ClusterSummary Summary { get; init; } = new();

    /// <summary>Jobs, newest first.</summary>
    public IReadOnlyList<Job> Jobs { get; init; } = [];

    /// <summary>Its workers.</summary>
    public IReadOnlyList<Protocol.V1.Worker> Workers { get; init; } = [];

    /// <summary>How long jobs still take, by id, where that is known.</summary>
    public IReadOnlyDictionary<string, TimeSpan> Left { get; init; } = new Dictionary<string, TimeSpan>();

    /// <summary>Only jobs in this state; null for all.</summary>
    public JobState? Only { get; init; }

    /// <summary>By what jobs are in order.</summary>
    public TopOrder Order { get; init; }

    /// <summary>The id of the job that the keys act on; empty for none.</summary>
    public string Selected { get; init; } = "";

    /// <summary>What there is to say of the connection; empty for nothing.</summary>
    public string Notice { get; init; } = "";

    /// <summary>The jobs that are shown, in order.</summary>
    public IReadOnlyList<Job> Shown
    {
        get
        {
            var jobs = Jobs.Where(job => Only is null || job.State == Only);
            return Order switch
            {
                TopOrder.Name => [.. jobs.OrderBy(job => job.Name, StringComparer.Ordinal)],
                TopOrder.State => [.. jobs.OrderBy(job => job.State == JobState.Running ? -1 : Words.HasEnded(job.State) ? 100 : (int)job.State)],
                TopOrder.Speed => [.. jobs.OrderByDescending(job => job.State == JobState.Running ? job.LastMetrics?.TokensPerSecond ?? 0 : -1)],
                TopOrder.Progress => [.. jobs.OrderByDescending(job => job.TotalSteps == 0 ? 0 : (double)job.AppliedStep / job.TotalSteps)],
                _ => [.. jobs],
            };
        }
    }

    /// <summary>The state with the next order.</summary>
    public TopState NextOrder() => this with { Order = (TopOrder)(((int)Order + 1) % Enum.GetValues<TopOrder>().Length) };

    /// <summary>The state with the next filter: all, then each state.</summary>
    public TopState NextFilter() => this with { Only = Only switch { null => JobState.Queued, JobState.Cancelled => null, { } state => state + 1 } };

    /// <summary>The state with another job selected.</summary>
    /// <param name="by">How many further down.</param>
    public TopState Move(int by)
    {
        var shown = Shown;
        if (shown.Count == 0)
            return this with { Selected = "" };
        var at = shown.ToList().FindIndex(job => job.Id == Selected);
        return this with { Selected = shown[Math.Clamp(Math.Max(at, 0) + by, 0, shown.Count - 1)].Id };
    }
}
