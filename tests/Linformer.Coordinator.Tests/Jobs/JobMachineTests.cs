using System.Collections.Immutable;
using Linformer.Coordinator.Jobs;
using Linformer.Protocol;

namespace Linformer.Coordinator.Tests.Jobs;

/// <summary>Each rule of a job's states by an example.</summary>
public class JobMachineTests
{
    [Fact]
    public void A_submission_is_queued_with_the_settings_of_its_job_file()
    {
        var state = JobMachine.Create(new JobState(), Some.Submission(min: 2, max: 6, priority: 7), Some.Noon);

        var view = state.View.ShouldNotBeNull();
        (view.Phase, view.Priority, view.RanksMin, view.RanksMax, view.TotalSteps).ShouldBe((JobPhase.Queued, 7, 2, 6, 1000L));
        var entry = state.Outbox.ShouldHaveSingleItem();
        (entry.Sequence, entry.Who, entry.What, entry.Phase).ShouldBe((1L, "person:ada", "submitted", JobPhase.Queued));
    }

    [Fact]
    public void Creating_it_again_changes_nothing()
    {
        var state = Running(2);

        JobMachine.Create(state, Some.Submission(max: 8), Some.Noon).ShouldBeSameAs(state);
    }

    [Fact]
    public void A_job_file_that_cannot_be_read_makes_a_failed_job()
    {
        var view = JobMachine.Create(new JobState(), Some.Submission() with { JobJson = "{\"name\": 5}" }, Some.Noon).View!;

        view.Phase.ShouldBe(JobPhase.Failed);
        view.Reason.ShouldContain("corpus");
    }

    [Fact]
    public void Slots_are_reserved_until_the_corpus_is_ready_then_the_first_generation_starts()
    {
        var preparing = Apply(Queued(), new JobPlaced(Some.Slots("w1", "w2")));
        preparing.View!.Phase.ShouldBe(JobPhase.Preparing);
        preparing.View.Placements.Length.ShouldBe(2);

        var view = Apply(preparing, new JobCorpusReady(Some.Corpus)).View!;

        (view.Phase, view.Generation, view.WorldSize, view.Corpus).ShouldBe((JobPhase.Running, 1, 2, Some.Corpus));
    }

    [Fact]
    public void A_corpus_that_cannot_be_prepared_fails_the_job()
    {
        var view = Apply(Apply(Queued(), new JobPlaced(Some.Slots("w1"))), new JobCorpusFailed("texts/a.txt is not UTF-8")).View!;

        view.Phase.ShouldBe(JobPhase.Failed);
        view.Reason.ShouldContain("texts/a.txt is not UTF-8");
        view.Placements.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(GroupCondition.Lost, "worker w2 is lost")]
    [InlineData(GroupCondition.Leaving, "worker w2 leaves")]
    public void A_worker_that_goes_during_preparation_gives_the_slots_back(GroupCondition condition, string why)
    {
        var preparing = Apply(Queued(), new JobPlaced(Some.Slots("w1", "w2")));

        var view = Observe(preparing, ("w1", GroupCondition.Pending), ("w2", condition)).View!;

        (view.Phase, view.Reason, view.Placements.Length).ShouldBe((JobPhase.Queued, why, 0));
    }

    [Fact]
    public void A_failed_rank_queues_the_job_again_and_the_history_says_what_killed_it()
    {
        var state = Fail(Running(2), Some.Failure(rank: 1, worker: "w2"));

        state.View!.Phase.ShouldBe(JobPhase.Queued);
        state.View.LastFailure!.LastLogLines.ShouldBe(["last line"]);
        var entry = state.Outbox[^1];
        (entry.Who, entry.What).ShouldBe(("worker:w2", "generation 1 ended; queued again"));
        entry.Why.ShouldBe("rank 1 on worker w2 was ended by SIGKILL");
    }

    [Fact]
    public void After_a_failure_the_next_generation_starts_without_the_corpus_being_asked_for()
    {
        var view = Apply(Fail(Running(2), Some.Failure()), new JobPlaced(Some.Slots("w1"))).View!;

        (view.Phase, view.Generation, view.WorldSize, view.Preparations).ShouldBe((JobPhase.Running, 2, 1, 1));
    }

    [Fact]
    public void Failures_in_a_row_are_tried_again_after_0_1_and_2_seconds_and_the_fourth_fails_the_job()
    {
        var state = Running(1);
        foreach (var seconds in (int[])[0, 1, 2])
        {
            state = Fail(state, Some.Failure(state.View!.Generation));
            (state.View!.NotBefore - Some.Noon ?? TimeSpan.Zero).ShouldBe(TimeSpan.FromSeconds(seconds));
            state = JobMachine.Apply(state, new JobPlaced(Some.Slots("w1")), Some.Noon.AddSeconds(seconds));
            state.View!.Phase.ShouldBe(JobPhase.Running);
        }

        state = Fail(state, Some.Failure(4));

        state.View!.Phase.ShouldBe(JobPhase.Failed);
        state.View.Reason.ShouldBe("4 failures in a row without a further step; the last: rank 0 on worker w1 was ended by SIGKILL");
    }

