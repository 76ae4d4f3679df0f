using System.Collections.Immutable;
using Linformer.Coordinator.Jobs;
using Decisions = Linformer.Coordinator.Jobs.Membership;

namespace Linformer.Coordinator.Tests.Membership;

/// <summary>Each rule of the membership decision by an example.</summary>
public class MembershipTests
{
    [Fact]
    public void The_first_generation_waits_for_all_or_for_as_many_as_it_needs_after_a_while()
    {
        var view = View(min: 2, max: 3, members: 3);
        ImmutableArray<ObservedMember> seen = [Waiting(1), Waiting(2), Some.Seen(3, MemberCondition.Starting)];

        Decide(view, seen).ShouldBe(new Stay("its ranks start"));
        Formed(Decide(view, Seen(seen) with { StartAwaited = true })).ShouldBe("1 2 Newest at once");
        Formed(Decide(view, [Waiting(1), Waiting(2), Waiting(3)])).ShouldBe("1 2 3 Newest at once");
        Decide(view, Seen([Waiting(1), Some.Seen(2, MemberCondition.Starting), Some.Seen(3, MemberCondition.Starting)]) with { StartAwaited = true }).ShouldBeOfType<Stay>();
    }

    [Fact]
    public void The_others_go_on_at_once_when_a_rank_is_gone_whether_they_have_noticed_or_not()
    {
        var view = View(min: 1, max: 3, members: 3, plan: [1, 2, 3], gone: 2);

        Formed(Decide(view, [Training(1, 9), Waiting(3, generation: 1, applied: 10)])).ShouldBe("1 3 Survivors at once");
        // A replacement that happens to be ready comes along.
        Formed(Decide(view with { Placements = view.Placements.Add(new Placement(4, "w4", 0, Some.Noon)) }, [Training(1, 9), Training(3, 9), Waiting(4)]))
            .ShouldBe("1 3 4 Survivors at once");
    }

    [Fact]
    public void A_broken_generation_waits_for_the_cause_and_is_formed_again_without_one()
    {
        var view = View(min: 1, max: 2, members: 2, plan: [1, 2]);
        ImmutableArray<ObservedMember> seen = [Waiting(1, generation: 1, applied: 10) with { Broken = "lost rank 1" }, Training(2, 10)];

        Decide(view, seen).ShouldBe(new Stay("its generation broke; waits for the cause"));
        var form = Decide(view, Seen(seen) with { CauseAwaited = true }).ShouldBeOfType<Form>();
        (form.Broken, form.Reason).ShouldBe((true, "rank 0 on worker w1 lost rank 1"));
        Decide(view with { RegroupAt = Some.Noon.AddSeconds(1), Reason = "later" }, Seen(seen) with { CauseAwaited = true }).ShouldBe(new Stay("later"));
    }

    [Fact]
    public void Nothing_is_formed_without_a_holder_while_one_may_come_back()
    {
        var view = View(min: 1, max: 2, members: 2, plan: [1, 2], gone: 1) with { Placements = [.. Some.Members("w1", "w2", "w3").Skip(1)] };
        var absent = Some.Seen(2, MemberCondition.Absent);

        Decide(view, [absent, Waiting(3)]).ShouldBe(new Stay("waits for worker w2 to come back, whose rank may hold step 10"));
        // One that has committed nothing has nothing to lose.
        Formed(Decide(view, Seen([absent, Waiting(3)]) with { CommittedStep = 0, StartAwaited = true })).ShouldBe("3 Newest at once");
        // With a holder, nobody waits for the absent one.
        Formed(Decide(view with { Placements = Some.Members("w1", "w2"), Plan = view.Plan! with { Members = [1, 2, 9] } }, [Training(1, 9), absent]))
            .ShouldBe("1 Survivors at once");
    }

    [Fact]
    public void A_rank_whose_status_is_late_may_hold_what_nobody_else_does()
    {
        var view = View(min: 2, max: 2, members: 2, plan: [1, 2], gone: 2);

        // Its status is of before it heard of the generation, and yet that has committed.
        Decide(view, [Waiting(1)]).ShouldBe(new Stay("waits to hear of the rank on worker w1, which may hold step 10"));
    }

