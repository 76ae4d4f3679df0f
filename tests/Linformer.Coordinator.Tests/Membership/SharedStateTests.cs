using System.Collections.Immutable;
using Linformer.Coordinator.Jobs;
using Decisions = Linformer.Coordinator.Jobs.Membership;

namespace Linformer.Coordinator.Tests.Membership;

/// <summary>The rules for jobs whose ranks each hold a part of the state: their own and the next rank's.</summary>
public class SharedStateTests
{
    [Fact]
    public void A_generation_goes_on_at_once_when_its_ranks_hold_everything_together()
    {
        var view = View(min: 1, max: 4, [1, 2, 3, 4], gone: [2]);

        Formed(Decide(view, [Waiting(1), Waiting(3), Waiting(4)])).ShouldBe("1 3 4 Survivors at once");
        // Two that are no neighbours.
        var two = View(min: 1, max: 4, [1, 2, 3, 4], gone: [2, 4]);
        Formed(Decide(two, [Waiting(1), Waiting(3)])).ShouldBe("1 3 Survivors at once");
        // Of two ranks each holds everything.
        Formed(Decide(View(min: 1, max: 4, [1, 2], gone: [1]), [Waiting(2)])).ShouldBe("2 Survivors at once");
    }

    [Fact]
    public void A_part_that_may_come_back_is_waited_for_and_one_that_cannot_is_not()
    {
        var view = View(min: 1, max: 4, [1, 2, 3, 4], gone: [2]);

        Decide(view, [Waiting(1), Some.Seen(3, MemberCondition.Absent), Waiting(4)]).ShouldBe(new Stay("waits for worker w3 to come back, whose rank may hold step 10"));
        var lost = View(min: 1, max: 4, [1, 2, 3, 4], gone: [2, 3]);
        Formed(Decide(lost, [Waiting(1), Waiting(4)])).ShouldBe("1 4 Newest at once");
        // The same where each rank has everything is no reason to wait, nor to go back.
        Formed(Decide(view with { SharesState = false }, [Waiting(1), Some.Seen(3, MemberCondition.Absent), Waiting(4)])).ShouldBe("1 4 Survivors at once");
        Formed(Decide(lost with { SharesState = false }, [Waiting(1), Waiting(4)])).ShouldBe("1 4 Survivors at once");
    }

    [Fact]
    public void A_checkpoint_is_written_by_all_that_hold_a_part()
    {
        var view = View(min: 1, max: 3, [1, 2, 3], gone: [3]) with { Stopping = true, Reason = "pausing" };

        Formed(Decide(view, [Waiting(1), Waiting(2)])).ShouldBe("1 2 Survivors at once");
        // The first one may yet leave the broken generation.
        Decide(view, [Training(1) with { Condition = MemberCondition.Stopping }, Waiting(2)]).ShouldBe(new Stay("pausing"));
        // Nobody has the part of one that is not where the others are; those that are left find that out by themselves.
        Formed(Decide(view, [Waiting(1) with { AppliedStep = 3 }, Waiting(2)])).ShouldBe("2 Survivors at once");
        Decide(view, [Waiting(1) with { AppliedStep = 3 }, Waiting(2) with { AppliedStep = 3 }]).ShouldBeOfType<Dissolve>();
    }

    [Fact]
    public void Until_a_generation_has_taken_over_the_state_it_is_cut_as_before()
    {
        var view = View(min: 1, max: 4, [1, 2, 3], gone: [2]);
        view = view with { Plan = view.Plan! with { Generation = 2, Members = [1, 2], CutBefore = [1, 2, 3], CommittedBefore = 10 } };
        var absent = Some.Seen(3, MemberCondition.Absent);

        Decide(view, [Waiting(1), absent]).ShouldBe(new Stay("waits for worker w3 to come back, whose rank may hold step 10"));
        Formed(Decide(view, [Waiting(1), Waiting(3)])).ShouldBe("1 3 Survivors at once");
        // Each of two ranks has everything.
        Formed(Decide(view, [Training(1) with { Generation = 2, AppliedStep = 10 }, absent])).ShouldBe("1 Survivors at once");
    }

