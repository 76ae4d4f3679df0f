using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class SqliteAccessStoreTests() : AccessStoreTests(null);

[Collection(PostgresFixture.Collection)]
public sealed class PostgresAccessStoreTests(PostgresFixture postgres) : AccessStoreTests(postgres);

/// <summary>What the tables of tokens, of the audit log and of users' jobs promise, on every kind of database.</summary>
public abstract class AccessStoreTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;

    private ITestDatabase _home = null!;
    private CoordinatorDatabase _database = null!;
    private DatabaseTokenStore _tokens = null!;
    private DatabaseAuditStore _audit = null!;

    public async Task InitializeAsync()
    {
        _home = await TestDatabases.CreateAsync(postgres);
        _database = await _home.OpenAsync();
        _tokens = new DatabaseTokenStore(_database);
        _audit = new DatabaseAuditStore(_database);
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        await _home.DisposeAsync();
    }

    [SkippableFact]
    public async Task Tokens_are_found_listed_and_ended()
    {
        await _tokens.AddAsync(Token("aaaaaaaa", "ada", 0), "00", None);
        await _tokens.AddAsync(Token("bbbbbbbb", "bob", 1), "01", None);
        await _tokens.AddAsync(Token("cccccccc", "ada", 2), "02", None);
        (await _tokens.FindAsync("bbbbbbbb", None)).ShouldBe(Token("bbbbbbbb", "bob", 1));
        (await _tokens.FindAsync("dddddddd", None)).ShouldBeNull();
        (await IdsAsync("", null)).ShouldBe(["aaaaaaaa", "bbbbbbbb", "cccccccc"]);
        (await IdsAsync("ada", null)).ShouldBe(["aaaaaaaa", "cccccccc"]);
        (await IdsAsync("", null, maximum: 2)).ShouldBe(["bbbbbbbb", "cccccccc"]);

        var revoked = await _tokens.RevokeAsync("aaaaaaaa", Some.Noon.AddDays(1), None);
        revoked.ShouldBe(Token("aaaaaaaa", "ada", 0) with { RevokedAt = Some.Noon.AddDays(1) });
        (await _tokens.RevokeAsync("aaaaaaaa", Some.Noon.AddDays(2), None)).ShouldBe(revoked);
        (await _tokens.RevokeAsync("dddddddd", Some.Noon, None)).ShouldBeNull();
        (await IdsAsync("", Some.Noon.AddDays(1))).ShouldBe(["bbbbbbbb", "cccccccc"]);
        // The second expires at the end of its tenth day.
        (await IdsAsync("", Token("bbbbbbbb", "bob", 1).ExpiresAt)).ShouldBe(["cccccccc"]);
        (await _tokens.HoldingAsync(Some.Noon.AddDays(1), None)).Select(held => (held.Token.Id, held.Hash)).Order().ShouldBe([("bbbbbbbb", "01"), ("cccccccc", "02")]);
    }

    [SkippableFact]
    public async Task An_id_has_one_token_and_the_same_one_may_come_twice()
    {
        await _tokens.AddAsync(Token("aaaaaaaa", "ada", 0), "00", None);
        await _tokens.AddAsync(Token("aaaaaaaa", "ada", 0), "00", None);
        await Should.ThrowAsync<TokenIdTakenException>(() => _tokens.AddAsync(Token("aaaaaaaa", "bob", 1), "01", None));
        (await _tokens.FindAsync("aaaaaaaa", None))!.User.ShouldBe("ada");
    }

    [SkippableFact]
    public async Task The_audit_log_is_read_by_pages()
    {
        for (var i = 0; i < 10; i++)
            await _audit.AppendAsync(Row(i % 2 == 0 ? "ada" : "bob", $"target-{i}"), None);
        var all = await _audit.ReadAfterAsync(0, "", 100, None);
        all.Select(row => row.Target).ShouldBe(Enumerable.Range(0, 10).Select(i => $"target-{i}"));
        all.Select(row => row.Sequence).ShouldBeInOrder(SortDirection.Ascending);
        all[3].ShouldBe(Row("bob", "target-3") with { Sequence = all[3].Sequence });
        (await _audit.ReadAfterAsync(all[3].Sequence, "", 2, None)).Select(row => row.Target).ShouldBe(["target-4", "target-5"]);
        (await _audit.ReadAfterAsync(all[3].Sequence, "bob", 2, None)).Select(row => row.Target).ShouldBe(["target-5", "target-7"]);
        (await _audit.NewestAsync("", 2, None)).Select(row => row.Target).ShouldBe(["target-8", "target-9"]);
        (await _audit.NewestAsync("ada", 2, None)).Select(row => row.Target).ShouldBe(["target-6", "target-8"]);
    }

    [SkippableFact]
    public async Task The_audit_log_is_neither_changed_nor_shortened()
    {
        await _audit.AppendAsync(Row("ada", "job"), None);
        foreach (var sql in (string[])["UPDATE audit SET user_name = 'bob'", "DELETE FROM audit"])
            (await Should.ThrowAsync<Exception>(() => _home.SqlAsync(sql))).Message.ShouldContain("the audit log is");
        (await _audit.ReadAfterAsync(0, "", 10, None)).ShouldHaveSingleItem().User.ShouldBe("ada");
    }

    [SkippableFact]
    public async Task Submissions_at_once_do_not_exceed_what_a_submitter_may_have()
    {
        var jobs = new DatabaseJobStore(_database);
        var results = await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            try
            {
                await jobs.RecordSubmissionAsync($"key-{i}", "sha", Some.Submission($"job-{i:d5}"), 7, None);
                return true;
            }
            catch (TooManyJobsException)
            {
                return false;
            }
        }));
        results.Count(taken => taken).ShouldBe(7);
        var first = (await jobs.UnfinishedAsync(None))[0];
        // A key that is known is found all the same; another submitter has jobs of its own; one that has ended does not count.
        var other = Some.Submission("other-aaaaa") with { Submitter = "person:" + Guid.NewGuid() };
        await jobs.RecordSubmissionAsync("other", "sha", other, 1, None);
        await Should.ThrowAsync<TooManyJobsException>(() => jobs.RecordSubmissionAsync("more", "sha", Some.Submission("more-aaaaa"), 7, None));
        await jobs.SaveAsync((await jobs.FindAsync(first.JobId, None))!.View with { Phase = JobPhase.Cancelled, Revision = 1 }, None);
        await jobs.RecordSubmissionAsync("more", "sha", Some.Submission("more-aaaaa"), 7, None);
        (await jobs.RecordSubmissionAsync("more", "sha", Some.Submission("again-aaaaa"), 7, None)).Existed.ShouldBeTrue();
    }

    private async Task<IEnumerable<string>> IdsAsync(string user, DateTimeOffset? at, int maximum = 100) =>
        (await _tokens.ListAsync(user, at, maximum, None)).Select(token => token.Id);

    private static TokenRow Token(string id, string user, int day) =>
        new(id, user, Role.Submitter, "a note", "admin", Some.Noon.AddDays(day), Some.Noon.AddDays(day + 10), RevokedAt: null);

    private static AuditRow Row(string user, string target) =>
        new(0, Some.Noon, user, "submitter", "aaaaaaaa", "192.0.2.7", "/linformer.v1.Jobs/Cancel", target, "ok");
}
