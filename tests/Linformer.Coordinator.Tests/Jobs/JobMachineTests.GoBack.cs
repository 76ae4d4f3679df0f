using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Tests.Jobs;

/// <summary>Going back to a checkpoint that a person has chosen.</summary>
public partial class JobMachineTests
{
    private static readonly JobGoBack ToHundred = new("l0000-g0001-s00000100", 0, 100, 0, new JobChange("person:ada", "the loss rose"));

    [Fact]
    public void Ranks_that_train_go_back_at_once_in_a_new_lineage()
    {
        var state = Running(2) with { CommittedStep = 150, FailuresInRow = 2 };

        var back = JobMachine.GoBack(state, ToHundred with { SkipSteps = 3 }, Some.Noon);

        var view = back.View!;
        (view.Phase, view.Lineage, view.Plan, view.Placements.Length).ShouldBe((JobPhase.Running, 1, null, 2));
        view.Lineages.ShouldBe([new LineageChange(100, 101, "the loss rose", ToHundred.Checkpoint, 3, "person:ada", Some.Noon)]);
        LineageChange.SkippedBy(view.Lineages).ShouldBe([101L, 102, 103]);
        (back.CommittedStep, back.FailuresInRow).ShouldBe((0L, 0));
        var entry = back.Outbox[^1];
        (entry.Who, entry.What, entry.Why, entry.Lineage, entry.Step).ShouldBe(
            ("person:ada", "lineage 1 started: back to checkpoint l0000-g0001-s00000100, steps 101 to 103 are left out", "the loss rose", 1, 150L));
        // They still train in the generation before, until they hear of this one.
        var formed = Apply(back, new JobObserved
        {
            Revision = view.Revision,
            Members = [Some.Seen(1, MemberCondition.Training, 1, 150), Some.Seen(2, MemberCondition.Training, 1, 150)],
        });
        (formed.View!.Generation, formed.View.Plan!.Lineage, formed.View.Plan.Source, formed.View.Plan.AtOnce).ShouldBe((2, 1, StateSource.Newest, true));
    }

    [Fact]
    public void A_wish_whose_answer_was_lost_starts_no_second_lineage()
    {
        var back = JobMachine.GoBack(Running(2), ToHundred, Some.Noon);

        JobMachine.GoBack(back, ToHundred, Some.Noon.AddHours(1)).ShouldBeSameAs(back, "nothing is committed yet");
        var further = back with { CommittedStep = 101 };
        JobMachine.GoBack(further, ToHundred, Some.Noon.AddSeconds(59)).ShouldBeSameAs(further);
        JobMachine.GoBack(further, ToHundred, Some.Noon.AddSeconds(61)).View!.Lineage.ShouldBe(2);
        JobMachine.GoBack(further, ToHundred with { SkipSteps = 1 }, Some.Noon).View!.Lineage.ShouldBe(2);
        JobMachine.GoBack(further, ToHundred with { Change = new JobChange("person:bob", "the loss rose") }, Some.Noon).View!.Lineage.ShouldBe(2);
        var cancelled = JobMachine.Cancel(back, Some.Ada, Some.Noon);
        JobMachine.GoBack(cancelled, ToHundred, Some.Noon).View!.Phase.ShouldBe(JobPhase.Queued);
    }

    [Fact]
    public void A_job_without_ranks_is_queued_whatever_it_was()
    {
        var running = Running(2);
        var paused = JobMachine.Pause(Queued(), Some.Ada, Some.Noon);
        var failed = Observe(running, Some.Seen(1, MemberCondition.Failed, 1) with { Failure = Some.Failure(permanent: true) });
        failed.View!.Phase.ShouldBe(JobPhase.Failed);
        foreach (var state in (JobState[])[Queued(), paused, failed, JobMachine.Cancel(running, Some.Ada, Some.Noon), JobMachine.Pause(running, Some.Ada, Some.Noon)])
        {
            var back = JobMachine.GoBack(state, ToHundred, Some.Noon);

            var view = back.View!;
            (view.Phase, view.Wish, view.Lineage, view.Placements.Length, view.EndedAt, view.Stopping).ShouldBe((JobPhase.Queued, JobWish.Train, 1, 0, null, false));
            // Files may have changed while it did not run.
            back.CorpusToCheck.ShouldBe(state.View!.Phase is JobPhase.Paused or JobPhase.Failed or JobPhase.Cancelled);
            Apply(back, new JobPlaced(Some.Slots("w1"))).View!.Placements.Length.ShouldBe(1);
        }
        var preparing = Apply(Queued(), new JobPlaced(Some.Slots("w1")));
        (JobMachine.GoBack(preparing, ToHundred, Some.Noon).View! is { Phase: JobPhase.Preparing, Lineage: 1, Placements.Length: 1 }).ShouldBeTrue();
    }

