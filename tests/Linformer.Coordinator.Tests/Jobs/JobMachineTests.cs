using Linformer.Coordinator.Jobs;
using Linformer.Protocol;

namespace Linformer.Coordinator.Tests.Jobs;

/// <summary>Each rule of a job's states by an example.</summary>
public partial class JobMachineTests
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
    public void Slots_are_reserved_until_the_corpus_is_ready_then_the_members_start_and_form_the_first_generation()
    {
        var preparing = Apply(Queued(), new JobPlaced(Some.Slots("w1", "w2")));
        preparing.View!.Phase.ShouldBe(JobPhase.Preparing);
        preparing.View.Placements.Select(placement => placement.Member).ShouldBe([1, 2]);

        var starting = JobMachine.Apply(preparing, new JobCorpusReady(Some.Corpus), Some.Noon.AddMinutes(1));
        (starting.View!.Phase, starting.View.Generation, starting.View.Plan, starting.View.Corpus).ShouldBe((JobPhase.Running, 0, null, Some.Corpus));
        starting.View.Placements.ShouldAllBe(placement => placement.At == Some.Noon.AddMinutes(1));
        var view = Observe(starting, Some.Seen(1, MemberCondition.Waiting), Some.Seen(2, MemberCondition.Waiting)).View!;

        (view.Generation, view.WorldSize, view.Plan!.Source).ShouldBe((1, 2, StateSource.Newest));
        view.Plan.Members.ShouldBe([1, 2]);
    }

    [Fact]
    public void A_corpus_that_cannot_be_prepared_fails_the_job()
    {
        var view = Apply(Apply(Queued(), new JobPlaced(Some.Slots("w1"))), new JobCorpusFailed("texts/a.txt is not UTF-8")).View!;

        view.Phase.ShouldBe(JobPhase.Failed);
        view.Reason.ShouldContain("texts/a.txt is not UTF-8");
        view.Placements.ShouldBeEmpty();
    }

    [Fact]
    public void A_worker_that_goes_during_preparation_gives_the_slots_back()
    {
        var preparing = Apply(Queued(), new JobPlaced(Some.Slots("w1", "w2")));
        JobView After(ObservedMember second) => Observe(preparing, Some.Seen(1, MemberCondition.Assigned), second).View!;

        var lost = After(Some.Seen(2, MemberCondition.Lost));
        (lost.Phase, lost.Reason, lost.Placements.Length).ShouldBe((JobPhase.Queued, "worker w2 is lost", 0));
        After(Some.Seen(2, MemberCondition.Lost) with { Why = "worker w2 came back without the slots" }).Reason.ShouldBe("worker w2 came back without the slots");
        After(Some.Seen(2, MemberCondition.Assigned) with { Leaving = "worker w2 leaves" }).Reason.ShouldBe("worker w2 leaves");
    }

    [Fact]
    public void The_device_of_the_job_file_is_the_jobs_and_auto_is_any()
    {
        string Device(DeviceKind device) => JobMachine.Create(
            new JobState(), Some.Submission() with { JobJson = (Some.JobFile() with { Device = device }).ToJson() }, Some.Noon).View!.Device;

        (Device(DeviceKind.Auto), Device(DeviceKind.Cpu), Device(DeviceKind.Cuda)).ShouldBe(("", "cpu", "cuda"));
    }

    [Fact]
    public void A_running_job_pauses_when_all_its_ranks_have_stopped()
    {
        var pausing = JobMachine.Pause(Running(2), Some.Ada, Some.Noon);
        (pausing.View!.Phase, pausing.View.Stopping).ShouldBe((JobPhase.Running, true));

        var half = Observe(pausing, Some.Seen(1, MemberCondition.Stopped, 1), Some.Seen(2, MemberCondition.Stopping, 1));
        half.ShouldBeSameAs(pausing);
        var paused = Observe(half, Some.Seen(1, MemberCondition.Stopped, 1), Some.Seen(2, MemberCondition.Stopped, 1)).View!;

        (paused.Phase, paused.Placements.Length, paused.Stopping, paused.Plan).ShouldBe((JobPhase.Paused, 0, false, null));
    }

    [Fact]
    public void On_the_way_to_a_pause_survivors_form_a_generation_that_writes_a_checkpoint_even_below_the_fewest_ranks()
    {
        var running = Ready(Start(Queued(min: 2), 2));
        var pausing = JobMachine.Pause(running, Some.Ada, Some.Noon);

        var state = Observe(pausing, Some.Seen(1, MemberCondition.Waiting, 1, 5) with { Broken = "lost rank 1" }, Some.Seen(2, MemberCondition.Failed, 1));

        (state.View!.Phase, state.View.Stopping, state.View.Generation, state.View.WorldSize).ShouldBe((JobPhase.Running, true, 2, 1));
        state.View.IsStopped.ShouldBeTrue();
        Observe(state, Some.Seen(1, MemberCondition.Stopped, 2)).View!.Phase.ShouldBe(JobPhase.Paused);
    }

    [Fact]
    public void A_rank_that_is_lost_before_the_others_notice_on_the_way_to_a_pause_costs_nothing()
    {
        var pausing = JobMachine.Pause(Ready(Start(Queued(min: 2), 2)), Some.Ada, Some.Noon);

        var state = Observe(pausing, Some.Seen(1, MemberCondition.Stopping, 1, 5), Some.Seen(2, MemberCondition.Failed, 1));

        (state.View!.Phase, state.View.Stopping, state.View.Placements.Single().Member).ShouldBe((JobPhase.Running, true, 1));
        state = Observe(state, Some.Seen(1, MemberCondition.Waiting, 1, 5) with { Broken = "lost rank 1" });
        (state.View!.Generation, state.View.WorldSize).ShouldBe((2, 1));
    }

    [Fact]
    public void A_warning_is_in_the_history_once_whatever_its_numbers()
    {
        var state = Running(1);
        var warned = Apply(state, new JobWarned("w1", "A checkpoint could not be written: l0000-g0001-s00000040: No space left"));
        warned.Outbox[^1].What.ShouldBe("warning");
        (warned.Outbox[^1].Who, warned.Outbox[^1].Why).ShouldBe(("worker:w1", "A checkpoint could not be written: l0000-g0001-s00000040: No space left"));

        var same = new JobWarned("w1", "A checkpoint could not be written: l0000-g0002-s00000080: No space left");
        Apply(warned, same).ShouldBeSameAs(warned);
        Apply(warned, new JobWarned("w1", "another")).HistorySequence.ShouldBe(warned.HistorySequence + 1);
        JobMachine.Apply(warned, same, Some.Noon.AddMinutes(11)).HistorySequence.ShouldBe(warned.HistorySequence + 1);
        var many = Enumerable.Range(0, 100).Aggregate(state, (now, i) => Apply(now, new JobWarned("w1", new string('x', i))));
        (many.HistorySequence - state.HistorySequence).ShouldBe(20);
    }

    [Fact]
    public void A_machine_on_which_nothing_starts_does_not_fail_a_job_that_trains_elsewhere()
    {
        var state = Running(1);
        var now = Some.Noon;
        for (var i = 0; i < 10; i++)
        {
            now = now.AddMinutes(1);
            state = JobMachine.Apply(state, new JobGrown(Some.Slots("bad")), now);
            var failed = Last(state, MemberCondition.Failed) with { Generation = 0, Failure = Some.Failure(permanent: i == 5) };
            state = JobMachine.Apply(state, Observed(state, Some.Seen(1, MemberCondition.Training, 1), failed), now);
        }

        (state.View!.Phase, state.View.Generation, state.FailuresInRow).ShouldBe((JobPhase.Running, 1, 0));
        state.View.NotBefore.ShouldBe(now.AddSeconds(30));
    }

    [Fact]
    public void A_failure_of_the_last_rank_on_the_way_to_a_pause_pauses_too()
    {
        var view = Fail(JobMachine.Pause(Running(1), Some.Ada, Some.Noon)).View!;

        (view.Phase, view.Reason).ShouldBe((JobPhase.Paused, "paused; rank 0 on worker w1 was ended by SIGKILL"));
        view.LastFailure.ShouldNotBeNull();
    }

    [Fact]
    public void A_job_without_ranks_pauses_at_once()
    {
        JobMachine.Pause(Queued(), Some.Ada, Some.Noon).View!.Phase.ShouldBe(JobPhase.Paused);
        var view = JobMachine.Pause(Apply(Queued(), new JobPlaced(Some.Slots("w1"))), Some.Ada, Some.Noon).View!;
        (view.Phase, view.Placements.Length).ShouldBe((JobPhase.Paused, 0));
        JobMachine.Pause(Start(Queued(), 2), Some.Ada, Some.Noon).View!.Phase.ShouldBe(JobPhase.Paused);
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
        Ready(Apply(preparing, new JobCorpusReady(Some.Corpus))).View!.Generation.ShouldBe(2);
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
    public void A_wish_that_is_told_again_changes_nothing()
    {
        var paused = Paused();
        JobMachine.Pause(paused, Some.Ada, Some.Noon).ShouldBeSameAs(paused);
        var resumed = JobMachine.Resume(paused, Some.Ada, Some.Noon);
        foreach (var goesOn in (JobState[])[resumed, Apply(resumed, new JobPlaced(Some.Slots("w1"))), Running(2)])
            JobMachine.Resume(goesOn, Some.Ada, Some.Noon).ShouldBeSameAs(goesOn);
    }

    [Fact]
    public void Wishes_that_do_not_fit_are_refused_with_the_jobs_state()
    {
        var ended = JobMachine.Cancel(Queued(), Some.Ada, Some.Noon);

        Should.Throw<JobChangeException>(() => JobMachine.Pause(ended, Some.Ada, Some.Noon)).Message
            .ShouldBe("Job small-aaaaa was cancelled; only a job that has not ended can be paused.");
        JobMachine.Cancel(ended, Some.Ada, Some.Noon).ShouldBeSameAs(ended);
        Should.Throw<JobChangeException>(() => JobMachine.Resume(ended, Some.Ada, Some.Noon)).Message
            .ShouldBe("Job small-aaaaa was cancelled; only a job that has not ended can be resumed.");
        Should.Throw<JobChangeException>(() => JobMachine.Resume(JobMachine.Pause(Running(1), Some.Ada, Some.Noon), Some.Ada, Some.Noon)).Message
            .ShouldContain("is still pausing");
    }

    [Fact]
    public void A_job_that_gets_no_ranks_elsewhere_stops_for_a_worker_that_leaves_and_is_queued_again()
    {
        var state = Running(1);
        var leaving = Some.Seen(1, MemberCondition.Training, 1) with { Leaving = "worker w1 leaves" };
        var waiting = Observe(state, leaving);
        (waiting.View!.Stopping, waiting.View.Reason).ShouldBe((false, "worker w1 leaves; waits for ranks elsewhere"));

        var stopping = Apply(waiting, Observed(waiting, leaving) with { HandoverAwaited = true });
        (stopping.View!.Stopping, stopping.View.Reason).ShouldBe((true, "worker w1 leaves"));
        var view = Observe(stopping, Some.Seen(1, MemberCondition.Stopped, 1)).View!;

        (view.Phase, view.Reason, view.NotBefore).ShouldBe((JobPhase.Queued, "worker w1 leaves", null));
    }

    [Fact]
    public void A_job_with_too_few_ranks_gives_its_slots_back_when_it_is_told_to()
    {
        var state = Apply(Running(1), new JobYields("job b waits"));

        (state.View!.Stopping, state.View.Reason).ShouldBe((true, "job b waits"));
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
    public void Slots_that_the_job_cannot_have_are_refused()
    {
        Should.Throw<ArgumentException>(() => Apply(Queued(), new JobPlaced(Some.Slots("w1", "w1", "w1")))).Message.ShouldContain("1 to 2");
        Should.Throw<ArgumentException>(() => Apply(Queued(), new JobPlaced([new("w1", 0), new("w1", 0)])));
        Should.Throw<ArgumentException>(() => Apply(Running(1), new JobGrown([new("w1", 0)])));
    }

    private static JobState Queued(int min = 1) => JobMachine.Create(new JobState(), Some.Submission(min: min), Some.Noon);

    /// <summary>Members on workers w1, w2, … that have not formed a generation yet.</summary>
    private static JobState Start(JobState queued, int workers) => Apply(
        Apply(queued, new JobPlaced(Some.Slots([.. Enumerable.Range(1, workers).Select(i => $"w{i}")]))), new JobCorpusReady(Some.Corpus));

    /// <summary>All members are ready, and form a generation.</summary>
    private static JobState Ready(JobState state) => Observe(
        state, [.. state.View!.Placements.Select(placement => Some.Seen(placement.Member, MemberCondition.Waiting, worker: placement.Worker))]);

    private static JobState Running(int workers) => Ready(Start(Queued(), workers));

    private static JobState Paused() => Observe(JobMachine.Pause(Running(1), Some.Ada, Some.Noon), Some.Seen(1, MemberCondition.Stopped, 1));

    private static JobState Restart(JobState state, DateTimeOffset? now = null) =>
        Ready(JobMachine.Apply(state, new JobPlaced(Some.Slots("w1")), now ?? Some.Noon));

    private static JobState Apply(JobState state, JobEvent jobEvent) => JobMachine.Apply(state, jobEvent, Some.Noon);

    /// <summary>Its newest member fails.</summary>
    private static JobState Fail(JobState state, DateTimeOffset? now = null) =>
        JobMachine.Apply(state, Observed(state, Last(state, MemberCondition.Failed)), now ?? Some.Noon);

    private static ObservedMember Last(JobState state, MemberCondition condition) =>
        Some.Seen(state.View!.LastMember, condition, state.View.Generation, worker: state.View.Placements[^1].Worker);

    private static JobObserved BadLoss(JobState state, long step, int? generation = null, int? lineage = null) => Observed(
        state,
        [
            .. state.View!.Placements.Select(placement => Some.Seen(placement.Member, MemberCondition.Waiting, generation ?? state.View.Generation) with
            {
                Lineage = lineage ?? state.View.Lineage,
                BadLoss = new BadLossReport(step, $"the loss of step {step} was NaN"),
            }),
        ]);

    private static JobState Observe(JobState state, params ObservedMember[] members) => Apply(state, Observed(state, members));

    private static JobObserved Observed(JobState state, params ObservedMember[] members) =>
        new() { Revision = state.View!.Revision, Members = [.. members] };
}
