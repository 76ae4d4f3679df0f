using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Microsoft.Data.Sqlite;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class CoordinatorDatabaseTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_epoch_goes_up_with_each_start()
    {
        for (var epoch = 1; epoch <= 3; epoch++)
        {
            await using var database = Open();
            database.Epoch.ShouldBe(epoch);
        }
    }

    [Fact]
    public async Task A_second_coordinator_is_refused_and_told_who_has_the_folder()
    {
        await using var first = Open();
        var refusal = Should.Throw<FolderInUseException>(Open);
        refusal.Message.ShouldContain(_folder.Path);
        refusal.Message.ShouldContain($"process {Environment.ProcessId} ");
        // The first goes on.
        await Roster(first).AddWorkerAsync("w1", CancellationToken.None);
    }

    [Fact]
    public async Task A_coordinator_whose_lease_was_taken_writes_nothing_more()
    {
        await using var first = Open();
        await Roster(first).AddWorkerAsync("before", CancellationToken.None);
        // As on a storage that does not keep locks.
        File.Delete(_folder.File("lock"));
        await using var second = Open();
        second.Epoch.ShouldBe(2);

        var fenced = await Should.ThrowAsync<FencedException>(() => Roster(first).AddWorkerAsync("after", CancellationToken.None));
        fenced.Message.ShouldContain("epoch 2");
        first.Fenced.WaitHandle.WaitOne(TimeSpan.FromSeconds(20)).ShouldBeTrue();
        second.Fenced.IsCancellationRequested.ShouldBeFalse();
        (await Roster(second).WorkersAsync(CancellationToken.None)).ShouldBe(["before"]);
    }

    [Fact]
    public async Task A_newer_schema_is_refused()
    {
        await using (Open())
        {
        }
        Sql($"INSERT INTO schema_version VALUES (99, 'later')");
        var refusal = Should.Throw<StorageException>(Open);
        refusal.Message.ShouldContain("version 99");
        refusal.Message.ShouldContain(_folder.Path);
        // The refused start has left the lock.
        Sql($"DELETE FROM schema_version WHERE version = 99");
        await using var database = Open();
        database.Epoch.ShouldBe(2);
    }

    [Fact]
    public async Task A_database_of_the_first_release_is_brought_up_to_date_with_all_that_is_in_it()
    {
        Sql($"{File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Storage", "version-1.sql"))}");
        await using var database = Open();
        database.Epoch.ShouldBe(8);
        var telemetry = new SqliteTelemetryStore(database);
        (await telemetry.ProgressAsync("a-aaaaa", default)).CommittedStep.ShouldBe(12);
        (await telemetry.MetricsAfterAsync("a-aaaaa", 0, 10, default)).Select(point => (point.Generation, point.Step)).ShouldBe([(1, 9), (1, 10), (2, 11), (2, 12)]);
        var lines = await telemetry.LogsAfterAsync("a-aaaaa", null, 0, 10, default);
        lines.Select(line => (line.Sequence, line.Generation, line.Rank, line.Text)).ShouldBe([(1, 1, 0, "first"), (2, 1, 1, "second"), (4, 2, 0, "third")]);

        // The processes of then are not those of now.
        LogRow[] more = [.. Enumerable.Range(1, 3).Select(member => new LogRow(0, member, 3, member - 1, 1, Noon, "w1", $"member {member}"))];
        await telemetry.RecordAsync([new TelemetryBatch("a-aaaaa", "w1", [], more, [], [])], default);
        lines = await telemetry.LogsAfterAsync("a-aaaaa", null, 0, 10, default);
        lines.Select(line => line.Text).ShouldBe(["first", "second", "third", "member 1", "member 2", "member 3"]);
        lines.Select(line => line.Member).Distinct().Count().ShouldBe(6);
        (await new SqliteJobStore(database).UnfinishedAsync(default)).ShouldHaveSingleItem().JobId.ShouldBe("a-aaaaa");
        (await Roster(database).CorporaAsync(default)).ShouldBe(["c0"]);
    }

    [Theory]
    [InlineData("not a database at all, but long enough for a header and then some more text after it")]
    [InlineData("SQLite format 3\0 with rubbish after the magic, which goes on and on and on until it is longer than a header of 100 bytes")]
    public void A_damaged_file_is_refused(string content)
    {
        File.WriteAllText(_folder.File(CoordinatorDatabase.FileName), content);
        var refusal = Should.Throw<StorageException>(Open);
        refusal.Message.ShouldContain(_folder.File(CoordinatorDatabase.FileName));
        refusal.Message.ShouldContain("damaged");
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_refused()
    {
        File.WriteAllText(_folder.File("file"), "");
        var path = _folder.File("file/coordinator");
        Should.Throw<StorageException>(() => CoordinatorDatabase.Open(new CoordinatorDatabaseOptions(path))).Message.ShouldContain(path);
    }

    [Fact]
    public async Task A_full_disk_refuses_what_does_not_fit_and_loses_nothing_else()
    {
        await using var database = Open(maximumBytes: 512 << 10);
        var jobs = new SqliteJobStore(database);
        await jobs.RecordSubmissionAsync("key-one", "sha", Submission("one-aaaaa"), CancellationToken.None);

        // Together, so that they meet in one transaction.
        var large = jobs.RecordSubmissionAsync("key-two", "sha", Submission("two-aaaaa", new string('x', 1 << 20)), CancellationToken.None);
        var small = jobs.RecordSubmissionAsync("key-three", "sha", Submission("three-aaaaa"), CancellationToken.None);
        (await Should.ThrowAsync<StorageException>(large)).Message.ShouldContain("no room left");
        await small;

        (await jobs.UnfinishedAsync(CancellationToken.None)).Select(job => job.JobId).ShouldBe(["one-aaaaa", "three-aaaaa"]);
    }

    [Fact]
    public async Task What_was_acknowledged_is_in_the_files_of_a_killed_process()
    {
        await using var database = Open();
        var jobs = new SqliteJobStore(database);
        await Task.WhenAll(Enumerable.Range(0, 200).Select(
            i => jobs.RecordSubmissionAsync($"key-{i}", "sha", Submission($"job-{i:d5}"), CancellationToken.None)));

        // The files as they are now are what a kill -9 at this moment would leave.
        using var copy = new TemporaryFolder();
        foreach (var name in (string[])[CoordinatorDatabase.FileName, CoordinatorDatabase.FileName + "-wal"])
            File.Copy(_folder.File(name), copy.File(name));
        await using var reopened = CoordinatorDatabase.Open(new CoordinatorDatabaseOptions(copy.Path));
        (await new SqliteJobStore(reopened).UnfinishedAsync(CancellationToken.None)).Count.ShouldBe(200);
        reopened.Epoch.ShouldBe(2);
    }

    [Fact]
    public async Task A_cancelled_wait_ends_and_a_closed_database_says_so()
    {
        var database = Open();
        using var gone = new CancellationTokenSource();
        await gone.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => Roster(database).AddWorkerAsync("w1", gone.Token));
        (await Roster(database).WorkersAsync(CancellationToken.None)).ShouldBeEmpty();
        await database.DisposeAsync();
        (await Should.ThrowAsync<StorageException>(() => Roster(database).AddWorkerAsync("w1", CancellationToken.None))).Message.ShouldContain("closed");
        (await Should.ThrowAsync<StorageException>(() => Roster(database).WorkersAsync(CancellationToken.None))).Message.ShouldContain("closed");
    }

    [Fact]
    public async Task A_database_that_another_program_has_locked_says_so_and_goes_on_afterwards()
    {
        await using var database = Open();
        using (var other = new SqliteConnection($"Data Source={database.Path};Pooling=False"))
        {
            other.Open();
            using var command = other.CreateCommand();
            command.CommandText = "BEGIN IMMEDIATE";
            command.ExecuteNonQuery();
            (await Should.ThrowAsync<StorageException>(() => Roster(database).AddWorkerAsync("w1", CancellationToken.None))).Message.ShouldContain("locked");
        }
        await Roster(database).AddWorkerAsync("w2", CancellationToken.None);
        (await Roster(database).WorkersAsync(CancellationToken.None)).ShouldBe(["w2"]);
    }

    private static SqliteRosterStore Roster(CoordinatorDatabase database) => new(database);

    private static JobSubmission Submission(string id, string json = "{}") => new(id, "name", json, "person:ada", Noon);

    private CoordinatorDatabase Open() => Open(0);

    private CoordinatorDatabase Open(long maximumBytes) =>
        CoordinatorDatabase.Open(new CoordinatorDatabaseOptions(_folder.Path) { MaximumBytes = maximumBytes });

    private void Sql(FormattableString sql)
    {
        using var connection = new SqliteConnection($"Data Source={_folder.File(CoordinatorDatabase.FileName)};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql.ToString(System.Globalization.CultureInfo.InvariantCulture);
        command.ExecuteNonQuery();
    }
}
