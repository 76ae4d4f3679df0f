using Grpc.Core;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Microsoft.Data.Sqlite;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

public sealed class AuditTests
{
    private const string Jobs = "/linformer.v1.Jobs/";

    [Fact]
    public async Task Every_change_is_recorded_refused_ones_too_and_reads_are_not()
    {
        await using var coordinator = await SecureCoordinator.StartAsync();
        var made = await coordinator.CreateAsync("ada", Proto.Role.Submitter);
        var ada = SecureCoordinator.Bearer(made.Secret);
        var viewer = await coordinator.AsAsync("vic", Proto.Role.Viewer);
        var request = TestCoordinator.Request();
        request.Submitter = "somebody-else";
        var job = (await coordinator.Jobs.SubmitAsync(request, ada)).Job.Id;
        await coordinator.Jobs.SubmitAsync(request, ada);
        await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest(), ada);
        await Refused.With(StatusCode.PermissionDenied, async () => await coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = job }, viewer));
        await Refused.With(StatusCode.NotFound, async () => await coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = "no-such\njob" }, ada));
        await Refused.With(StatusCode.Unauthenticated, async () => await coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = job }));
        await Refused.With(StatusCode.Unauthenticated, async () => await coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = job }));
        await coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = "small" }, ada);
        await coordinator.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = made.Token.Id }, ada);

        var entries = await coordinator.AuditAsync();
        entries.Select(entry => (entry.User, entry.Role, entry.Method, entry.Target, entry.Outcome.Split(':')[0])).ShouldBe(
        [
            ("admin", "admin", "/linformer.v1.Tokens/Create", $"{made.Token.Id} of ada, submitter", "ok"),
            ("admin", "admin", "/linformer.v1.Tokens/Create", entries[1].Target, "ok"),
            ("ada", "submitter", Jobs + "Submit", job, "ok"),
            ("ada", "submitter", Jobs + "Submit", job + " (sent again)", "ok"),
            ("vic", "viewer", Jobs + "Cancel", job, "PERMISSION_DENIED"),
            ("ada", "submitter", Jobs + "Cancel", "no-such job", "NOT_FOUND"),
            ("", "", Jobs + "Cancel", "", "UNAUTHENTICATED"),
            ("ada", "submitter", Jobs + "Cancel", job, "ok"),
            ("ada", "submitter", "/linformer.v1.Tokens/Revoke", made.Token.Id, "ok"),
        ]);
        entries.ShouldAllBe(entry => entry.Peer == "127.0.0.1");
        entries[2].TokenId.ShouldBe(made.Token.Id);
        entries[0].TokenId.ShouldBe("user-token");
        entries.Select(entry => entry.Sequence).ShouldBeInOrder(SortDirection.Ascending);

        var page = await coordinator.Tokens.AuditAsync(new Proto.AuditRequest { PageSize = 2, User = "ada" }, coordinator.Admin);
        (page.Entries.Count, page.More).ShouldBe((2, true));
        var rest = await coordinator.Tokens.AuditAsync(new Proto.AuditRequest { PageSize = 100, User = "ada", After = page.Entries[^1].Sequence }, coordinator.Admin);
        (rest.Entries.Count, rest.More).ShouldBe((3, false));
    }

    [Fact]
    public async Task What_is_made_after_its_caller_has_gone_is_recorded_as_made()
    {
        await using var coordinator = await SecureCoordinator.StartAsync();
        var held = (await coordinator.Jobs.SubmitAsync(TestCoordinator.Request("held"), coordinator.Admin)).Job.Id;
        await GoneAsync(
            coordinator,
            "Submit",
            name => coordinator.Jobs.SubmitAsync(TestCoordinator.Request(name), coordinator.Admin),
            async name => (await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { NameContains = name }, coordinator.Admin)).Jobs.Count == 1);
        await GoneAsync(
            coordinator,
            "Cancel",
            _ => coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = held }, coordinator.Admin),
            async _ => (await coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = held }, coordinator.Admin)).Job.State == Proto.JobState.Cancelled);
    }

    // The caller goes while the database is held up, so that the change is made afterwards. How long the call takes to get so far is
    // not known, so a call that made nothing is followed by a more patient one; what was made and what is recorded have to agree.
    private static async Task GoneAsync<T>(SecureCoordinator coordinator, string method, Func<string, AsyncUnaryCall<T>> begin, Func<string, Task<bool>> isMadeAsync)
    {
        for (var wait = 100; ; wait *= 2)
        {
            wait.ShouldBeLessThan(3000, "no change was made after its caller had gone");
            var name = $"gone-{wait}";
            var before = (await coordinator.AuditAsync())[^1].Sequence;
            using (var database = new SqliteConnection($"Data Source={Path.Combine(coordinator.Coordinator.DataFolder, "coordinator", "linformer.db")};Pooling=False"))
            {
                database.Open();
                using var write = database.BeginTransaction();
                using (var call = begin(name))
                {
                    await Task.Delay(wait);
                }
                await Task.Delay(wait);
            }
            await Task.Delay(wait);
            if (!await isMadeAsync(name))
                continue;
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            Proto.AuditEntry? last;
            while ((last = (await coordinator.AuditAsync()).LastOrDefault(entry => entry.Sequence > before && entry.Method == Jobs + method)) is null)
                await Task.Delay(50, patience.Token);
            last.Outcome.ShouldBe("ok");
            return;
        }
    }

    [Fact]
    public async Task On_a_listener_that_asks_for_nothing_the_name_is_what_the_request_gives()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        var job = await coordinator.SubmitAsync();
        await coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = job.Id, Who = "bob" });
        var tokens = new Proto.Tokens.TokensClient(coordinator.Channel);
        var entries = (await tokens.AuditAsync(new Proto.AuditRequest())).Entries;
        entries.Select(entry => (entry.User, entry.Role, entry.TokenId)).ShouldBe([("local (ada)", "admin", ""), ("local (bob)", "admin", "")]);
        var who = await tokens.WhoAmIAsync(new Proto.WhoAmIRequest());
        (who.Role, who.TokenId).ShouldBe((Proto.Role.Admin, ""));
    }

    [Fact]
    public async Task A_flood_of_strangers_leaves_few_rows_and_their_number()
    {
        using var folder = new TemporaryFolder();
        await using (var first = await SecureCoordinator.StartAsync(folder))
        {
            await Task.WhenAll(Enumerable.Range(0, 500).Select(
                _ => Refused.With(StatusCode.Unauthenticated, async () => await first.Jobs.CancelAsync(new Proto.ChangeRequest { Job = "x" }))));
            (await first.AuditAsync()).Count.ShouldBe(20);
        }
        // The rest is counted in a row at the minute's end, or at the coordinator's.
        await using var second = await SecureCoordinator.StartAsync(folder);
        var entries = await second.AuditAsync();
        entries.Count.ShouldBe(21);
        entries[^1].Outcome.ShouldBe("UNAUTHENTICATED: 480 more calls were refused within a minute");
        entries[^1].Peer.ShouldBe("127.0.0.1");
    }

    [Fact]
    public async Task Refusals_of_a_user_leave_few_rows_with_what_was_asked_for_and_their_number()
    {
        using var folder = new TemporaryFolder();
        await using (var first = await SecureCoordinator.StartAsync(folder, options => options with { Limits = new UserLimits { CallsPerSecond = 0 } }))
        {
            var viewer = await first.AsAsync("vic", Proto.Role.Viewer);
            for (var i = 0; i < 100; i++)
            {
                await Refused.With(StatusCode.PermissionDenied, async () => await first.Jobs.CancelAsync(new Proto.ChangeRequest { Job = $"job-{i}" }, viewer));
                await Refused.With(StatusCode.NotFound, async () => await first.Tokens.RevokeAsync(new Proto.RevokeTokenRequest { Id = "abcdefgh" }, viewer));
            }
            var rows = (await first.AuditAsync()).Where(entry => entry.User == "vic").ToList();
            rows.Count.ShouldBe(20);
            (rows[0].Target, rows[1].Target).ShouldBe(("job-0", "abcdefgh"));
        }
        await using var second = await SecureCoordinator.StartAsync(folder);
        var last = (await second.AuditAsync())[^1];
        (last.User, last.Role).ShouldBe(("vic", "viewer"));
        last.Outcome.ShouldContain("180 more calls were refused");
    }

    [Fact]
    public async Task Workers_that_join_and_those_that_are_refused_are_recorded()
    {
        await using var coordinator = await SecureCoordinator.StartAsync();
        using (var agent = new FakeAgent(coordinator.Coordinator))
        {
            await agent.JoinAsync("w7");
        }
        using (var wrong = new FakeAgent(coordinator.Coordinator, "wrong-token-of-some-length"))
        {
            await Refused.With(StatusCode.Unauthenticated, wrong.ReadAsync);
        }
        using (var nameless = new FakeAgent(coordinator.Coordinator))
        {
            await nameless.SendAsync(FakeAgent.Hello("No Label"));
            await Refused.With(StatusCode.InvalidArgument, nameless.ReadAsync);
        }
        (await coordinator.AuditAsync()).Select(entry => (entry.Role, entry.TokenId, entry.Method, entry.Target, entry.Outcome.Split(':')[0])).ShouldBe(
        [
            ("worker", "join-token", "/linformer.v1.Agents/Connect", "w7", "ok"),
            ("", "", "/linformer.v1.Agents/Connect", "", "UNAUTHENTICATED"),
            ("worker", "join-token", "/linformer.v1.Agents/Connect", "", "INVALID_ARGUMENT"),
        ]);
    }

    [Fact]
    public async Task A_change_that_cannot_be_recorded_is_not_answered_with_success_and_reads_go_on()
    {
        await using var coordinator = await SecureCoordinator.StartAsync();
        SqliteDatabaseTests.Run(Path.Combine(coordinator.Coordinator.DataFolder, "coordinator", "linformer.db"), "DROP TABLE audit");
        var refusal = await Refused.With(StatusCode.Unavailable, async () => await coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), coordinator.Admin));
        refusal.Status.Detail.ShouldContain("audit log");
        (await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest(), coordinator.Admin)).Jobs.Count.ShouldBe(1);
        await Refused.With(StatusCode.Unauthenticated, async () => await coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = "x" }));
    }

    [Fact]
    public async Task Pages_have_bounds()
    {
        await using var coordinator = await SecureCoordinator.StartAsync();
        Proto.AuditRequest[] wrong = [new() { PageSize = -1 }, new() { PageSize = 1001 }, new() { After = -1 }, new() { After = 1, Newest = true }, new() { User = new string('u', 300) }];
        foreach (var request in wrong)
            await Refused.With(StatusCode.InvalidArgument, async () => await coordinator.Tokens.AuditAsync(request, coordinator.Admin));
    }
}
