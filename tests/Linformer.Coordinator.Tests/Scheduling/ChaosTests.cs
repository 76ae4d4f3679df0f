using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Coordinator.Workers;

namespace Linformer.Coordinator.Tests.Scheduling;

/// <summary>Workers that vanish, come back as others, leave and fail, and a coordinator that is restarted in between.</summary>
public sealed class ChaosTests : IDisposable
{
    private const double Lease = 0.5;
    private static readonly string[] Names = ["w1", "w2", "w3"];

    private readonly TemporaryFolder _folder = new();
    private readonly Random _random = new(7);
    private readonly Dictionary<string, TestAgent> _agents = [];
    private readonly List<TestAgent> _past = [];
    private int _instances;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Whatever_happens_no_slot_has_two_ranks_no_member_starts_twice_and_every_job_ends()
    {
        var jobs = Enumerable.Range(1, 5).Select(i => $"j{i}").ToList();
        for (var coordinator = 0; coordinator < 2; coordinator++)
        {
            await using var cluster = await TestCluster.StartAsync(_folder.Path, Lease);
            foreach (var job in coordinator == 0 ? jobs : [])
                await cluster.SubmitAsync(job, min: _random.Next(1, 3), max: 3);
            for (var i = 0; i < 40; i++)
                await DisturbAsync(cluster, jobs);
            await StopAsync();
        }

        await using var last = await TestCluster.StartAsync(_folder.Path, Lease);
        foreach (var name in Names)
            await ConnectAsync(last, name);
        foreach (var job in jobs)
            await FinishAsync(last, job);
        await StopAsync();

        _past.SelectMany(agent => agent.Violations).ShouldBeEmpty();
        // A member starts at most once, wherever it was.
        _past.SelectMany(agent => agent.Started).ShouldBeUnique();
        foreach (var job in jobs)
            (await last.History.ReadAfterAsync(job, 0, 1000, default)).Select(entry => entry.Generation).ShouldBeInOrder();
    }

    private async Task DisturbAsync(TestCluster cluster, List<string> jobs)
    {
        var name = Names[_random.Next(Names.Length)];
        var job = cluster.Job(jobs[_random.Next(jobs.Count)]);
        if (!_agents.TryGetValue(name, out var agent))
        {
            await ConnectAsync(cluster, name);
            return;
        }
        switch (_random.Next(8))
        {
            case 0:
                _agents.Remove(name);
                await agent.DisposeAsync();
                break;
            case 1:
                await agent.DrainAsync();
                break;
            case 2:
                await agent.EndAnyAsync(_random, MemberCondition.Failed);
                break;
            case 3:
                await WishAsync(() => job.Pause(Some.Ada, default));
                break;
            case 4:
                await WishAsync(() => job.Resume(Some.Ada, default));
                break;
            default:
                await Task.Delay(_random.Next(60), CancellationToken.None);
                break;
        }
    }

    private async Task ConnectAsync(TestCluster cluster, string name)
    {
        try
        {
            var agent = await TestAgent.ConnectAsync(cluster, name, slots: 2, instance: $"i{_instances++}");
            _agents[name] = agent;
            _past.Add(agent);
        }
        catch (WorkerRefusedException)
        {
            await Task.Delay(TimeSpan.FromSeconds(Lease / 4), CancellationToken.None);
        }
    }

    private async Task FinishAsync(TestCluster cluster, string job)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while ((await cluster.Job(job).Get(default))! is { HasEnded: false } view)
        {
            patience.IsCancellationRequested.ShouldBeFalse($"job {job} stays {view.Phase}: {view.Reason}");
            foreach (var name in Names.Where(name => !_agents.ContainsKey(name)))
                await ConnectAsync(cluster, name);
            if (view.Phase == JobPhase.Paused)
                await WishAsync(() => cluster.Job(job).Resume(Some.Ada, default));
            foreach (var agent in _agents.Values)
                await agent.ChangeAsync(job, member => member.Condition == MemberCondition.Training ? member with { Condition = MemberCondition.Finished, Summary = "{}" } : member);
            await Task.Delay(20, CancellationToken.None);
        }
    }

    private async Task StopAsync()
    {
        foreach (var agent in _agents.Values)
            await agent.DisposeAsync();
        _agents.Clear();
    }

    private static async Task WishAsync(Func<Task> wish)
    {
        try
        {
            await wish();
        }
        catch (JobChangeException)
        {
            // A wish that does not fit the state is refused.
        }
    }
}
