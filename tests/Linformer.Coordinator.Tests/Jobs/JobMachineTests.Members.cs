using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Tests.Jobs;

public partial class JobMachineTests
{
    [Fact]
    public void A_failed_ranks_job_goes_on_with_the_others_at_once_and_the_history_says_what_killed_it()
    {
        var running = Running(2);
        var state = Apply(
            running,
            Observed(running, Some.Seen(1, MemberCondition.Training, 1, applied: 38), Some.Seen(2, MemberCondition.Failed, 1, applied: 41)) with { CommittedStep = 40 });

        var view = state.View!;
        (view.Phase, view.Generation, view.WorldSize).ShouldBe((JobPhase.Running, 2, 1));
        (view.Plan!.Source, view.Plan.AtOnce).ShouldBe((StateSource.Survivors, true));
        view.Placements.ShouldHaveSingleItem().Member.ShouldBe(1);
        (view.LastFailure!.Member, view.LastFailure.Rank, view.LastFailure.Generation, view.LastFailure.Step).ShouldBe((2, 1, 1, 42L));
        view.LastFailure.LastLogLines.ShouldBe(["last line"]);
        var entry = state.Outbox[^1];
        (entry.Who, entry.What, entry.Why).ShouldBe(("worker:w2", "generation 2 started with 1 rank", "rank 1 on worker w2 was ended by SIGKILL"));
    }

    [Fact]
    public void A_replacement_gets_a_number_of_its_own_and_joins_when_it_is_ready()
    {
        var smaller = Observe(Running(2), Some.Seen(1, MemberCondition.Training, 1), Some.Seen(2, MemberCondition.Failed, 1));

        var grown = Apply(smaller, new JobGrown(Some.Slots("w3")));
        grown.View!.Placements.Select(placement => placement.Member).ShouldBe([1, 3]);
        var starting = Observe(grown, Some.Seen(1, MemberCondition.Training, 2), Some.Seen(3, MemberCondition.Starting));
        starting.View!.Generation.ShouldBe(2);
        var state = Observe(starting, Some.Seen(1, MemberCondition.Training, 2), Some.Seen(3, MemberCondition.Waiting));

        state.View!.Plan!.Members.ShouldBe([1, 3]);
        state.View.Plan.AtOnce.ShouldBeFalse();
        state.Outbox[^1].Why.ShouldBe("a rank is ready on w3");
    }

    [Fact]
    public void With_nobody_left_the_job_is_queued_and_the_next_members_form_a_generation_without_the_corpus_being_asked_for()
    {
        var queued = Fail(Running(1));
        (queued.View!.Phase, queued.View.Plan, queued.View.Reason).ShouldBe((JobPhase.Queued, null, "rank 0 on worker w1 was ended by SIGKILL"));

        var view = Restart(queued).View!;

        (view.Phase, view.Generation, view.WorldSize, view.Preparations).ShouldBe((JobPhase.Running, 2, 1, 1));
        view.Plan!.Members.ShouldBe([2]);
        view.Plan.Source.ShouldBe(StateSource.Newest);
    }

    [Fact]
    public void A_first_generation_that_was_recorded_and_that_nobody_heard_of_forms_again_under_another_number_and_is_no_loss()
    {
        var started = Start(Queued(min: 2), 2);

        var state = Apply(started, Observed(started, Some.Seen(1, MemberCondition.Waiting), Some.Seen(2, MemberCondition.Waiting)) with { RecordedGeneration = 1 });

        var view = state.View!;
        (view.Generation, view.WorldSize, view.LastFailure).ShouldBe((2, 2, null));
        view.Plan!.Members.ShouldBe([1, 2]);
        state.Outbox[^1].What.ShouldBe("generation 2 started with 2 ranks");
    }

    [Fact]
    public void Below_its_fewest_ranks_a_job_waits_and_holds_state()
    {
        var running = Ready(Start(Queued(min: 2), 2));
        var state = Apply(running, Observed(running, Some.Seen(1, MemberCondition.Training, 1, 7), Some.Seen(2, MemberCondition.Lost)) with { CommittedStep = 7 });

        (state.View!.Phase, state.View.Generation, state.View.Reason).ShouldBe((JobPhase.Running, 1, "waits for 1 rank more; holds step 7"));
        state.Outbox[^1].What.ShouldBe("generation 1 lost 1 rank");
        var grown = Apply(state, new JobGrown(Some.Slots("w3")));
        var view = Observe(grown, Some.Seen(1, MemberCondition.Waiting, 1, 7), Some.Seen(3, MemberCondition.Waiting)).View!;
        (view.Generation, view.Plan!.Source, view.Plan.CommittedBefore).ShouldBe((2, StateSource.Survivors, 7L));
    }

