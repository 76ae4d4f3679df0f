using System.Reflection;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Services;
using Linformer.Coordinator.Services.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;
using Linformer.Coordinator.Tests.Storage;
using Microsoft.Extensions.Hosting;
using Serilog.Core;

namespace Linformer.Coordinator.Tests.Services;

/// <summary>Deletions of jobs whose grains or callers fail on the way.</summary>
public sealed class JobDeletionTests : IAsyncLifetime, IDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, IJobGrain> _grains = [];
    private SqliteDatabase _database = null!;
    private DatabaseDeletionStore _store = null!;

    public Task InitializeAsync()
    {
        _database = SqliteDatabase.Open(new SqliteDatabaseOptions(_folder.File("coordinator")));
        _store = new DatabaseDeletionStore(_database);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync() => await _database.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_deletion_that_has_begun_is_waited_for_though_its_caller_goes_away()
    {
        Grain("a");
        var slow = new SlowStore(_store);
        using var deletions = Make(slow);
        using var caller = new CancellationTokenSource();
        var call = deletions.DeleteAsync(new BegunDeletion("a", false, "person:ada", ""), caller.Token);
        await slow.Began.Task;

        await caller.CancelAsync();
        slow.GoOn.SetResult();

        (await call).ShouldBe(0);
        (await _store.BegunAsync(None)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Only_a_job_that_knows_of_its_deletion_keeps_the_note_of_one_that_failed(bool marked)
    {
        JobDeletion? mark = null;
        Grain("a", get: () => Ended("a") with { Deletion = mark }, delete: deletion =>
        {
            mark = marked ? deletion : null;
            throw new TimeoutException("no answer");
        });
        using var deletions = Make(_store);

        await Should.ThrowAsync<TimeoutException>(() => deletions.DeleteAsync(new BegunDeletion("a", false, "person:ada", ""), None));

        (await _store.BegunAsync(None)).Count.ShouldBe(marked ? 1 : 0);
        // It may train again, and then what it tells is recorded.
        var telemetry = new DatabaseTelemetryStore(_database);
        await telemetry.RecordAsync([new TelemetryBatch("a", "w1", [], [new LogRow(0, 1, 1, 0, 1, Some.Noon, "w1", "line")], [], [])], None);
        (await telemetry.LogsAfterAsync("a", null, 0, 10, None)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task One_that_cannot_go_on_holds_up_no_other_and_one_that_its_job_does_not_know_is_given_up()
    {
        foreach (var id in (string[])["a", "b", "c"])
            await _store.BeginAsync(new BegunDeletion(id, false, "person:ada", ""), None);
        Grain("a", get: () => throw new TimeoutException("no answer"));
        Grain("b", get: () => Ended("b") with { Deletion = null }, delete: _ => throw new InvalidOperationException("not to be deleted"));
        Grain("c", get: () => Ended("c") with { Deletion = new JobDeletion(false) });
        using var deletions = Make(_store);

        await deletions.StartAsync(None);

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while ((await _store.BegunAsync(None)).Count > 1)
            await Task.Delay(20, patience.Token);
        (await _store.BegunAsync(None)).ShouldHaveSingleItem().JobId.ShouldBe("a");
        await deletions.StopAsync(None);
    }

    private static JobView Ended(string id) => new()
    {
        JobId = id,
        Name = id,
        Phase = JobPhase.Cancelled,
        JobJson = "{}",
        Submitter = "person:ada",
        SubmittedAt = Some.Noon,
    };

    private JobDeletions Make(IDeletionStore store)
    {
        var factory = Fake.Of<IGrainFactory>((_, arguments) => _grains[(string)arguments[0]!]);
        return new JobDeletions(
            factory, store, new DatabaseJobStore(_database), new DatabaseRetention(_database),
            new ClusterReader(factory, new DatabaseRosterStore(_database), Logger.None),
            new CoordinatorOptions { DataFolder = _folder.Path }, new Running(), Logger.None);
    }

    private void Grain(string id, Func<JobView?>? get = null, Func<JobDeletion, JobView>? delete = null) => _grains[id] = Fake.Of<IJobGrain>((method, arguments) =>
    {
        switch (method)
        {
            case nameof(IJobGrain.Get):
                return Answer<JobView?>(() => get is null ? Ended(id) : get());
            case nameof(IJobGrain.Delete):
                return Answer(() => delete is null ? Ended(id) : delete((JobDeletion)arguments[0]!));
            case nameof(IJobGrain.Forget):
                return Task.CompletedTask;
            default:
                throw new NotSupportedException(method);
        }
    });

    private static async Task<T> Answer<T>(Func<T> answer)
    {
        await Task.Yield();
        return answer();
    }

    private sealed class SlowStore(IDeletionStore store) : IDeletionStore
    {
        public TaskCompletionSource Began { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource GoOn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async Task BeginAsync(BegunDeletion deletion, CancellationToken cancellationToken)
        {
            Began.SetResult();
            await GoOn.Task;
            await store.BeginAsync(deletion, cancellationToken);
        }

        public Task StopRecordingAsync(string jobId, CancellationToken cancellationToken) => store.StopRecordingAsync(jobId, cancellationToken);

        public Task<IReadOnlyList<BegunDeletion>> BegunAsync(CancellationToken cancellationToken) => store.BegunAsync(cancellationToken);

        public Task EraseAsync(string jobId, CancellationToken cancellationToken) => store.EraseAsync(jobId, cancellationToken);

        public Task EndAsync(string jobId, CancellationToken cancellationToken) => store.EndAsync(jobId, cancellationToken);

        public Task GiveUpAsync(string jobId, CancellationToken cancellationToken) => store.GiveUpAsync(jobId, cancellationToken);
    }

    private sealed class Running : IHostApplicationLifetime
    {
        public CancellationToken ApplicationStarted { get; } = new(canceled: true);

        public CancellationToken ApplicationStopping => CancellationToken.None;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void StopApplication()
        {
        }
    }
}

/// <summary>An interface whose methods are answered by one function.</summary>
public class Fake : DispatchProxy
{
    private Func<string, object?[], object?> _answer = null!;

    /// <summary>Makes one.</summary>
    /// <param name="answer">Answers a method by its name, with its arguments.</param>
    public static T Of<T>(Func<string, object?[], object?> answer)
        where T : class
    {
        var proxy = Create<T, Fake>();
        ((Fake)(object)proxy)._answer = answer;
        return proxy;
    }

    /// <inheritdoc/>
    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => _answer(targetMethod!.Name, args ?? []);
}
