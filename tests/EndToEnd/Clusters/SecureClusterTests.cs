using System.Net;
using System.Text.Json;

namespace EndToEnd.Clusters;

/// <summary>What a platform team installs: TLS, PostgreSQL, a second coordinator, people with tokens; and what may happen to it.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class SecureClusterTests : IDisposable
{
    private const int Steps = 1000;

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

        var first = await SubmitAsync(cluster, "ann", "first");
        var second = await SubmitAsync(cluster, "bob", "second");
        await WaitForStepAsync(cluster, first, 20);
        await WaitForStepAsync(cluster, second, 20);
        await CheckWhoMayWhatAsync(cluster, first);

        (await cluster.HealthAsync(0, "/readyz")).ShouldBe(HttpStatusCode.OK);
        (await cluster.HealthAsync(1, "/readyz")).ShouldBe(HttpStatusCode.ServiceUnavailable);
        cluster.KillCoordinator(0);
        await Cluster.UntilAsync(async () => await cluster.HealthAsync(1, "/readyz") == HttpStatusCode.OK, "the second coordinator serves");
        await WaitForStepAsync(cluster, first, 80);
        cluster.Destroy(2);

        foreach (var (user, job) in new[] { ("ann", first), ("bob", second) })
        {
            await Cluster.UntilAsync(async () => await StateAsync(cluster, "vera", job) is "succeeded" or "failed", $"{job} has ended");
            (await StateAsync(cluster, "vera", job)).ShouldBe("succeeded", string.Join("\n", cluster.Output()));
            (await cluster.SqlAsync<long>($"SELECT count(DISTINCT step) FROM metrics WHERE job_id = '{job}'")).ShouldBe(Steps);
            (await ShowAsync(cluster, user, job)).GetProperty("job").GetProperty("submitter").GetString().ShouldBe($"person:{user}");
        }

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

    private async Task<string> SubmitAsync(SecureCluster cluster, string user, string name) =>
        (await cluster.JsonAsync(user, "submit", _workspace.Job(name, Steps, ranks: "{ min: 1, max: 3 }"))).GetProperty("job").GetProperty("id").GetString()!;

    private static Task<JsonElement> ShowAsync(SecureCluster cluster, string user, string job) => cluster.JsonAsync(user, "show", job);

    private static async Task<string> StateAsync(SecureCluster cluster, string user, string job) =>
        (await ShowAsync(cluster, user, job)).GetProperty("job").GetProperty("state").GetString()!;

    private static Task WaitForStepAsync(SecureCluster cluster, string job, long step) => Cluster.UntilAsync(
        async () => Cluster.Number((await ShowAsync(cluster, "vera", job)).GetProperty("job").GetProperty("committedStep")) >= step, $"{job} is at step {step}");
}