    [Fact]
    public void Failures_in_a_row_are_tried_again_after_0_1_and_2_seconds_and_the_fourth_fails_the_job()
    {
        var state = Running(1);
        var now = Some.Noon;
        foreach (var seconds in (int[])[0, 1, 2])
        {
            now = now.AddSeconds(10);
            state = Fail(state, now);
            (state.View!.NotBefore - now ?? TimeSpan.Zero).ShouldBe(TimeSpan.FromSeconds(seconds));
            state = Restart(state, now.AddSeconds(seconds));
            state.View!.Phase.ShouldBe(JobPhase.Running);
        }

        state = Fail(state, now.AddSeconds(10));

        state.View!.Phase.ShouldBe(JobPhase.Failed);
        state.View.Reason.ShouldBe("4 failures in a row without a further step; the last: rank 0 on worker w1 was ended by SIGKILL");
    }

    [Fact]
    public void Ranks_that_are_lost_within_a_moment_count_as_one_failure()
    {
        var state = Running(2);
        for (var i = 0; i < 6; i++)
        {
            state = Fail(state, Some.Noon.AddMilliseconds(i * 300));
            if (state.View!.Phase == JobPhase.Queued)
                state = Restart(state, Some.Noon.AddMilliseconds(i * 300));
        }

        (state.View!.Phase, state.FailuresInRow, state.BadEndsInRow).ShouldBe((JobPhase.Running, 1, 1));
    }

    [Fact]
    public void It_is_not_placed_before_its_delay_is_over()
    {
        var state = Fail(Restart(Fail(Running(1))), Some.Noon.AddSeconds(10));

        JobMachine.Apply(state, new JobPlaced(Some.Slots("w1")), Some.Noon.AddSeconds(10.9)).ShouldBeSameAs(state);
    }

    [Fact]
    public void A_further_committed_step_starts_the_count_of_failures_again()
    {
        var state = Running(1);
        for (var step = 1; step <= 10; step++)
        {
            state = Apply(state, Observed(state, Last(state, MemberCondition.Failed)) with { CommittedStep = step });
            state.View!.NotBefore.ShouldBeNull();
            state = Restart(state);
        }

        state.View!.Generation.ShouldBe(11);
        state.View.Plan!.CommittedBefore.ShouldBe(10);
    }

    [Fact]
    public void A_replacement_that_fails_at_its_start_again_and_again_is_tried_with_growing_pauses_while_the_others_train()
    {
        var state = Observe(Ready(Start(Queued(), 2)), Some.Seen(1, MemberCondition.Training, 1), Some.Seen(2, MemberCondition.Lost));
        var pauses = new List<double>();
        for (var step = 1; step <= 5; step++)
        {
            state = JobMachine.Apply(state, new JobGrown(Some.Slots("w2")), Some.Noon.AddHours(step));
            var failed = Last(state, MemberCondition.Failed) with { Generation = 0 };
            state = JobMachine.Apply(
                state, Observed(state, Some.Seen(1, MemberCondition.Training, 2), failed) with { CommittedStep = step }, Some.Noon.AddHours(step));
            pauses.Add((state.View!.NotBefore - Some.Noon.AddHours(step) ?? TimeSpan.Zero).TotalSeconds);
        }

        pauses.ShouldBe([0, 1, 2, 4, 8]);
        (state.View!.Phase, state.View.Generation).ShouldBe((JobPhase.Running, 2));
    }

    [Fact]
    public void Lost_workers_do_not_count_as_failures_of_the_job()
    {
        var state = Running(1);
        for (var i = 0; i < 10; i++)
        {
            state = Observe(state, Last(state, MemberCondition.Lost));
            (state.View!.Phase, state.View.Reason).ShouldBe((JobPhase.Queued, "worker w1 is lost"));
            state.View.LastFailure!.Reason.ShouldBe("is gone: worker w1 is lost");
            state = Restart(state, Some.Noon.AddMinutes(1));
        }

        state.View!.Generation.ShouldBe(11);
    }

