using Linformer.Coordinator.Storage.Sqlite;

namespace Linformer.Coordinator.Tests.Storage;

public sealed class WriteOrderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_write_does_not_wait_behind_telemetry_that_came_before_it()
    {
        await using var database = SqliteDatabase.Open(new SqliteDatabaseOptions(_folder.Path));
        using var queued = new ManualResetEventSlim();
        var order = new List<string>();
        // The thread that writes stands still until all are queued.
        var first = database.WriteAsync(_ => queued.Wait(), default);
        var bulk = Enumerable.Range(1, 5).Select(number => database.WriteBulkAsync(_ => Note($"bulk {number}"), 1500, default)).ToList();
        var other = database.WriteAsync(_ => Note("other"), default);
        queued.Set();
        await Task.WhenAll([first, other, .. bulk]);
        order.ShouldBe(["other", "bulk 1", "bulk 2", "bulk 3", "bulk 4", "bulk 5"]);

        int Note(string what)
        {
            order.Add(what);
            return 0;
        }
    }

    [Fact]
    public async Task What_is_queued_is_written_before_the_database_is_closed()
    {
        var database = SqliteDatabase.Open(new SqliteDatabaseOptions(_folder.Path));
        using var queued = new ManualResetEventSlim();
        var first = database.WriteAsync(_ => queued.Wait(), default);
        var bulk = Enumerable.Range(1, 5).Select(number => database.WriteBulkAsync(_ => number, 5000, default)).ToList();
        var closing = database.DisposeAsync();
        queued.Set();
        await closing;
        await first;
        (await Task.WhenAll(bulk)).ShouldBe([1, 2, 3, 4, 5]);
    }
}
