using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;
using Microsoft.Data.Sqlite;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class SqliteDatabaseTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Its_files_are_for_their_owner_only(bool restored)
    {
        if (restored && OperatingSystem.IsLinux())
        {
            await Open().DisposeAsync();
            new FileInfo(_folder.File(SqliteDatabase.FileName)).UnixFileMode |= UnixFileMode.OtherRead;
        }
        await using var database = Open();
        await Roster(database).AddWorkerAsync("w1", CancellationToken.None);
        var files = Directory.GetFiles(_folder.Path, SqliteDatabase.FileName + "*");
        files.Length.ShouldBeGreaterThan(1, "the write-ahead log is there");
        files.ShouldAllBe(file => new FileInfo(file).UnixFileMode == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Fact]
    public async Task A_database_of_the_first_release_is_brought_up_to_date_with_all_that_is_in_it()
    {
        Run(_folder.File(SqliteDatabase.FileName), File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Storage", "version-1.sql")));
        await using var database = Open();
        database.Epoch.ShouldBe(8);
        var telemetry = new DatabaseTelemetryStore(database);
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
        (await new DatabaseJobStore(database).UnfinishedAsync(default)).ShouldHaveSingleItem().JobId.ShouldBe("a-aaaaa");
        (await Roster(database).CorporaAsync(default)).ShouldBe(["c0"]);
    }

    [Theory]
    [InlineData("not a database at all, but long enough for a header and then some more text after it")]
    [InlineData("SQLite format 3\0 with rubbish after the magic, which goes on and on and on until it is longer than a header of 100 bytes")]
    public void A_damaged_file_is_refused(string content)
    {
        File.WriteAllText(_folder.File(SqliteDatabase.FileName), content);
        var refusal = Should.Throw<StorageException>(Open);
        refusal.Message.ShouldContain(_folder.File(SqliteDatabase.FileName));
        refusal.Message.ShouldContain("damaged");
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_refused()
    {
        File.WriteAllText(_folder.File("file"), "");
        var path = _folder.File("file/coordinator");
        Should.Throw<StorageException>(() => SqliteDatabase.Open(new SqliteDatabaseOptions(path))).Message.ShouldContain(path);
    }

    [Fact]
    public async Task A_full_disk_refuses_what_does_not_fit_and_loses_nothing_else()
    {
        await using var database = Open(maximumBytes: 512 << 10);
        var jobs = new DatabaseJobStore(database);
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
        var jobs = new DatabaseJobStore(database);
        await Task.WhenAll(Enumerable.Range(0, 200).Select(
            i => jobs.RecordSubmissionAsync($"key-{i}", "sha", Submission($"job-{i:d5}"), CancellationToken.None)));

        // The files as they are now are what a kill -9 at this moment would leave.
        using var copy = new TemporaryFolder();
        foreach (var name in (string[])[SqliteDatabase.FileName, SqliteDatabase.FileName + "-wal"])
            File.Copy(_folder.File(name), copy.File(name));
        await using var reopened = SqliteDatabase.Open(new SqliteDatabaseOptions(copy.Path));
        (await new DatabaseJobStore(reopened).UnfinishedAsync(CancellationToken.None)).Count.ShouldBe(200);
        reopened.Epoch.ShouldBe(2);
    }

    [Fact]
    public async Task A_database_that_another_program_has_locked_says_so_and_goes_on_afterwards()
    {
        await using var database = Open();
        using (var other = new SqliteConnection($"Data Source={database.Name};Pooling=False"))
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

    private static DatabaseRosterStore Roster(SqliteDatabase database) => new(database);

    private static JobSubmission Submission(string id, string json = "{}") => new(id, "name", json, "person:ada", Noon);

    private SqliteDatabase Open() => Open(0);

    private SqliteDatabase Open(long maximumBytes) =>
        SqliteDatabase.Open(new SqliteDatabaseOptions(_folder.Path) { MaximumBytes = maximumBytes });

    /// <summary>Runs SQL in a file.</summary>
    internal static void Run(string path, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