    [Fact]
    public void A_permanent_failure_fails_the_job_at_once()
    {
        var failed = Some.Seen(2, MemberCondition.Failed, 1) with { Failure = Some.Failure(permanent: true) };
        var view = Observe(Running(2), Some.Seen(1, MemberCondition.Training, 1), failed).View!;

        (view.Phase, view.Reason).ShouldBe((JobPhase.Failed, "rank 1 on worker w2 was ended by SIGKILL"));
    }

    [Fact]
    public void A_lost_worker_is_the_cause_of_lost_peers_and_who_only_lost_a_peer_is_not()
    {
        var peerLost = Some.Seen(1, MemberCondition.Failed, 1) with { Failure = Some.Failure(peerLost: true) };

        Observe(Running(2), peerLost, Some.Seen(2, MemberCondition.Lost)).View!.Reason.ShouldBe("worker w2 is lost");
        Observe(Running(2), peerLost, Some.Seen(2, MemberCondition.Failed, 1)).View!.LastFailure!.Member.ShouldBe(2);
    }

    [Fact]
    public void Generations_that_break_with_nobody_gone_are_tried_again_with_growing_pauses_and_the_eleventh_fails_the_job()
    {
        var state = Running(2);
        var now = Some.Noon;
        var pauses = new List<double>();
        while (state.View!.Phase == JobPhase.Running)
        {
            var generation = state.View.Generation;
            JobObserved Broken() => Observed(
                state,
                Some.Seen(1, MemberCondition.Waiting, generation) with { Broken = "lost rank 1: the connection was reset" },
                Some.Seen(2, MemberCondition.Waiting, generation) with { Broken = "lost rank 0" });
            JobMachine.Apply(state, Broken(), now).View!.Generation.ShouldBe(generation, "the cause is waited for");
            state = JobMachine.Apply(state, Broken() with { CauseAwaited = true }, now);
            if (state.View!.RegroupAt is not { } at)
                continue;
            pauses.Add((at - now).TotalSeconds);
            JobMachine.Apply(state, Broken() with { CauseAwaited = true }, now).ShouldBeSameAs(state);
            now = at;
            state = JobMachine.Apply(state, Broken() with { CauseAwaited = true }, now);
        }

        pauses.ShouldBe([1, 2, 4, 8, 16, 30, 30, 30, 30]);
        (state.View.Phase, state.View.Generation).ShouldBe((JobPhase.Failed, 11));
        state.View.Reason.ShouldBe("11 generations in a row broke without a further step; the last: rank 0 on worker w1 lost rank 1: the connection was reset");
        state.View.LastFailure!.Reason.ShouldBe("lost rank 1: the connection was reset");
    }

    [Fact]
    public void A_bad_loss_starts_a_new_lineage_that_leaves_the_step_out()
    {
        var state = Running(2);
        state = Apply(state, BadLoss(state, step: 100) with { CommittedStep = 99 });

        (state.View!.Lineage, state.View.Generation, state.View.Plan).ShouldBe((1, 1, null));
        state.View.Lineages.ShouldBe([new LineageChange(99, 100, "the loss of step 100 was NaN")]);
        state.CommittedStep.ShouldBe(0);
        var entry = state.Outbox[^1];
        (entry.What, entry.Why).ShouldBe(("lineage 1 started: back to the newest checkpoint before step 100", "the loss of step 100 was NaN; step 100 is left out"));

        // What the members report of the generation before does not count again.
        var formed = Apply(state, BadLoss(state, step: 100, generation: 1, lineage: 0));
        var view = formed.View!;
        (view.Generation, view.Plan!.Lineage, view.Plan.Source, view.Plan.AtOnce).ShouldBe((2, 1, StateSource.Newest, true));
        Apply(formed, BadLoss(formed, step: 100, generation: 1, lineage: 0)).View!.Lineage.ShouldBe(1);
    }

    [Fact]
    public void A_job_goes_back_ten_times()
    {
        var state = Running(2);
        for (var step = 1; step <= JobMachine.MostLineages; step++)
            state = Ready(Apply(state, BadLoss(state, step)));
        state.View!.Lineage.ShouldBe(10);

        var view = Apply(state, BadLoss(state, 50)).View!;

        (view.Phase, view.Reason).ShouldBe((JobPhase.Failed, "it went back 10 times for a bad loss, and step 50 has one again: the loss of step 50 was NaN"));
    }

