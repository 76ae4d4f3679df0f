using Grpc.Core;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Postgres;
using Linformer.Coordinator.Tests.Services;
using Linformer.Protocol.V1;
using Tests.Shared;

namespace Linformer.Coordinator.Tests.Storage;

/// <summary>A whole coordinator on PostgreSQL.</summary>
[Collection(PostgresFixture.Collection)]
public sealed class PostgresCoordinatorTests(PostgresFixture postgres)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [SkippableFact]
    public async Task Jobs_are_there_after_a_restart_and_the_folders_hold_no_database()
    {
        await using var home = await PostgresTestDatabase.CreateAsync(postgres);
        using var folder = new TemporaryFolder();
        using var own = new TemporaryFolder();
        string id;
        await using (var first = await StartAsync(home, folder, own))
            id = (await first.SubmitAsync()).Id;
        await using var second = await StartAsync(home, folder, own);
        second.Host.Epoch.ShouldBe(2);
        (await second.Jobs.ShowAsync(new ShowJobRequest { Job = id })).History[0].What.ShouldBe("submitted");
        Directory.GetFiles(own.Path).Select(Path.GetFileName).Order().ShouldBe(["join-token", "user-token"]);
        Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName).ShouldBe(["storage-id"]);
    }

    [SkippableFact]
    public async Task Calls_are_refused_with_the_reason_while_the_server_is_away_and_served_again_when_it_is_back()
    {
        await using var server = await PostgresServer.StartAsync();
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with { Database = PostgresAddress.Parse(server.Uri("postgres")) });
        var id = (await coordinator.SubmitAsync()).Id;
        await server.StopAsync();
        (await Refused.With(StatusCode.Unavailable, () => coordinator.Jobs.ListAsync(new ListJobsRequest()).ResponseAsync)).Status.Detail.ShouldContain("does not answer");
        (await Refused.With(StatusCode.Unavailable, () => coordinator.SubmitAsync("other"))).Status.Detail.ShouldContain("does not answer");
        await server.StartAgainAsync();
        (await coordinator.SubmitAsync("third")).State.ShouldBe(JobState.Queued);
        (await coordinator.Jobs.ListAsync(new ListJobsRequest())).Jobs.Select(job => job.Name).ShouldBe(["third", "small"]);
        (await coordinator.Jobs.ShowAsync(new ShowJobRequest { Job = id })).Job.Id.ShouldBe(id);
    }

    [SkippableFact]
    public async Task Tokens_and_the_audit_log_are_those_of_the_coordinator_before()
    {
        await using var home = await PostgresTestDatabase.CreateAsync(postgres);
        using var folder = new TemporaryFolder();
        using var own = new TemporaryFolder();
        CreateTokenResponse kept, revoked;
        await using (var first = await StartAsync(home, folder, own))
        {
            var tokens = new Tokens.TokensClient(first.Channel);
            kept = await tokens.CreateAsync(new CreateTokenRequest { User = "ada", Role = Role.Viewer });
            revoked = await tokens.CreateAsync(new CreateTokenRequest { User = "bob", Role = Role.Viewer });
            await tokens.RevokeAsync(new RevokeTokenRequest { Id = revoked.Token.Id });
        }
        await using var second = await StartAsync(home, folder, own);
        var client = new Tokens.TokensClient(second.Channel);
        (await client.WhoAmIAsync(new WhoAmIRequest(), Bearer(kept.Secret))).User.ShouldBe("ada");
        await Refused.With(StatusCode.Unauthenticated, async () => await client.WhoAmIAsync(new WhoAmIRequest(), Bearer(revoked.Secret)));
        (await client.AuditAsync(new AuditRequest())).Entries.Select(entry => entry.Method.Split('/')[^1]).ShouldBe(["Create", "Create", "Revoke"]);

        static Metadata Bearer(string token) => new() { { "authorization", "Bearer " + token } };
    }

    [SkippableFact]
    public async Task One_whose_lease_is_taken_serves_no_more_and_says_why()
    {
        await using var home = await PostgresTestDatabase.CreateAsync(postgres);
        using var folder = new TemporaryFolder();
        await using var first = await StartAsync(home, folder, folder);
        var ended = first.Host.WaitForShutdownAsync(CancellationToken.None);
        await using var second = await home.SeizeAsync();
        (await Should.ThrowAsync<FencedException>(() => ended.WaitAsync(Limit))).Message.ShouldContain("epoch 2");
    }

    private static Task<TestCoordinator> StartAsync(PostgresTestDatabase home, TemporaryFolder folder, TemporaryFolder own) =>
        TestCoordinator.StartAsync(folder, options => options with { Database = home.Options.Address, CoordinatorFolder = own.Path });
}