    [Fact]
    public void Who_trains_in_the_generation_that_committed_holds_even_if_its_step_is_told_late_and_who_left_before_does_not()
    {
        var view = View(min: 1, max: 2, members: 2, plan: [1, 2], gone: 2);

        Formed(Decide(view, [Training(1, applied: 3)])).ShouldBe("1 Survivors at once");
        Decide(view, [Waiting(1, generation: 1, applied: 3)]).ShouldBeOfType<Form>().Source.ShouldBe(StateSource.Newest);
    }

    [Fact]
    public void With_too_few_ranks_the_job_holds_state_and_without_any_it_is_dissolved()
    {
        var view = View(min: 2, max: 2, members: 2, plan: [1, 2], gone: 2);

        Decide(view, [Training(1, 10)]).ShouldBe(new Stay("waits for 1 rank more; holds step 10"));
        Decide(view with { Placements = [new Placement(3, "w3", 0, Some.Noon)] }, [Some.Seen(3, MemberCondition.Starting)]).ShouldBeOfType<Dissolve>();
        Decide(view with { Placements = [] }, []).ShouldBe(new Dissolve("no rank is left"));
    }

    [Fact]
    public void A_ready_rank_joins_at_a_step_boundary_once_the_others_train_and_up_to_the_most()
    {
        var view = View(min: 1, max: 2, members: 3, plan: [1]);

        Formed(Decide(view, [Training(1, 9), Waiting(2), Waiting(3)])).ShouldBe("1 2 Survivors");
        Decide(view, [Some.Seen(1, MemberCondition.Joining, 1), Waiting(2), Waiting(3)]).ShouldBe(new Stay(""));
        Decide(view, [Training(1, 9), Some.Seen(2, MemberCondition.Starting), Some.Seen(3, MemberCondition.Starting)]).ShouldBe(new Stay(""));
        var full = view with { Plan = view.Plan! with { Members = [1, 2] } };
        Decide(full, [Training(1, 9), Training(2, 9), Waiting(3)]).ShouldBeOfType<Release>().Members.ShouldBe([3]);
    }

    [Fact]
    public void Ranks_on_a_worker_that_leaves_hand_over_at_a_step_boundary_and_stay_until_the_others_train()
    {
        var view = View(min: 1, max: 2, members: 2, plan: [1, 2]);
        var leaving = Training(1, 9) with { Leaving = "worker w1 leaves" };

        var form = Decide(view, [leaving, Training(2, 9)]).ShouldBeOfType<Form>();
        (Formed(form), form.Reason).ShouldBe(("2 Survivors", "worker w1 leaves"));

        var handed = view with { Plan = view.Plan! with { Members = [2] } };
        Decide(handed, [leaving, Some.Seen(2, MemberCondition.Joining, 1)]).ShouldBe(new Stay(""));
        Decide(handed, [leaving with { Condition = MemberCondition.Waiting }, Training(2, 9)]).ShouldBeOfType<Release>().Members.ShouldBe([1]);
    }

    [Fact]
    public void When_all_ranks_leave_one_gives_its_state_to_the_newcomers_first()
    {
        var view = View(min: 1, max: 2, members: 3, plan: [1, 2]);
        ObservedMember Leaving(int member) => Training(member, 9) with { Leaving = "worker w1 leaves" };

        Decide(view, [Leaving(1), Leaving(2), Some.Seen(3, MemberCondition.Starting)]).ShouldBe(new Stay("worker w1 leaves; waits for ranks elsewhere"));
        Formed(Decide(view, [Leaving(1), Leaving(2), Waiting(3)])).ShouldBe("1 3 Survivors");
        var together = view with { Plan = view.Plan! with { Members = [1, 3] } };
        Formed(Decide(together, [Leaving(1), Leaving(2) with { Condition = MemberCondition.Waiting }, Training(3, 9)])).ShouldBe("3 Survivors");
        // The same when a rank is gone meanwhile.
        var broken = view with { Placements = [.. view.Placements.Skip(1)] };
        Formed(Decide(broken, [Leaving(2), Waiting(3)])).ShouldBe("2 3 Survivors at once");
    }

