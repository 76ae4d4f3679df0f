using System.Collections.Concurrent;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Coordinator.Workers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Linformer.Coordinator.Tests.Workers;

public sealed class WorkerGrainTests : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly SteppedTime _time = new();
    private TestCluster _cluster = null!;

    private IWorkerGrain Worker => _cluster.Worker("w1");

    public async Task InitializeAsync() => _cluster = await StartAsync();

    public async Task DisposeAsync() => await _cluster.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_worker_that_was_never_seen_is_none() => (await Worker.Get(default)).ShouldBeNull();

    [Fact]
    public async Task A_second_agent_of_the_name_is_refused_while_the_first_lives_and_accepted_after_its_lease()
    {
        await Worker.Connect(Some.Identity("w1"), default);

        var refused = await Should.ThrowAsync<WorkerRefusedException>(() => Worker.Connect(Some.Identity("w1", instance: "second"), default));
        refused.Message.ShouldContain("'w1' belongs to a worker on host-of-w1, process 17");
        refused.Message.ShouldContain("free in 10 s");
        _time.Step(TimeSpan.FromSeconds(10));

        (await Worker.Get(default))!.Alive.ShouldBeFalse();
        await Worker.Connect(Some.Identity("w1", instance: "second"), default);
        (await Worker.Get(default))!.Identity.InstanceId.ShouldBe("second");
    }

    [Fact]
    public async Task The_same_agent_takes_its_own_place_and_the_older_session_ends()
    {
        var first = await Worker.Connect(Some.Identity("w1"), default);
        await Worker.Report(first, new WorkerStatus { LostLogLines = 3 }, default);
        var waiting = Worker.AssignmentAfter(first, 0, default);

        var second = await Worker.Connect(Some.Identity("w1"), default);

        await Should.ThrowAsync<WorkerRefusedException>(waiting);
        (await Worker.Report(first, new WorkerStatus(), default)).ShouldBeFalse();
        (await Worker.Report(second, new WorkerStatus(), default)).ShouldBeTrue();
    }

    [Fact]
    public async Task Reports_keep_it_alive()
    {
        var session = await Worker.Connect(Some.Identity("w1"), default);
        for (var i = 0; i < 5; i++)
        {
            _time.Step(TimeSpan.FromSeconds(9));
            await Worker.Report(session, new WorkerStatus(), default);
        }

        (await Worker.Get(default))!.Alive.ShouldBeTrue();
    }

    [Fact]
    public async Task The_machines_clock_is_nothing_to_a_lease()
    {
        await Worker.Connect(Some.Identity("w1"), default);

        _time.StepWallClock(TimeSpan.FromHours(1));
        (await Worker.Get(default))!.Alive.ShouldBeTrue();

        _time.StepWallClock(TimeSpan.FromHours(-2));
        _time.Step(TimeSpan.FromSeconds(10));
        (await Worker.Get(default))!.Alive.ShouldBeFalse();
    }

    [Fact]
    public async Task The_same_agent_comes_back_although_nothing_can_be_written_and_that_is_made_up_later()
    {
        await Worker.Connect(Some.Identity("w1"), default);
        await _cluster.DisposeAsync();
        var roster = new BreakableRoster { Broken = true };
        _cluster = await StartAsync(roster);

        var session = await Worker.Connect(Some.Identity("w1"), default);
        (await Worker.Report(session, new WorkerStatus(), default)).ShouldBeTrue();
        (await Worker.Get(default))!.Alive.ShouldBeTrue();
        // Another agent's name has to be recorded before it counts.
        await Should.ThrowAsync<IOException>(() => _cluster.Worker("w2").Connect(Some.Identity("w2"), default));
        roster.Added.ShouldBeEmpty();

        roster.Broken = false;
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (roster.Added.IsEmpty)
        {
            patience.IsCancellationRequested.ShouldBeFalse("it was not made up");
            await Worker.Report(session, new WorkerStatus(), default);
            await Task.Delay(10, CancellationToken.None);
        }
        roster.Added.ShouldContain("w1");
    }

    [Fact]
    public async Task Who_decided_from_what_was_seen_before_changes_no_drain_of_somebody_else()
    {
        (await Worker.ChangeDrain("", "coordinator", default)).ShouldBeFalse();
        (await Worker.Get(default)).ShouldBeNull();
        await Worker.Connect(Some.Identity("w1"), default);
        await Worker.Drain("person:ada", default);

        (await Worker.ChangeDrain("", "coordinator", default)).ShouldBeFalse();
        (await Worker.ChangeDrain("coordinator", "", default)).ShouldBeFalse();
        (await Worker.Get(default))!.Drained.ShouldBe("person:ada");

        await Worker.Drain("", default);
        (await Worker.ChangeDrain("", "coordinator", default)).ShouldBeTrue();
        (await Worker.Get(default))!.Drained.ShouldBe("coordinator");
        (await Worker.ChangeDrain("coordinator", "", default)).ShouldBeTrue();
        (await Worker.Get(default))!.Drained.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_forgotten_worker_is_as_new_and_one_that_lives_is_not_forgotten()
    {
        await Worker.Connect(Some.Identity("w1"), default);
        (await Worker.Forget(default)).ShouldBeFalse();
        _time.Step(TimeSpan.FromSeconds(10));

        (await Worker.Forget(default)).ShouldBeTrue();
        (await Worker.Get(default)).ShouldBeNull();
        (await _cluster.Roster.WorkersAsync(default)).ShouldBeEmpty();
        await RestartAsync();
        (await Worker.Get(default)).ShouldBeNull();

        await Worker.Connect(Some.Identity("w1"), default);
        (await _cluster.Roster.WorkersAsync(default)).ShouldBe(["w1"]);
    }

    [Fact]
    public async Task After_a_restart_the_name_is_held_against_other_machines_for_the_agent_of_before()
    {
        await Worker.Connect(Some.Identity("w1"), default);
        await RestartAsync();

        var view = (await Worker.Get(default)).ShouldNotBeNull();
        (view.Alive, view.Reported).ShouldBe((false, false));
        var elsewhere = Some.Identity("w1", instance: "second") with { Host = "another-machine" };
        await Should.ThrowAsync<WorkerRefusedException>(() => Worker.Connect(elsewhere, default));
        (await Worker.Connect(Some.Identity("w1"), default)).ShouldNotBe(0);
    }

    [Fact]
    public async Task After_a_restart_the_name_is_free_for_an_agent_that_was_started_again_on_its_machine()
    {
        await Worker.Connect(Some.Identity("w1"), default);
        await RestartAsync();

        (await Worker.Connect(Some.Identity("w1", instance: "second"), default)).ShouldNotBe(0);
    }

    [Fact]
    public async Task An_agent_that_leaves_with_nothing_left_to_do_frees_its_name_at_once()
    {
        var session = await Worker.Connect(Some.Identity("w1"), default);
        await Worker.Report(session, new WorkerStatus { Draining = true }, default);

        await Worker.Disconnect(session, default);

        var view = (await Worker.Get(default))!;
        (view.Alive, view.Left).ShouldBe((false, true));
        await Worker.Connect(Some.Identity("w1", instance: "second"), default);
        (await Worker.Get(default))!.Alive.ShouldBeTrue();
    }

    [Fact]
    public async Task An_agent_that_is_started_again_takes_the_place_of_the_one_whose_stream_has_ended()
    {
        var session = await Worker.Connect(Some.Identity("w1"), default);
        var alive = new ReportedGroup("j", [new ReportedMember { Member = 1, Condition = MemberCondition.Waiting }]);
        await Worker.Report(session, new WorkerStatus { Groups = [alive] }, default);

        await Worker.Disconnect(session, default);

        (await Worker.Get(default))!.Alive.ShouldBeTrue(); // it may come back
        await Worker.Connect(Some.Identity("w1", instance: "second"), default);
        var view = (await Worker.Get(default))!;
        (view.Identity.InstanceId, view.Reported, view.Status.Groups.Length).ShouldBe(("second", false, 0));
    }

    [Fact]
    public async Task An_assignment_comes_to_the_one_who_waits_and_revisions_grow()
    {
        var session = await Worker.Connect(Some.Identity("w1"), default);
        var waiting = Worker.AssignmentAfter(session, 0, default);
        await Worker.Assign(new WorkerAssignment(0, [], []), default);
        var first = (await waiting).ShouldNotBeNull();
        await Worker.Assign(new WorkerAssignment(0, [], []), default);
        (await Worker.Get(default))!.Assignment.Revision.ShouldBe(first.Revision);

        await Worker.Assign(new WorkerAssignment(0, [Group()], []), default);

        var second = (await Worker.AssignmentAfter(session, first.Revision, default)).ShouldNotBeNull();
        second.Revision.ShouldBeGreaterThan(first.Revision);
        second.Groups.ShouldHaveSingleItem().JobId.ShouldBe("j");
    }

    [Fact]
    public async Task What_was_taken_up_of_an_earlier_coordinator_does_not_count()
    {
        var session = await Worker.Connect(Some.Identity("w1"), default);
        await Worker.Assign(new WorkerAssignment(0, [Group()], []), default);

        await Worker.Report(session, new WorkerStatus { AssignmentRevision = long.MaxValue }, default);
        (await Worker.Get(default))!.Status.AssignmentRevision.ShouldBe(0);

        var taken = (await Worker.AssignmentAfter(session, 0, default))!;
        await Worker.Report(session, new WorkerStatus { AssignmentRevision = taken.Revision }, default);
        (await Worker.Get(default))!.Status.AssignmentRevision.ShouldBe(taken.Revision);
    }

    [Fact]
    public async Task A_new_agent_gets_nothing_of_what_the_one_before_should_have_done()
    {
        await Worker.Connect(Some.Identity("w1"), default);
        await Worker.Assign(new WorkerAssignment(0, [Group()], []), default);
        _time.Step(TimeSpan.FromSeconds(10));

        var session = await Worker.Connect(Some.Identity("w1", instance: "second"), default);

        var view = (await Worker.Get(default))!;
        (view.Reported, view.Assignment.Groups.Length, view.Status.Groups.Length).ShouldBe((false, 0, 0));
        using var impatient = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Should.ThrowAsync<OperationCanceledException>(() => Worker.AssignmentAfter(session, 0, impatient.Token));
    }

    private static AssignedGroup Group() => new() { JobId = "j", JobName = "j", JobJson = "{}", CorpusFolder = "c" };

    private Task<TestCluster> StartAsync(BreakableRoster? roster = null) => TestCluster.StartAsync(_folder.Path, scheduler: false, configure: services =>
    {
        services.AddTime(_time);
        if (roster is null)
            return;
        roster.Inner = (IRosterStore)services.Last(service => service.ServiceType == typeof(IRosterStore)).ImplementationInstance!;
        services.Replace(ServiceDescriptor.Singleton<IRosterStore>(roster));
    });

    private async Task RestartAsync()
    {
        await _cluster.DisposeAsync();
        _cluster = await StartAsync();
    }

    private sealed class BreakableRoster : IRosterStore
    {
        public bool Broken { get; set; }

        public ConcurrentQueue<string> Added { get; } = [];

        public IRosterStore Inner { get; set; } = null!;

        public async Task AddWorkerAsync(string name, CancellationToken cancellationToken)
        {
            if (Broken)
                throw new IOException("No space left on device");
            await Inner.AddWorkerAsync(name, cancellationToken);
            Added.Enqueue(name);
        }

        public Task RemoveWorkerAsync(string name, CancellationToken cancellationToken) => Inner.RemoveWorkerAsync(name, cancellationToken);

        public Task<IReadOnlyList<string>> WorkersAsync(CancellationToken cancellationToken) => Inner.WorkersAsync(cancellationToken);

        public Task AddCorpusAsync(string corpusId, CancellationToken cancellationToken) => Inner.AddCorpusAsync(corpusId, cancellationToken);

        public Task<IReadOnlyList<string>> CorporaAsync(CancellationToken cancellationToken) => Inner.CorporaAsync(cancellationToken);
    }
}
