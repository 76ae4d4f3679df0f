using Grpc.Core;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;
using Linformer.Coordinator.Tests.Storage;
using Microsoft.Data.Sqlite;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed class DeleteTests : IAsyncLifetime, IDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly TemporaryFolder _folder = new();
    private TestCoordinator _coordinator = null!;

    public async Task InitializeAsync()
    {
        _coordinator = await TestCoordinator.StartAsync(_folder);
    }

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_job_that_has_ended_is_deleted_with_all_that_is_its_own_and_nothing_else()
    {
        var (job, other) = (await EndedAsync(), await EndedAsync());

        var deleted = await _coordinator.Jobs.DeleteAsync(new Proto.DeleteJobRequest { Job = job, Why = "not needed", Who = "ada" });

        (deleted.JobId, deleted.Bytes).ShouldBe((job, 4L + 5 + 5));
        Directory.Exists(_folder.File($"jobs/{job}")).ShouldBeFalse();
        Directory.Exists(_folder.File($"models/{job}")).ShouldBeFalse();
        await Refused.With(StatusCode.NotFound, async () => await _coordinator.Jobs.DeleteAsync(new Proto.DeleteJobRequest { Job = job }));
        await Refused.With(StatusCode.NotFound, async () => await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = job }));
        // A name means what is left.
        (await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = "small" })).Job.Id.ShouldBe(other);
        File.Exists(_folder.File($"models/{other}/model.safetensors")).ShouldBeTrue();
        File.Exists(_folder.File($"jobs/{other}/checkpoints/l0000-g0001-s00000100/model.safetensors")).ShouldBeTrue();
        (await RowsAsync(job)).ShouldBeEmpty();
        (await RowsAsync(other)).ShouldContain("checkpoints");
        // Neither does another start bring it back.
        _coordinator = await TestCoordinator.StartAsync(_folder);
        (await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest())).Jobs.ShouldHaveSingleItem().Id.ShouldBe(other);
    }

    [Fact]
    public async Task Its_model_stays_if_asked_for()
    {
        var job = await EndedAsync();

        (await _coordinator.Jobs.DeleteAsync(new Proto.DeleteJobRequest { Job = job, KeepModel = true })).Bytes.ShouldBe(4 + 5);

        File.Exists(_folder.File($"models/{job}/model.safetensors")).ShouldBeTrue();
    }

    [Fact]
    public async Task A_job_that_has_not_ended_stays()
    {
        var job = await _coordinator.SubmitAsync();

        (await Refused.With(StatusCode.FailedPrecondition, async () => await _coordinator.Jobs.DeleteAsync(new Proto.DeleteJobRequest { Job = job.Id }))).Status.Detail.ShouldContain("has not ended");

        (await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = job.Id })).State.ShouldBe(Proto.JobState.Cancelled);
    }

    [Fact]
    public async Task A_model_that_a_job_begins_with_stays_until_that_has_ended()
    {
        var job = await EndedAsync();
        var request = TestCoordinator.Request("user");
        request.JobFile = Google.Protobuf.ByteString.CopyFromUtf8(TestCoordinator.JobFile("user") + $"initializeFrom: models/{job}\n");
        var user = (await _coordinator.Jobs.SubmitAsync(request)).Job.Id;

        (await Refused.With(StatusCode.FailedPrecondition, async () => await _coordinator.Jobs.DeleteAsync(new Proto.DeleteJobRequest { Job = job }))).Status.Detail.ShouldContain(user);

        await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = user });
        await _coordinator.Jobs.DeleteAsync(new Proto.DeleteJobRequest { Job = job });
        Directory.Exists(_folder.File($"models/{job}")).ShouldBeFalse();
    }

    [Fact]
    public async Task Links_are_deleted_as_links_and_nothing_outside_is_touched()
    {
        using var outside = new TemporaryFolder();
        await File.WriteAllTextAsync(outside.File("precious"), "precious");
        Directory.CreateDirectory(outside.File("folder"));
        await File.WriteAllTextAsync(outside.File("folder/precious"), "precious");
        var (job, whole) = (await EndedAsync(), await EndedAsync());
        File.CreateSymbolicLink(_folder.File($"jobs/{job}/file"), outside.File("precious"));
        Directory.CreateSymbolicLink(_folder.File($"jobs/{job}/checkpoints/folder"), outside.File("folder"));
        Directory.CreateSymbolicLink(_folder.File($"jobs/{job}/up"), "../../..");
        File.CreateSymbolicLink(_folder.File($"jobs/{job}/nowhere"), "nothing");
        // The job's own folder, and its model's, may be links as well.
        Directory.Delete(_folder.File($"models/{job}"), recursive: true);
        Directory.CreateSymbolicLink(_folder.File($"models/{job}"), outside.File("folder"));

        await _coordinator.Jobs.DeleteAsync(new Proto.DeleteJobRequest { Job = job });

        Directory.Exists(_folder.File($"jobs/{job}")).ShouldBeFalse();
        new FileInfo(_folder.File($"models/{job}")).LinkTarget.ShouldBeNull();
        Directory.EnumerateFiles(outside.Path, "*", SearchOption.AllDirectories).Count().ShouldBe(2);
        File.Exists(_folder.File($"models/{whole}/model.safetensors")).ShouldBeTrue();

        // A folder on the way that leads out of the root: nothing of the job is deleted at all.
        Directory.Move(_folder.File("models"), outside.File("models"));
        Directory.CreateSymbolicLink(_folder.File("models"), outside.File("models"));
        var refusal = (await Refused.With(StatusCode.FailedPrecondition, async () => await _coordinator.Jobs.DeleteAsync(new Proto.DeleteJobRequest { Job = whole }))).Status.Detail;
        refusal.ShouldContain("symbolic link that leads out of the storage root");
        refusal.ShouldNotContain(outside.Path);
        File.Exists(outside.File($"models/{whole}/model.safetensors")).ShouldBeTrue();
        File.Exists(_folder.File($"jobs/{whole}/log")).ShouldBeTrue();
        (await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = whole })).Job.State.ShouldBe(Proto.JobState.Cancelled);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task What_a_kill_cuts_off_goes_on_with_the_next_start(bool foldersGone, bool rowGone)
    {
        var job = await EndedAsync();
        await _coordinator.DisposeAsync();
        await using (var cluster = await TestCluster.StartAsync(_folder.File("coordinator"), scheduler: false))
            await cluster.Job(job).Delete(new JobDeletion(KeepModel: false), Some.Ada, None);
        await using (var database = Open())
        {
            await new DatabaseDeletionStore(database).BeginAsync(new BegunDeletion(job, KeepModel: false, "person:ada", ""), None);
            if (rowGone)
                await new DatabaseDeletionStore(database).EraseAsync(job, None);
        }
        if (foldersGone)
            Directory.Delete(_folder.File($"jobs/{job}"), recursive: true);

        _coordinator = await TestCoordinator.StartAsync(_folder);

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while ((await RowsBesideAsync(job)).Count > 0)
            await Task.Delay(50, patience.Token);
        Directory.Exists(_folder.File($"jobs/{job}")).ShouldBeFalse();
        Directory.Exists(_folder.File($"models/{job}")).ShouldBeFalse();
        await Refused.With(StatusCode.NotFound, async () => await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = job }));
    }

    [Fact]
    public async Task Late_telemetry_of_a_deleted_job_is_not_recorded()
    {
        await _coordinator.DisposeAsync();
        await using var database = Open();
        var (deletions, telemetry) = (new DatabaseDeletionStore(database), new DatabaseTelemetryStore(database));
        TelemetryBatch Batch(string job) => new(
            job, "w1", [new MetricRow(0, 1, 1, Some.Noon, 1, 1, 1, 1, null, null)], [new LogRow(0, 1, 1, 0, 1, Some.Noon, "w1", "late")],
            [new CheckpointRow("l0000-g0001-s00000001", 0, 1, 1, Some.Noon, 1, true)], []);
        await deletions.BeginAsync(new BegunDeletion("gone", false, "person:ada", ""), None);
        await deletions.StopRecordingAsync("gone", None);
        await telemetry.RecordAsync([Batch("gone"), Batch("other")], None);
        await deletions.EraseAsync("gone", None);
        await deletions.EndAsync("gone", None);
        await telemetry.RecordAsync([Batch("gone")], None);

        (await telemetry.LogsAfterAsync("gone", null, 0, 10, None)).ShouldBeEmpty();
        (await telemetry.CheckpointsAsync("gone", None)).ShouldBeEmpty();
        (await telemetry.MetricsAfterAsync("gone", 0, 10, None)).ShouldBeEmpty();
        (await telemetry.LogsAfterAsync("other", null, 0, 10, None)).ShouldHaveSingleItem();

        await deletions.GiveUpAsync("gone", None);
        await telemetry.RecordAsync([Batch("gone")], None);
        (await telemetry.LogsAfterAsync("gone", null, 0, 10, None)).ShouldHaveSingleItem();
    }

    private SqliteDatabase Open() => SqliteDatabase.Open(new SqliteDatabaseOptions(_folder.File("coordinator")));

    /// <summary>A job that was cancelled, with files and telemetry.</summary>
    private async Task<string> EndedAsync()
    {
        var job = (await _coordinator.SubmitAsync()).Id;
        await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = job });
        await _coordinator.DisposeAsync();
        await using (var database = Open())
        {
            var telemetry = new DatabaseTelemetryStore(database);
            await telemetry.BeginGenerationAsync(job, 0, 1, 2, None);
            await telemetry.RecordAsync(
                [
                    new TelemetryBatch(
                        job, "w1", [.. Enumerable.Range(1, 1200).Select(step => new MetricRow(0, 1, step, Some.Noon, 1, 1, 1, 1, null, null))],
                        [.. Enumerable.Range(1, 1200).Select(number => new LogRow(0, 1, 1, 0, number, Some.Noon, "w1", "line"))],
                        [new CheckpointRow("l0000-g0001-s00000100", 0, 1, 100, Some.Noon, 5, true)], []),
                ],
                None);
        }
        var checkpoint = _folder.File($"jobs/{job}/checkpoints/l0000-g0001-s00000100");
        Directory.CreateDirectory(checkpoint);
        await File.WriteAllTextAsync(Path.Combine(checkpoint, "model.safetensors"), "12345");
        await File.WriteAllTextAsync(_folder.File($"jobs/{job}/log"), "1234");
        Directory.CreateDirectory(_folder.File($"models/{job}"));
        await File.WriteAllTextAsync(_folder.File($"models/{job}/model.safetensors"), "12345");
        _coordinator = await TestCoordinator.StartAsync(_folder);
        return job;
    }

    /// <summary>The tables that have rows of a job, events and the audit log left out, once the coordinator has stopped.</summary>
    private async Task<List<string>> RowsAsync(string job)
    {
        await _coordinator.DisposeAsync();
        return await RowsBesideAsync(job);
    }

    private async Task<List<string>> RowsBesideAsync(string job)
    {
        var found = new List<string>();
        await using var connection = new SqliteConnection($"Data Source={_folder.File("coordinator/" + SqliteDatabase.FileName)};Mode=ReadOnly;Pooling=False");
        await connection.OpenAsync();
        var tables = await ReadAsync(connection, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('events', 'audit')");
        foreach (var table in tables)
        {
            var columns = await ReadAsync(connection, $"SELECT name FROM pragma_table_info('{table}')");
            var own = columns.Contains("job_id") ? $"job_id = '{job}'" : columns.Contains("grain_id") ? $"grain_id LIKE '%{job}%'" : "0";
            if ((await ReadAsync(connection, $"SELECT count(*) || '' FROM {table} WHERE {own}"))[0] != "0")
                found.Add(table);
        }
        return found;
    }

    private static async Task<List<string>> ReadAsync(SqliteConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
            rows.Add(reader.GetString(0));
        return rows;
    }
}