    [Fact]
    public void Without_ranks_elsewhere_the_job_stops_with_a_checkpoint()
    {
        var view = View(min: 1, max: 2, members: 1, plan: [1]);
        var leaving = Training(1, 9) with { Leaving = "worker w1 leaves" };

        Decide(view, Seen([leaving]) with { HandoverAwaited = true }).ShouldBe(new StopAll("worker w1 leaves"));
        Decide(view with { RanksMax = 1 }, [leaving]).ShouldBe(new StopAll("worker w1 leaves"));
        // Also one that waits with too few ranks.
        var holds = View(min: 2, max: 2, members: 2, plan: [1, 2], gone: 2);
        Decide(holds, Seen([leaving]) with { HandoverAwaited = true }).ShouldBe(new StopAll("worker w1 leaves"));
    }

    [Fact]
    public void While_it_stops_survivors_form_a_generation_that_reaches_a_checkpoint()
    {
        var view = View(min: 2, max: 2, members: 2, plan: [1, 2], gone: 2) with { Stopping = true, Reason = "pausing" };

        Formed(Decide(view, [Waiting(1, generation: 1, applied: 10)])).ShouldBe("1 Survivors at once");
        // It has not noticed yet that the other rank is gone, or writes the checkpoint.
        Decide(view, [Training(1, 10) with { Condition = MemberCondition.Stopping }]).ShouldBe(new Stay("pausing"));
        Decide(view, [Some.Seen(1, MemberCondition.Absent)]).ShouldBeOfType<Stay>();
        // One of them is enough, and cannot lose the others again.
        var three = View(min: 2, max: 3, members: 3, plan: [1, 2, 3], gone: 3) with { Stopping = true };
        Formed(Decide(three, [Waiting(1, generation: 1, applied: 9), Waiting(2, generation: 1, applied: 10)])).ShouldBe("2 Survivors at once");
        Decide(view, [Waiting(1, generation: 1, applied: 3)]).ShouldBeOfType<Dissolve>();
        var whole = view with { Placements = Some.Members("w1", "w2", "w3") };
        Decide(whole, [Some.Seen(1, MemberCondition.Stopped, 1), Some.Seen(2, MemberCondition.Stopped, 1), Waiting(3)]).ShouldBe(new Dissolve("pausing"));
    }

    [Fact]
    public void A_generation_that_storage_has_and_the_job_does_not_is_followed_by_another()
    {
        var view = View(min: 1, max: 1, members: 1, plan: [1]);

        Formed(Decide(view, Seen([Training(1, 9)]) with { RecordedGeneration = 2 })).ShouldBe("1 Survivors");
        Decide(view, Seen([Training(1, 9)]) with { RecordedGeneration = 1 }).ShouldBe(new Stay(""));
    }

    private static JobView View(int min, int max, int members, ImmutableArray<int>? plan = null, int gone = 0) => new()
    {
        JobId = "job",
        Name = "job",
        Phase = JobPhase.Running,
        JobJson = "{}",
        Submitter = "person:ada",
        RanksMin = min,
        RanksMax = max,
        Placements = Some.Members([.. Enumerable.Range(1, members).Select(i => $"w{i}")]).RemoveAll(placement => placement.Member == gone),
        LastMember = members,
        Generation = plan is null ? 0 : 1,
        Plan = plan is { } ranks ? new GenerationPlan { Generation = 1, Members = ranks, CommittedBefore = 5 } : null,
    };

    private static ObservedMember Waiting(int member, int generation = 0, long applied = 0) => Some.Seen(member, MemberCondition.Waiting, generation, applied);

    private static ObservedMember Training(int member, long applied) => Some.Seen(member, MemberCondition.Training, 1, applied);

    private static JobObserved Seen(ImmutableArray<ObservedMember> members) => new() { Members = members, CommittedStep = 10 };

    private static MembershipDecision Decide(JobView view, ImmutableArray<ObservedMember> members) => Decide(view, Seen(members));

    private static MembershipDecision Decide(JobView view, JobObserved seen) => Decisions.Decide(view, seen, Some.Noon);

    private static string Formed(MembershipDecision decision)
    {
        var form = decision.ShouldBeOfType<Form>();
        return $"{string.Join(' ', form.Members)} {form.Source}{(form.AtOnce ? " at once" : "")}";
    }
}