    [Fact]
    public void It_is_not_placed_before_its_delay_is_over()
    {
        var state = Fail(Restart(Fail(Running(1), Some.Failure())), Some.Failure(2));

        JobMachine.Apply(state, new JobPlaced(Some.Slots("w1")), Some.Noon.AddMilliseconds(900)).ShouldBeSameAs(state);
    }

    [Fact]
    public void A_further_committed_step_starts_the_count_of_failures_again()
    {
        var state = Running(1);
        for (var step = 1; step <= 10; step++)
        {
            state = Fail(state, step, Some.Failure(state.View!.Generation));
            state.View!.NotBefore.ShouldBeNull();
            state = Restart(state);
        }

        state.View!.Generation.ShouldBe(11);
        state.View.CommittedBefore.ShouldBe(10);
    }

    [Fact]
    public void Lost_workers_do_not_count_as_failures_of_the_job()
    {
        var state = Running(1);
        for (var i = 0; i < 10; i++)
        {
            state = Observe(state, ("w1", GroupCondition.Lost));
            state.View!.Phase.ShouldBe(JobPhase.Queued);
            state.View.Reason.ShouldBe("worker w1 is lost");
            state = JobMachine.Apply(state, new JobPlaced(Some.Slots("w1")), Some.Noon.AddMinutes(1));
        }

        state.View!.Generation.ShouldBe(11);
    }

    [Fact]
    public void A_permanent_failure_fails_the_job_at_once()
    {
        var view = Fail(Running(1), Some.Failure(permanent: true)).View!;

        (view.Phase, view.Reason).ShouldBe((JobPhase.Failed, "rank 0 on worker w1 was ended by SIGKILL"));
    }

    [Fact]
    public void Who_only_lost_a_peer_is_not_the_cause()
    {
        var state = Apply(Running(2), Observed(
            1,
            Group("w1", GroupCondition.Failed, Some.Failure(rank: 0, peerLost: true)),
            Group("w2", GroupCondition.Failed, Some.Failure(rank: 1, worker: "w2", peerLost: true), Some.Failure(rank: 2, worker: "w2"))));

        state.View!.LastFailure!.Rank.ShouldBe(2);
    }

    [Fact]
    public void A_lost_worker_is_the_cause_of_lost_peers()
    {
        var view = Apply(Running(2), Observed(1, Group("w1", GroupCondition.Failed, Some.Failure(peerLost: true)), Group("w2", GroupCondition.Lost))).View!;

        (view.Phase, view.Reason, view.LastFailure).ShouldBe((JobPhase.Queued, "worker w2 is lost", null));
    }

    [Fact]
    public void Log_lines_of_a_failure_are_bounded()
    {
        var failure = Some.Failure() with { LastLogLines = [.. Enumerable.Repeat(new string('x', 10_000), 100)], Reason = new string('y', 10_000) };

        var kept = Fail(Running(1), failure).View!.LastFailure!;

        (kept.LastLogLines.Length, kept.LastLogLines.Max(line => line.Length), kept.Reason.Length).ShouldBe((20, 500, 2000));
    }

    [Fact]
    public void A_failure_of_an_older_generation_that_comes_late_changes_nothing()
    {
        var state = Restart(Fail(Running(1), Some.Failure()));

        Apply(state, Observed(1, Group("w1", GroupCondition.Failed, Some.Failure()))).ShouldBeSameAs(state);
    }

    [Fact]
    public void Rank_0_at_its_end_makes_the_job_a_success()
    {
        var state = Apply(Running(2), Observed(1, Group("w2", GroupCondition.Alive), Group("w1", GroupCondition.Finished) with { Summary = "{\"steps\":5}" }));

        (state.View!.Phase, state.View.Summary, state.View.EndedAt).ShouldBe((JobPhase.Succeeded, "{\"steps\":5}", Some.Noon));
        state.Outbox[^1].What.ShouldBe("succeeded");
    }

