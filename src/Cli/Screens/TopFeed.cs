using Linformer.Cli.Cluster;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Screens;

/// <summary>Asks the coordinator for what the screen of a cluster shows.</summary>
/// <param name="client">The connection.</param>
internal sealed class TopFeed(CoordinatorClient client)
{
    private const int MostJobs = 200;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, StepRate> _rates = [];

    /// <summary>The state with what the coordinator says now.</summary>
    /// <param name="state">The state before.</param>
    /// <param name="cancellation">Ends it early.</param>
    public async Task<TopState> ReadAsync(TopState state, CancellationToken cancellation)
    {
        var request = new ListJobsRequest { PageSize = MostJobs, LossLinePoints = TopLayout.LossCells };
        if (state.Only is { } only)
            request.States.Add(only);
        var summary = client.Cluster.SummaryAsync(new SummaryRequest(), client.Call(Deadline, cancellation));
        var workers = client.Workers.ListAsync(new ListWorkersRequest(), client.Call(Deadline, cancellation));
        var jobs = await client.Jobs.ListAsync(request, client.Call(Deadline, cancellation));
        return state with
        {
            Summary = await summary,
            Workers = [.. (await workers).Workers.OrderBy(worker => worker.Name, StringComparer.Ordinal)],
            Jobs = [.. jobs.Jobs],
            Left = Left(jobs.Jobs),
            Notice = "",
        };
    }

    // Before steps were seen to come, by all of the time since the job was started.
    private Dictionary<string, TimeSpan> Left(IEnumerable<Job> jobs)
    {
        var left = new Dictionary<string, TimeSpan>();
        foreach (var job in jobs.Where(job => job.State == JobState.Running))
        {
            if (!_rates.TryGetValue(job.Id, out var rate))
                _rates[job.Id] = rate = new StepRate(TimeProvider.System);
            rate.Take(job.Lineage, job.Generation, job.AppliedStep);
            if ((rate.Left(job.TotalSteps) ?? ByAll(job)) is { } time)
                left[job.Id] = time;
        }

        return left;
    }

    private static TimeSpan? ByAll(Job job) => job is { AppliedStep: > 0, StartedAt: not null }
        ? (DateTime.UtcNow - job.StartedAt.ToDateTime()) / job.AppliedStep * (job.TotalSteps - job.AppliedStep)
        : null;
}