    [Fact]
    public void Neighbours_that_leave_do_so_one_after_the_other()
    {
        var view = View(min: 1, max: 4, [1, 2, 3, 4]);
        static ObservedMember Leaving(ObservedMember member) => member with { Leaving = "worker w2 leaves" };

        // Ranks 1 and 2 have the part of rank 2.
        Formed(Decide(view, [Training(1), Leaving(Training(2)), Leaving(Training(3)), Training(4)])).ShouldBe("1 2 4 Survivors");
        var next = view with { Plan = view.Plan! with { Members = [1, 2, 4] } };
        Formed(Decide(next, [Training(1), Leaving(Training(2)), Leaving(Waiting(3)), Training(4)])).ShouldBe("1 4 Survivors");
        // Those that are no neighbours leave together.
        Formed(Decide(view, [Training(1), Leaving(Training(2)), Training(3), Leaving(Training(4))])).ShouldBe("1 3 Survivors");
        // When one is gone, another that leaves may have the last copy of its part.
        var gone = View(min: 1, max: 4, [1, 2, 3, 4], gone: [2]);
        Formed(Decide(gone, [Waiting(1), Leaving(Waiting(3)), Waiting(4)])).ShouldBe("1 3 4 Survivors at once");
    }

    [Fact]
    public void When_all_leave_as_few_as_have_everything_stay_with_the_newcomers_and_all_are_gone_in_the_end()
    {
        for (var ranks = 3; ranks <= 7; ranks++)
        {
            ImmutableArray<int> old = [.. Enumerable.Range(1, ranks)];
            var view = View(min: 1, max: ranks, [.. Enumerable.Range(1, 2 * ranks)]);
            view = view with { Plan = view.Plan! with { Members = old } };
            var changes = 0;
            while (view.Plan!.Members.Any(old.Contains))
            {
                var before = view.Plan.Members;
                ImmutableArray<ObservedMember> seen =
                [
                    .. view.Placements.Select(place => (before.Contains(place.Member) ? Training(place.Member) : Waiting(place.Member) with { HoldsState = false, Generation = 0 }) with
                    {
                        Leaving = old.Contains(place.Member) ? "worker w1 leaves" : "",
                    }),
                ];
                var form = Decide(view, seen).ShouldBeOfType<Form>();
                // Of any two neighbours one goes on.
                var kept = before.Select(form.Members.Contains).ToList();
                Enumerable.Range(0, kept.Count).ShouldAllBe(i => kept[i] || kept[(i + 1) % kept.Count]);
                view = view with { Plan = view.Plan with { Members = form.Members } };
                (++changes).ShouldBeLessThan(10);
            }
        }
    }

    [Fact]
    public void Neighbours_are_on_different_workers_as_far_as_there_are_such()
    {
        var view = View(min: 1, max: 5, [1, 2, 3, 4, 5]) with { Plan = null, Generation = 0 };
        ImmutableArray<ObservedMember> seen = [.. Enumerable.Range(1, 5).Select(member => Waiting(member) with { Worker = member <= 2 ? "w1" : "w2", HoldsState = false, Generation = 0 })];

        Formed(Decide(view, seen)).ShouldBe("1 3 2 4 5 Newest at once");
        Formed(Decide(view with { SharesState = false }, seen)).ShouldBe("1 2 3 4 5 Newest at once");
    }

    private static JobView View(int min, int max, ImmutableArray<int> members, ImmutableArray<int>? gone = null) => new()
    {
        JobId = "job",
        Name = "job",
        Phase = JobPhase.Running,
        JobJson = "{}",
        Submitter = "person:ada",
        RanksMin = min,
        RanksMax = max,
        SharesState = true,
        Placements = Some.Members([.. members.Select(member => $"w{member}")]).RemoveAll(placement => gone?.Contains(placement.Member) == true),
        LastMember = members.Length,
        Generation = 1,
        Plan = new GenerationPlan { Generation = 1, Members = members, CommittedBefore = 5 },
    };

    private static ObservedMember Waiting(int member) => Some.Seen(member, MemberCondition.Waiting, 1, 10);

    private static ObservedMember Training(int member) => Some.Seen(member, MemberCondition.Training, 1, 9);

    private static MembershipDecision Decide(JobView view, ImmutableArray<ObservedMember> members) =>
        Decisions.Decide(view, new JobObserved { Members = members, CommittedStep = 10 }, Some.Noon);

    private static string Formed(MembershipDecision decision)
    {
        var form = decision.ShouldBeOfType<Form>();
        return $"{string.Join(' ', form.Members)} {form.Source}{(form.AtOnce ? " at once" : "")}";
    }
}
