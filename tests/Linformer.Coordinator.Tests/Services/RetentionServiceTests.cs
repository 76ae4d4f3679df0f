using Grpc.Core;
using Linformer.Coordinator.Hosting;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;
using Linformer.Coordinator.Tests.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed class RetentionServiceTests
{
    [Fact]
    public async Task A_coordinator_that_serves_deletes_the_lines_of_old_jobs_by_itself()
    {
        using var folder = new TemporaryFolder();
        var ended = DateTimeOffset.UtcNow.AddDays(-40);
        await using (var database = SqliteDatabase.Open(new SqliteDatabaseOptions(folder.File("coordinator"))))
        {
            var view = new JobView { JobId = "old-aaaaa", Name = "old", Phase = JobPhase.Succeeded, JobJson = "{}", Submitter = "person:ada", SubmittedAt = ended, Revision = 1 };
            await new DatabaseJobStore(database).SaveAsync(view, CancellationToken.None);
            await new DatabaseHistoryStore(database).AppendAsync(
                view.JobId, [new JobHistoryEntry(1, ended, "coordinator", "ended", "", JobPhase.Succeeded, 0, 1, 1)], CancellationToken.None);
            await new DatabaseTelemetryStore(database).RecordAsync(
                [new TelemetryBatch(view.JobId, "w", [], [new LogRow(0, 1, 1, 0, 1, ended, "w", "a line")], [], [])], CancellationToken.None);
        }

        await using var coordinator = await TestCoordinator.StartAsync(
            folder, options => options with { Retention = new RetentionOptions { Interval = TimeSpan.FromMilliseconds(50) } });
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await CountLinesAsync(coordinator, patience.Token) > 0)
            await Task.Delay(50, patience.Token);
        (await coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = "old-aaaaa" })).Job.Id.ShouldBe("old-aaaaa");
    }

    [Fact]
    public async Task What_nobody_thought_of_is_logged_and_tried_again()
    {
        using var folder = new TemporaryFolder();
        var (retention, log) = (new FailingRetention(), new LogCollector());
        var options = new CoordinatorOptions { DataFolder = folder.Path, Retention = new RetentionOptions { Interval = TimeSpan.FromMilliseconds(1) } };
        using var service = new RetentionService(retention, options, TimeProvider.System, log.Logger);

        await service.StartAsync(CancellationToken.None);
        await Task.WhenAny(retention.Again.Task, service.ExecuteTask!).WaitAsync(TimeSpan.FromSeconds(30));

        retention.Again.Task.IsCompleted.ShouldBeTrue();
        log.Events.ShouldContain(one => one.Exception is InvalidOperationException);
        await service.StopAsync(CancellationToken.None);
        service.ExecuteTask!.IsCompletedSuccessfully.ShouldBeTrue();
    }

    private sealed class FailingRetention : ITelemetryRetention
    {
        private int _calls;

        public TaskCompletionSource Again { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task DeleteJobAsync(string jobId, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<RetentionResult> ApplyAsync(RetentionOptions options, DateTimeOffset now, CancellationToken cancellationToken)
        {
            if (++_calls == 1)
                throw new InvalidOperationException("nobody thought of this");
            Again.TrySetResult();
            return Task.FromResult(new RetentionResult(0, 0));
        }
    }

    private static async Task<int> CountLinesAsync(TestCoordinator coordinator, CancellationToken cancellationToken)
    {
        using var call = coordinator.Jobs.Logs(new Proto.LogsRequest { Job = "old-aaaaa" }, cancellationToken: cancellationToken);
        var lines = 0;
        await foreach (var line in call.ResponseStream.ReadAllAsync(cancellationToken))
            lines += line.Text.Length > 0 ? 1 : 0;
        return lines;
    }
}
