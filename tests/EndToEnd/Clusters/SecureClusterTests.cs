using System.Net;
using System.Text.Json;

namespace EndToEnd.Clusters;

/// <summary>What a platform team installs: TLS, PostgreSQL, a second coordinator, people with tokens; and what may happen to it.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class SecureClusterTests : IDisposable
{
    private const int Endless = 1_000_000;
    private const int Few = 50;

    private readonly Workspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [SkippableFact]
    public async Task Two_users_jobs_survive_a_coordinator_and_a_machine_and_each_belongs_to_its_user()
    {
        await using var cluster = await SecureCluster.StartAsync(_workspace);
        foreach (var (user, role) in new[] { ("ann", "submitter"), ("bob", "submitter"), ("vera", "viewer") })
        {
            await cluster.AddUserAsync(user, role);
        }

        // They have every slot, so that each machine has ranks of at least one of them; and they last as long as somebody lets them.
        var first = await SubmitAsync(cluster, "ann", "first", Endless);
        var second = await SubmitAsync(cluster, "bob", "second", Endless);
        string[] jobs = [first, second];
        await WaitForMoreStepsAsync(cluster, jobs, 20);
        await CheckWhoMayWhatAsync(cluster, first);

        (await cluster.HealthAsync(0, "/readyz")).ShouldBe(HttpStatusCode.OK);
        (await cluster.HealthAsync(1, "/readyz")).ShouldBe(HttpStatusCode.ServiceUnavailable);
        cluster.KillCoordinator(0);
        await Cluster.UntilAsync(async () => await cluster.HealthAsync(1, "/readyz") == HttpStatusCode.OK, "the second coordinator serves");
        await WaitForMoreStepsAsync(cluster, jobs, 40);

        var generations = await GenerationsAsync(cluster, jobs);
        cluster.Destroy(2);
        await Cluster.UntilAsync(async () => await GenerationsAsync(cluster, jobs) > generations, "a job goes on without the ranks of the lost machine");
        await WaitForMoreStepsAsync(cluster, jobs, 40);

        foreach (var (user, job) in new[] { ("ann", first), ("bob", second) })
        {
            (await StateAsync(cluster, "vera", job)).ShouldBe("running", string.Join("\n", cluster.Output()));
            var ended = await cluster.RunAsync(user, "cancel", job);
            ended.ExitCode.ShouldBe(0, ended.Error);
            (await StateAsync(cluster, "vera", job)).ShouldBe("cancelled");
            await CheckStepsAsync(cluster, job, atLeast: 100);
            (await ShowAsync(cluster, user, job)).GetProperty("job").GetProperty("submitter").GetString().ShouldBe($"person:{user}");
        }

        var last = await SubmitAsync(cluster, "bob", "last", Few);
        await Cluster.UntilAsync(async () => await cluster.SqlAsync<int>($"SELECT ended FROM jobs WHERE job_id = '{last}'") != 0, "the last job has ended");
        (await StateAsync(cluster, "vera", last)).ShouldBe("succeeded", string.Join("\n", cluster.Output()));
        (await CheckStepsAsync(cluster, last, atLeast: Few)).ShouldBe(Few);

        await CheckSecretsAsync(cluster);
    }

    private static async Task CheckWhoMayWhatAsync(SecureCluster cluster, string annsJob)
    {
        var bob = await cluster.RunAsync("bob", "cancel", annsJob);
        bob.ExitCode.ShouldNotBe(0);
        bob.Error.ShouldContain("ann");
        (await cluster.RunAsync("vera", "cancel", annsJob)).ExitCode.ShouldNotBe(0);
        (await cluster.RunAsync("ann", "drain", "w0")).ExitCode.ShouldNotBe(0);
        (await cluster.RunAsync("bob", "tokens", "create", "mallory", "--role", "admin")).ExitCode.ShouldNotBe(0);
        (await cluster.RunAsync(user: null, "jobs")).Error.ShouldContain("token");
        (await StateAsync(cluster, "vera", annsJob)).ShouldBe("running");

        using var plain = cluster.Client("ann", "jobs", "--coordinator", SecureCluster.Coordinators.Replace("https://", "http://", StringComparison.Ordinal));
        (await plain.WaitAsync()).ExitCode.ShouldNotBe(0);
        using var untrusting = cluster.Client("ann", "jobs", "--coordinator", SecureCluster.Coordinators);
        var refused = await untrusting.WaitAsync();
        refused.ExitCode.ShouldNotBe(0);
        refused.Error.ShouldContain("certificate");

        var audit = await cluster.RunAsync("admin", "audit");
        audit.ExitCode.ShouldBe(0, audit.Error);
        audit.Output.Split('\n').ShouldContain(line => line.Contains("bob") && line.Contains("Cancel") && line.Contains(annsJob));
        (await cluster.RunAsync("bob", "audit")).ExitCode.ShouldNotBe(0);
    }

    private static async Task CheckSecretsAsync(SecureCluster cluster)
    {
        var written = string.Join('\n', [.. cluster.Output(), await cluster.DumpAsync()]);
        written.ShouldContain("ann");
        foreach (var secret in cluster.Secrets)
        {
            written.Contains(secret, StringComparison.Ordinal).ShouldBeFalse("a secret is in a log or in the database");
        }
    }

    private async Task<string> SubmitAsync(SecureCluster cluster, string user, string name, int steps) =>
        (await cluster.JsonAsync(user, "submit", _workspace.Job(name, steps, ranks: "{ min: 1, max: 3 }"))).GetProperty("job").GetProperty("id").GetString()!;

    private static Task<JsonElement> ShowAsync(SecureCluster cluster, string user, string job) => cluster.JsonAsync(user, "show", job);

    private static async Task<string> StateAsync(SecureCluster cluster, string user, string job) =>
        (await ShowAsync(cluster, user, job)).GetProperty("job").GetProperty("state").GetString()!;

    // What is recorded of the job's progress, without asking a coordinator.
    private static Task<long> NumberAsync(SecureCluster cluster, string job, string column) =>
        cluster.SqlAsync<long>($"SELECT coalesce((SELECT {column} FROM progress WHERE job_id = '{job}'), 0)::bigint");

    private static async Task<long> GenerationsAsync(SecureCluster cluster, string[] jobs) =>
        (await Task.WhenAll(jobs.Select(job => NumberAsync(cluster, job, "generation")))).Sum();

    // Waits until each of them has taken so many steps from now on.
    private static async Task WaitForMoreStepsAsync(SecureCluster cluster, string[] jobs, long more)
    {
        foreach (var job in jobs)
        {
            var step = await NumberAsync(cluster, job, "committed_step") + more;
            await Cluster.UntilAsync(async () => await NumberAsync(cluster, job, "committed_step") >= step, $"{job} is at step {step}");
        }
    }

    // How many steps are recorded: none up to the last one is missing.
    private static async Task<long> CheckStepsAsync(SecureCluster cluster, string job, long atLeast)
    {
        (await cluster.SqlAsync<long>($"SELECT max(step) - count(DISTINCT step) FROM metrics WHERE job_id = '{job}'")).ShouldBe(0, job);
        var steps = await cluster.SqlAsync<long>($"SELECT count(DISTINCT step) FROM metrics WHERE job_id = '{job}'");
        steps.ShouldBeGreaterThanOrEqualTo(atLeast, job);
        return steps;
    }
}
