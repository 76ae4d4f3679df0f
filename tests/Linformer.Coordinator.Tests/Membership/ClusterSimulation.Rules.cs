using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Tests.Membership;

internal sealed partial class ClusterSimulation
{
    private long _furthest;
    private int _lineage;

    /// <summary>Something happens that may cost state: a process ends, or a worker's lease.</summary>
    private void Fault(string what, Action act)
    {
        Log.Add($"FAULT {what}");
        act();
        CheckCommits();
    }

    /// <summary>Something happens that must not cost a committed step.</summary>
    private void Event(string what, Action act)
    {
        var (lineage, committed) = (_stored.Lineage, _stored.Committed);
        var before = Recoverable();
        Log.Add($"{what}: {View.Phase}, generation {View.Generation}, committed {committed}, held {before}");
        act();
        CheckCommits();
        // A new lineage goes back on purpose.
        if (before >= committed && !View.HasEnded && _stored.Lineage == lineage && View.Lineage == lineage && Recoverable() < committed)
            Recoverable().ShouldBeGreaterThanOrEqualTo(committed, $"step {committed} is committed, was held, and is lost by: {what}");
    }

    /// <summary>
    /// The furthest step of the lineage that is in a checkpoint or in the memory of a member that lives, whose worker is within its lease,
    /// and which may yet give it to others.
    /// </summary>
    private long Recoverable()
    {
        var inMemory = Alive
            .Where(one => one.Rank.State?.Lineage == _stored.Lineage && IsReachable(one.Worker))
            .Where(one => View.Placements.Any(place => place.Member == one.Rank.Member && place.Worker == one.Worker.Name))
            .Select(one => one.Rank)
            .ToList();
        var join = new SimulatedJoin(new GenerationPlan { Lineage = _stored.Lineage }, View.Lineages);
        return Math.Max(Furthest(inMemory, _stored.Lineage)?.Applied ?? 0, Newest(join)?.Applied ?? 0);
    }

    private bool IsReachable(SimulatedWorker worker) => worker.View is { } view && (view.Alive || _inGrace) && view.Identity.InstanceId == worker.Identity.InstanceId;

    /// <summary>Within a lineage committed steps only go forward, and lineages only go up.</summary>
    private void CheckCommits()
    {
        _stored.Lineage.ShouldBeGreaterThanOrEqualTo(_lineage);
        if (_stored.Lineage == _lineage)
            _stored.Committed.ShouldBeGreaterThanOrEqualTo(_furthest);
        (_lineage, _furthest) = (_stored.Lineage, _stored.Committed);
    }

    /// <summary>
    /// Every step went into the parameters once, but those that the lineage leaves out; all ranks of the generation have the same; and a
    /// generation that commits goes on from what is committed, unless no rank held that any more.
    /// </summary>
    private void CheckApplied(SimulatedGroup group, SimulatedState state)
    {
        var skipped = LineageChange.SkippedBy(group.Join.Lineages).ToHashSet();
        var expected = Enumerable.Range(1, (int)state.Applied).Select(step => (long)step).Where(step => !skipped.Contains(step));
        if (!state.Steps.SequenceEqual(expected))
            state.Steps.ShouldBe(expected);
        if (_choice is { } choice && choice.Lineage == group.Join.Plan.Lineage)
        {
            var origin = choice.Checkpoint;
            state.Steps.TakeWhile(step => step <= origin.Step).ShouldBe(origin.State.Steps, $"the lineage begins with {origin.Name}");
            state.Steps.ShouldNotContain(step => step > origin.Step && step <= origin.Step + choice.Skipped);
        }
        group.Ranks.All(rank => rank.State!.Applied == state.Applied && rank.State.Lineage == group.Join.Plan.Lineage).ShouldBeTrue();
    }

    private void CheckChange(JobState before, JobState after)
    {
        var (old, view) = (before.View!, after.View!);
        old.HasEnded.ShouldBeFalse("an ended job changes");
        view.Revision.ShouldBe(old.Revision + 1);
        view.Generation.ShouldBeGreaterThanOrEqualTo(old.Generation);
        view.LastMember.ShouldBeGreaterThanOrEqualTo(old.LastMember);
        (view.Lineage - old.Lineage).ShouldBeInRange(0, 1);
        if (view.Lineage == old.Lineage)
            after.CommittedStep.ShouldBeGreaterThanOrEqualTo(before.CommittedStep);
        view.Placements.Select(place => (place.Worker, place.Slot)).ShouldBeUnique();
        view.Placements.Select(place => place.Member).ShouldBeUnique();
        view.Placements.ShouldAllBe(place => place.Member <= view.LastMember);
        view.Placements.Except(old.Placements, MemberNumbers).ShouldAllBe(place => place.Member > old.LastMember);
        if (view.Phase is not (JobPhase.Preparing or JobPhase.Running))
            (view.Placements.Length, view.Plan).ShouldBe((0, null));
        if (view.Generation == old.Generation)
            return;
        view.Plan!.Generation.ShouldBe(view.Generation);
        view.Plan.Members.ShouldBeUnique();
        view.Plan.Members.Length.ShouldBeInRange(view.Stopping ? 1 : view.RanksMin, view.RanksMax);
        view.Plan.Members.ShouldBeSubsetOf(view.Placements.Select(place => place.Member));
        view.WorldSize.ShouldBe(view.Plan.Members.Length);
    }

    private static readonly IEqualityComparer<Placement> MemberNumbers = EqualityComparer<Placement>.Create(
        (one, other) => one!.Member == other!.Member, place => place.Member);
}