    [Fact]
    public void What_does_not_count_or_cannot_be_is_refused_with_the_reason()
    {
        string Refused(JobState state, JobGoBack wish) => Should.Throw<JobChangeException>(() => JobMachine.GoBack(state, wish, Some.Noon)).Message;

        var succeeded = Observe(Running(1), Some.Seen(1, MemberCondition.Finished, 1) with { Summary = "{}" });
        Refused(succeeded, ToHundred).ShouldContain("has succeeded");
        Refused(new JobState(), ToHundred).ShouldContain("no such job");
        Refused(Running(1), ToHundred with { SkipSteps = 900 }).ShouldContain("has 900 steps after");
        JobMachine.GoBack(Running(1), ToHundred with { SkipSteps = 899 }, Some.Noon).View!.Lineage.ShouldBe(1);
        Refused(Running(1), ToHundred with { Lineage = 1 }).ShouldContain("has not begun");
        var back = JobMachine.GoBack(Running(1), ToHundred, Some.Noon);
        Refused(back, new JobGoBack("l0000-g0001-s00000120", 0, 120, 0, Some.Ada)).ShouldContain("only the steps up to 100 were kept");
        // What the newest lineage wrote itself counts, and so does what was kept of the one before.
        JobMachine.GoBack(back, new JobGoBack("l0001-g0002-s00000120", 1, 120, 0, Some.Ada), Some.Noon).View!.Lineage.ShouldBe(2);
        JobMachine.GoBack(back, new JobGoBack("l0000-g0001-s00000050", 0, 50, 0, Some.Ada), Some.Noon).View!.Lineage.ShouldBe(2);
    }

    [Fact]
    public void A_choice_with_which_nothing_was_trained_keeps_no_one_from_another()
    {
        var lost = new JobGoBack("l0000-g0001-s00000200", 0, 200, 0, Some.Ada);
        // The checkpoint went before the ranks could read it.
        var back = JobMachine.GoBack(Running(1), ToHundred with { SkipSteps = 5 }, Some.Noon);
        var failed = back with { View = back.View! with { Phase = JobPhase.Failed } };

        var view = JobMachine.GoBack(failed, lost, Some.Noon.AddMinutes(5)).View!;

        view.Lineage.ShouldBe(2);
        LineageChange.CountsUpTo(view.Lineages, 0).ShouldBe(200);
        LineageChange.SkippedBy(view.Lineages).ShouldBeEmpty();
        Should.Throw<JobChangeException>(() => JobMachine.GoBack(failed with { CommittedStep = 101 }, lost, Some.Noon.AddMinutes(5))).Message.ShouldContain("only the steps up to 100");
    }

    [Fact]
    public void A_job_that_ends_as_it_goes_back_goes_back()
    {
        var back = JobMachine.GoBack(Running(2), ToHundred, Some.Noon);

        // Both had done the last step when the person asked.
        var queued = Observe(back, Some.Seen(1, MemberCondition.Finished, 1) with { Summary = "{}" }, Some.Seen(2, MemberCondition.Finished, 1));
        (queued.View!.Phase, queued.View.Lineage, queued.View.Placements.Length).ShouldBe((JobPhase.Queued, 1, 0));
        // Nor does a failure of the lineage that does not count end it.
        var failed = Observe(back, Some.Seen(1, MemberCondition.Failed, 1) with { Failure = Some.Failure(permanent: true) }, Some.Seen(2, MemberCondition.Waiting, 1));
        failed.View!.HasEnded.ShouldBeFalse();
    }

    [Fact]
    public void A_choice_is_no_return_for_a_bad_loss()
    {
        var state = Running(2);
        for (var step = 1; step <= JobMachine.MostLineages; step++)
            state = Ready(Apply(state, BadLoss(state, step + 100)));
        state = Ready(JobMachine.GoBack(state, ToHundred, Some.Noon));

        var view = Apply(state, BadLoss(state, 150)).View!;

        (view.HasEnded, view.Lineage).ShouldBe((false, 12));
        // Steps with a bad loss stay left out.
        LineageChange.SkippedBy(view.Lineages).ShouldBe([101L, 102, 103, 104, 105, 106, 107, 108, 109, 110, 150]);
    }

    [Fact]
    public void Steps_that_a_person_left_out_before_are_taken_again_after_a_later_choice()
    {
        var state = JobMachine.GoBack(Running(1), ToHundred with { SkipSteps = 20 }, Some.Noon);
        state = JobMachine.GoBack(state, new JobGoBack("l0001-g0002-s00000110", 1, 110, 2, Some.Ada), Some.Noon);

        LineageChange.SkippedBy(state.View!.Lineages).Order().ShouldBe([.. Enumerable.Range(101, 12).Select(step => (long)step)]);
    }
}
