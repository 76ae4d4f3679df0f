using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Tests.Storage;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Linformer.Coordinator.Tests.Jobs;

public sealed class JobGrainTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_job_survives_a_restart_with_its_history()
    {
        await using (var cluster = await StartAsync())
        {
            await cluster.Job("a").Create(Some.Submission("a"), default);
            await cluster.Job("a").Apply(new JobPlaced(Some.Slots("w1")), default);
            await cluster.Job("a").Apply(new JobCorpusReady(Some.Corpus), default);
            await cluster.Job("a").Apply(Ready((await cluster.Job("a").Get(default))!, 1), default);
        }

        await using var again = await StartAsync();

        var view = (await again.Job("a").Get(default)).ShouldNotBeNull();
        (view.Phase, view.Generation, view.Placements.Length).ShouldBe((JobPhase.Running, 1, 1));
        (await again.History.ReadAfterAsync("a", 0, 100, default)).Select(entry => entry.What)
            .ShouldBe(["submitted", "got 1 slot on w1", "1 rank gets ready", "generation 1 started with 1 rank"]);
    }

    [Fact]
    public async Task A_job_that_was_never_created_is_none()
    {
        await using var cluster = await StartAsync();

        (await cluster.Job("none").Get(default)).ShouldBeNull();
        (await Should.ThrowAsync<JobChangeException>(() => cluster.Job("none").Pause(Some.Ada, default))).Message.ShouldContain("There is no such job");
        (await Should.ThrowAsync<JobChangeException>(() => cluster.Job("none").Apply(new JobWaits("x"), default))).Message.ShouldContain("no job none");
    }

    [Fact]
    public async Task History_and_row_that_could_not_be_written_are_made_up_when_the_grain_is_activated_again()
    {
        var broken = new BreakableHistory { Broken = true };
        await using (var cluster = await StartAsync(broken))
        {
            // The change itself holds: the state was written.
            (await cluster.Job("a").Create(Some.Submission("a"), default)).Phase.ShouldBe(JobPhase.Queued);
            (await cluster.Job("a").Cancel(Some.Ada, default)).Phase.ShouldBe(JobPhase.Cancelled);
            (await cluster.History.ReadAfterAsync("a", 0, 100, default)).ShouldBeEmpty();
        }

        await using var again = await StartAsync();
        await again.Job("a").Get(default);

        (await again.History.ReadAfterAsync("a", 0, 100, default)).Select(entry => (entry.Sequence, entry.What)).ShouldBe([(1, "submitted"), (2, "cancelled")]);
        (await again.Jobs.FindAsync("a", default))!.View.Phase.ShouldBe(JobPhase.Cancelled);
        (await again.Jobs.UnfinishedAsync(default)).ShouldBeEmpty();
    }

    [Fact]
    public async Task History_that_could_not_be_written_is_made_up_at_the_next_call()
    {
        var broken = new BreakableHistory { Broken = true };
        await using var cluster = await StartAsync(broken);
        await cluster.Job("a").Create(Some.Submission("a"), default);

        broken.Broken = false;
        await cluster.Job("a").Get(default);

        (await cluster.History.ReadAfterAsync("a", 0, 100, default)).ShouldHaveSingleItem().What.ShouldBe("submitted");
    }

    [Fact]
    public async Task A_generation_commits_before_anybody_can_hear_of_it_and_starts_from_what_is_committed()
    {
        await using var cluster = await StartAsync();
        var job = cluster.Job("a");
        await job.Create(Some.Submission("a"), default);
        await job.Apply(new JobPlaced(Some.Slots("w1")), default);
        await job.Apply(new JobCorpusReady(Some.Corpus), default);
        await job.Apply(Ready((await job.Get(default))!, 1), default);
        await RecordAsync(cluster, generation: 1, step: 5);

        // The failure was seen when step 3 was committed; step 5 came before the next generation.
        await job.Apply(Observed((await job.Get(default))!, Some.Seen(1, MemberCondition.Failed, 1)) with { CommittedStep = 3 }, default);
        await job.Apply(new JobPlaced(Some.Slots("w2")), default);
        var view = await job.Apply(Ready((await job.Get(default))!, 2), default);

        (view.Generation, view.Plan!.CommittedBefore).ShouldBe((2, 5L));
        await RecordAsync(cluster, generation: 1, step: 6);
        (await cluster.Telemetry.ProgressAsync("a", default)).CommittedStep.ShouldBe(5);
        (await cluster.History.ReadAfterAsync("a", 0, 100, default))[^1].Step.ShouldBe(5);
    }

    [Fact]
    public async Task The_history_tells_the_step_that_is_committed_by_then()
    {
        await using var cluster = await StartAsync();
        var job = cluster.Job("a");
        await job.Create(Some.Submission("a"), default);
        await job.Apply(new JobPlaced(Some.Slots("w1")), default);
        await job.Apply(new JobCorpusReady(Some.Corpus), default);
        await job.Apply(Ready((await job.Get(default))!, 1), default);
        await RecordAsync(cluster, generation: 1, step: 17);

        await job.Cancel(Some.Ada, default);

        var entry = (await cluster.History.ReadAfterAsync("a", 0, 100, default))[^1];
        (entry.What, entry.Step).ShouldBe(("cancelled", 17L));
    }

    [Fact]
    public async Task A_job_that_ran_by_the_rules_of_an_earlier_version_is_queued_again()
    {
        await using (var cluster = await StartAsync())
        {
            await cluster.Job("a").Create(Some.Submission("a"), default);
            await cluster.Job("a").Apply(new JobPlaced(Some.Slots("w1")), default);
            await cluster.Job("a").Apply(new JobCorpusReady(Some.Corpus), default);
        }
        // As the first release wrote it: placements have ranks, and there is no plan.
        using (var connection = new SqliteConnection($"Data Source={_folder.File("linformer.db")};Pooling=False"))
        {
            connection.Open();
            using var change = connection.CreateCommand();
            change.CommandText = """UPDATE grains SET state = replace(replace(state, '"Member":1,', '"Rank":0,'), '"LastMember":1', '"CommittedBefore":5') WHERE state_name = 'job'""";
            change.ExecuteNonQuery().ShouldBe(1);
        }

        await using var again = await StartAsync();
        var view = await again.Job("a").Create(Some.Submission("a"), default);

        (view.Phase, view.Placements.Length, view.Reason).ShouldBe((JobPhase.Queued, 0, "the coordinator is of a newer version"));
        view = await again.Job("a").Apply(new JobPlaced(Some.Slots("w1")), default);
        view.Placements.ShouldHaveSingleItem().Member.ShouldBe(1);
    }

    private static JobObserved Ready(JobView view, int member) => Observed(view, Some.Seen(member, MemberCondition.Waiting, worker: "w1"));

    private static JobObserved Observed(JobView view, ObservedMember member) => new() { Revision = view.Revision, Members = [member] };

    private static async Task RecordAsync(TestCluster cluster, int generation, long step) => await cluster.Telemetry.RecordAsync(
        [new TelemetryBatch("a", "w1", [new MetricRow(0, generation, step, Some.Noon, 1, 2.5, 1e-3, 100, null, null)], [], [], [])], default);

    private Task<TestCluster> StartAsync(BreakableHistory? history = null) => TestCluster.StartAsync(_folder.Path, scheduler: false, configure: services =>
    {
        if (history is null)
            return;
        history.Inner = (IHistoryStore)services.Last(service => service.ServiceType == typeof(IHistoryStore)).ImplementationInstance!;
        services.Replace(ServiceDescriptor.Singleton<IHistoryStore>(history));
    });

    private sealed class BreakableHistory : IHistoryStore
    {
        public bool Broken { get; set; }

        public IHistoryStore Inner { get; set; } = null!;

        public Task AppendAsync(string jobId, IReadOnlyList<JobHistoryEntry> entries, CancellationToken cancellationToken) =>
            Broken ? throw new IOException("No space left on device") : Inner.AppendAsync(jobId, entries, cancellationToken);

        public Task<IReadOnlyList<JobHistoryEntry>> ReadAfterAsync(string jobId, long sequence, int maximum, CancellationToken cancellationToken) =>
            Inner.ReadAfterAsync(jobId, sequence, maximum, cancellationToken);
    }
}