    [Fact]
    public void A_slow_rank_is_told_of_once_with_its_number()
    {
        var state = Running(2);
        var slow = Apply(state, new JobStragglers(1, [new SlowMember(2, 2.34)]));

        slow.View!.Slow.ShouldBe([new SlowMember(2, 2.34)]);
        (slow.Outbox[^1].What, slow.Outbox[^1].Why).ShouldBe(("rank 1 on worker w2 is slow", "2.3 times the others' step time"));
        Apply(slow, new JobStragglers(1, [new SlowMember(2, 3)])).ShouldBeSameAs(slow);
        var well = Apply(slow, new JobStragglers(1, []));
        (well.View!.Slow.Length, well.HistorySequence).ShouldBe((0, slow.HistorySequence));
        Apply(slow, new JobStragglers(0, [])).ShouldBeSameAs(slow);
    }

    [Fact]
    public void Log_lines_of_a_failure_are_bounded()
    {
        var failure = Some.Failure() with { LastLogLines = [.. Enumerable.Repeat(new string('x', 10_000), 100)], Reason = new string('y', 10_000) };

        var kept = Observe(Running(1), Some.Seen(1, MemberCondition.Failed, 1) with { Failure = failure }).View!.LastFailure!;

        (kept.LastLogLines.Length, kept.LastLogLines.Max(line => line.Length), kept.Reason.Length).ShouldBe((20, 500, 2000));
    }

    [Fact]
    public void What_was_seen_of_an_older_generation_and_of_members_that_are_gone_changes_nothing()
    {
        var before = Running(2);
        var late = Observed(before, Some.Seen(1, MemberCondition.Failed, 1), Some.Seen(2, MemberCondition.Failed, 1));
        var state = Observe(before, Some.Seen(1, MemberCondition.Training, 1), Some.Seen(2, MemberCondition.Failed, 1));

        Apply(state, late).ShouldBeSameAs(state);
        Observe(state, Some.Seen(1, MemberCondition.Training, 2), Some.Seen(2, MemberCondition.Failed, 1)).ShouldBeSameAs(state);
    }

    [Theory]
    [InlineData("{\"steps\":5}", 5)]
    [InlineData("{}", null)]
    [InlineData("no JSON", null)]
    [InlineData("[5]", null)]
    [InlineData("{\"steps\":\"5\"}", null)]
    public void Rank_0_at_its_end_makes_the_job_a_success_with_the_steps_that_it_took(string summary, int? steps)
    {
        var state = Observe(Running(2), Some.Seen(2, MemberCondition.Training, 1), Some.Seen(1, MemberCondition.Finished, 1) with { Summary = summary });

        (state.View!.Phase, state.View.Summary, state.View.EndedAt).ShouldBe((JobPhase.Succeeded, summary, Some.Noon));
        state.View.TotalSteps.ShouldBeGreaterThan(5);
        (state.Outbox[^1].What, state.Outbox[^1].Step).ShouldBe(("succeeded", steps ?? state.View.TotalSteps));
    }

    [Fact]
    public void Another_rank_at_its_end_does_not_while_rank_0_lives()
    {
        var state = Running(2);
        var finished = Some.Seen(2, MemberCondition.Finished, 1) with { Summary = "{}" };

        Observe(state, Some.Seen(1, MemberCondition.Training, 1), finished).ShouldBeSameAs(state);
        Observe(state, Some.Seen(1, MemberCondition.Absent), finished).ShouldBeSameAs(state);
        Observe(state, Some.Seen(1, MemberCondition.Lost), finished).View!.Phase.ShouldBe(JobPhase.Succeeded);
    }

    [Fact]
    public void Ranks_that_stopped_by_themselves_are_waited_for_and_the_job_is_queued_again()
    {
        var half = Observe(Running(2), Some.Seen(1, MemberCondition.Training, 1), Some.Seen(2, MemberCondition.Stopped, 1) with { Leaving = "worker w2 leaves" });
        (half.View!.Stopping, half.View.Reason).ShouldBe((true, "worker w2 leaves"));

        var view = Observe(half, Some.Seen(1, MemberCondition.Stopped, 1), Some.Seen(2, MemberCondition.Stopped, 1)).View!;

        (view.Phase, view.Reason).ShouldBe((JobPhase.Queued, "worker w2 leaves"));
    }
}