    [Fact]
    public void A_success_tells_all_its_steps_in_the_history()
    {
        var state = Observe(Running(1), ("w1", GroupCondition.Finished));

        state.Outbox[^1].Step.ShouldBe(state.View!.TotalSteps);
        state.View.TotalSteps.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void A_worker_that_leaves_so_quickly_that_its_ranks_are_first_seen_stopped_is_the_reason()
    {
        var leaving = Group("w1", GroupCondition.Stopped) with { Why = "worker w1 leaves" };

        Apply(Running(1), Observed(1, leaving)).View!.Reason.ShouldBe("worker w1 leaves");
        Apply(Running(2), Observed(1, leaving, Group("w2", GroupCondition.Alive))).View!.Reason.ShouldBe("worker w1 leaves");
        Observe(Running(1), ("w1", GroupCondition.Stopped)).View!.Reason.ShouldBe("its ranks stopped by themselves");
    }

    [Fact]
    public void A_slot_that_is_gone_during_preparation_gives_the_slots_back_with_the_reason()
    {
        var gone = Group("w1", GroupCondition.Lost) with { Why = "worker w1 came back without the slots" };
        var view = Apply(Apply(Queued(), new JobPlaced(Some.Slots("w1"))), Observed(0, gone)).View!;

        (view.Phase, view.Reason).ShouldBe((JobPhase.Queued, "worker w1 came back without the slots"));
    }

    [Fact]
    public void The_device_of_the_job_file_is_the_jobs_and_auto_is_any()
    {
        string Device(DeviceKind device) => JobMachine.Create(
            new JobState(), Some.Submission() with { JobJson = (Some.JobFile() with { Device = device }).ToJson() }, Some.Noon).View!.Device;

        (Device(DeviceKind.Auto), Device(DeviceKind.Cpu), Device(DeviceKind.Cuda)).ShouldBe(("", "cpu", "cuda"));
    }

    [Fact]
    public void Another_rank_at_its_end_does_not()
    {
        var state = Running(2);

        Observe(state, ("w1", GroupCondition.Alive), ("w2", GroupCondition.Finished)).ShouldBeSameAs(state);
    }

    [Fact]
    public void A_running_job_pauses_when_all_its_ranks_have_stopped()
    {
        var pausing = JobMachine.Pause(Running(2), Some.Ada, Some.Noon);
        (pausing.View!.Phase, pausing.View.Stopping).ShouldBe((JobPhase.Running, true));

        var half = Observe(pausing, ("w1", GroupCondition.Stopped), ("w2", GroupCondition.Alive));
        half.ShouldBeSameAs(pausing);
        var paused = Observe(half, ("w1", GroupCondition.Stopped), ("w2", GroupCondition.Stopped)).View!;

        (paused.Phase, paused.Placements.Length, paused.Stopping).ShouldBe((JobPhase.Paused, 0, false));
    }

    [Fact]
    public void A_failure_on_the_way_to_a_pause_pauses_too()
    {
        var view = Fail(JobMachine.Pause(Running(1), Some.Ada, Some.Noon), Some.Failure()).View!;

        view.Phase.ShouldBe(JobPhase.Paused);
        view.LastFailure.ShouldNotBeNull();
    }

    [Fact]
    public void A_job_without_ranks_pauses_at_once()
    {
        JobMachine.Pause(Queued(), Some.Ada, Some.Noon).View!.Phase.ShouldBe(JobPhase.Paused);
        var view = JobMachine.Pause(Apply(Queued(), new JobPlaced(Some.Slots("w1"))), Some.Ada, Some.Noon).View!;
        (view.Phase, view.Placements.Length).ShouldBe((JobPhase.Paused, 0));
    }

    [Fact]
    public void A_second_pause_changes_nothing()
    {
        var pausing = JobMachine.Pause(Running(1), Some.Ada, Some.Noon);

        JobMachine.Pause(pausing, Some.Ada, Some.Noon).ShouldBeSameAs(pausing);
    }

    [Fact]
    public void A_resumed_job_asks_for_its_corpus_under_a_new_name_and_goes_on()
    {
        var before = Paused();
        var resumed = JobMachine.Resume(before, Some.Ada, Some.Noon);
        resumed.View!.Phase.ShouldBe(JobPhase.Queued);

        var preparing = Apply(resumed, new JobPlaced(Some.Slots("w1")));
        preparing.View!.Phase.ShouldBe(JobPhase.Preparing);
        preparing.View.CorpusAsker.ShouldNotBe(before.View!.CorpusAsker);
        Apply(preparing, new JobCorpusReady(Some.Corpus)).View!.Generation.ShouldBe(2);
    }

    [Fact]
    public void A_corpus_that_has_changed_during_a_pause_fails_the_job()
    {
        var preparing = Apply(JobMachine.Resume(Paused(), Some.Ada, Some.Noon), new JobPlaced(Some.Slots("w1")));

        var view = Apply(preparing, new JobCorpusReady(Some.Corpus with { Fingerprint = "changed" })).View!;

        view.Phase.ShouldBe(JobPhase.Failed);
        view.Reason.ShouldStartWith("The corpus is not what it was when training began: its fingerprint was fingerprint and is now changed.");
    }

    [Fact]
    public void Cancelling_ends_the_job_at_once_and_frees_its_slots()
    {
        var state = JobMachine.Cancel(Running(2), new JobChange("person:bob", "wrong file"), Some.Noon);

        (state.View!.Phase, state.View.Placements.Length).ShouldBe((JobPhase.Cancelled, 0));
        (state.Outbox[^1].Who, state.Outbox[^1].Why).ShouldBe(("person:bob", "wrong file"));
    }

    [Fact]
    public void Wishes_that_do_not_fit_are_refused_with_the_jobs_state()
    {
        var ended = JobMachine.Cancel(Queued(), Some.Ada, Some.Noon);

        Should.Throw<JobChangeException>(() => JobMachine.Pause(ended, Some.Ada, Some.Noon)).Message
            .ShouldBe("Job small-aaaaa was cancelled; only a job that has not ended can be paused.");
        Should.Throw<JobChangeException>(() => JobMachine.Cancel(ended, Some.Ada, Some.Noon)).Message.ShouldContain("was cancelled");
        Should.Throw<JobChangeException>(() => JobMachine.Resume(Queued(), Some.Ada, Some.Noon)).Message
            .ShouldBe("Job small-aaaaa is queued; only a paused job can be resumed.");
        Should.Throw<JobChangeException>(() => JobMachine.Resume(JobMachine.Pause(Running(1), Some.Ada, Some.Noon), Some.Ada, Some.Noon)).Message
            .ShouldContain("is still pausing");
    }

    [Fact]
    public void A_worker_that_leaves_stops_the_whole_generation_and_the_job_is_queued_again()
    {
        var stopping = Observe(Running(2), ("w1", GroupCondition.Alive), ("w2", GroupCondition.Leaving));
        (stopping.View!.Phase, stopping.View.Stopping).ShouldBe((JobPhase.Running, true));

        var view = Observe(stopping, ("w1", GroupCondition.Stopped), ("w2", GroupCondition.Stopped)).View!;

        (view.Phase, view.Reason, view.NotBefore).ShouldBe((JobPhase.Queued, "worker w2 leaves", null));
    }

    [Fact]
    public void Reasons_to_wait_are_shown_but_are_no_history()
    {
        var queued = Queued();

        var waiting = Apply(queued, new JobWaits("waits for 2 slots"));

        waiting.View!.Reason.ShouldBe("waits for 2 slots");
        waiting.HistorySequence.ShouldBe(queued.HistorySequence);
        Apply(waiting, new JobWaits("waits for 2 slots")).ShouldBeSameAs(waiting);
    }

    [Fact]
    public void Placements_that_the_job_cannot_have_are_refused()
    {
        Should.Throw<ArgumentException>(() => Apply(Queued(), new JobPlaced(Some.Slots("w1", "w1", "w1")))).Message.ShouldContain("1 to 2 ranks");
        Should.Throw<ArgumentException>(() => Apply(Queued(), new JobPlaced([new(0, "w1", 0), new(1, "w1", 0)])));
        Should.Throw<ArgumentException>(() => Apply(Queued(), new JobPlaced([new(1, "w1", 0)])));
    }

    private static JobState Queued() => JobMachine.Create(new JobState(), Some.Submission(), Some.Noon);

    private static JobState Running(int workers) => Apply(
        Apply(Queued(), new JobPlaced(Some.Slots([.. Enumerable.Range(1, workers).Select(i => $"w{i}")]))), new JobCorpusReady(Some.Corpus));

    private static JobState Paused() => Observe(JobMachine.Pause(Running(1), Some.Ada, Some.Noon), ("w1", GroupCondition.Stopped));

    private static JobState Restart(JobState state) => Apply(state, new JobPlaced(Some.Slots("w1")));

    private static JobState Apply(JobState state, JobEvent jobEvent) => JobMachine.Apply(state, jobEvent, Some.Noon);

    private static JobState Fail(JobState state, params FailedRank[] failures) => Fail(state, 0, failures);

    private static JobState Fail(JobState state, long step, params FailedRank[] failures) => Apply(
        state,
        Observed(state.View!.Generation, Group(failures[0].Worker, GroupCondition.Failed, failures)) with { CommittedStep = step });

    private static JobState Observe(JobState state, params (string Worker, GroupCondition Condition)[] groups) => Apply(
        state, Observed(state.View!.Generation, [.. groups.Select(group => Group(group.Worker, group.Condition))]));

    private static JobObserved Observed(int generation, params ImmutableArray<ObservedGroup> groups) => new(0, generation, groups, 0);

    private static ObservedGroup Group(string worker, GroupCondition condition, params FailedRank[] failures) =>
        new(worker, condition, [.. failures], Summary: null);
}
