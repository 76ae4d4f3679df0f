using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Tests.Membership;

internal sealed partial class ClusterSimulation
{
    /// <summary>Something goes on among the ranks.</summary>
    /// <param name="trouble">7 for a transfer or a step that breaks half way.</param>
    private void Progress(int trouble)
    {
        foreach (var (_, rank) in Alive.Where(one => one.Rank.Condition == MemberCondition.Starting && _random.Next(3) > 0).ToList())
        {
            rank.Condition = MemberCondition.Waiting;
            rank.Proceed();
        }
        foreach (var join in Alive.Where(one => one.Rank.Condition == MemberCondition.Joining).Select(one => one.Rank.Told!).Distinct().ToList())
            TryForm(join, breaks: trouble == 7);
        foreach (var group in Alive.Select(one => one.Rank.Group).OfType<SimulatedGroup>().Distinct().ToList())
        {
            if (group.IsIntact)
                TrainStep(group, breaks: trouble == 7);
            else
                Break(group);
        }
    }

    /// <summary>Members that were told of a generation connect with each other, and take over the furthest state.</summary>
    private void TryForm(SimulatedJoin join, bool breaks)
    {
        var joining = Alive.Select(one => one.Rank).Where(rank => rank.Condition == MemberCondition.Joining && rank.Generation == join.Plan.Generation).ToList();
        var ranks = join.Plan.Members.Select(member => joining.Find(rank => rank.Member == member)).OfType<SimulatedRank>().ToList();
        if (ranks.Count < join.Plan.Members.Length)
        {
            // Some member is not there: the others give up after a time.
            if (_random.Next(4) == 0)
                ranks.ForEach(rank => rank.Leave("could not connect"));
            return;
        }
        var root = Furthest(ranks, join.Plan.Lineage);
        if (root is null || root.Applied < join.Plan.CommittedBefore)
        {
            var inParts = ranks.Any(rank => rank.State?.Lineage == join.Plan.Lineage && rank.State.Applied > (root?.Applied ?? -1));
            if (join.Plan.Source == StateSource.Survivors && !inParts)
            {
                ranks.ForEach(rank => rank.Leave($"found that no rank holds step {join.Plan.CommittedBefore}"));
                return;
            }
            root = Newest(join) is { } checkpoint && checkpoint.Applied > (root?.Applied ?? -1) ? checkpoint : root ?? SimulatedState.Fresh(join.Plan.Lineage);
        }
        foreach (var rank in ranks.Where(_ => !breaks || _random.Next(2) == 0))
            TakeOver(rank, root, (ranks.Count, ranks.IndexOf(rank)), settled: !breaks);
        if (breaks)
        {
            ranks.ForEach(rank => rank.Leave("lost a rank"));
            return;
        }
        Log.Add($"   generation {join.Plan.Generation} of lineage {join.Plan.Lineage} is formed by {string.Join(',', join.Plan.Members)} at step {root.Applied}");
        var group = new SimulatedGroup(join, [.. ranks]);
        foreach (var rank in ranks)
            (rank.Condition, rank.Group) = (MemberCondition.Training, group);
    }

    private SimulatedState? Newest(SimulatedJoin join)
    {
        var limits = join.Lineages.Select(change => change.KeptStep).ToList();
        var counting = _checkpoints.Where(checkpoint => checkpoint.Step <= limits.Skip(checkpoint.Lineage).DefaultIfEmpty(long.MaxValue).Min()).ToList();
        SimulatedCheckpoint? newest = null;
        // A lineage's own ones first, then what it began with.
        for (var lineage = join.Plan.Lineage; lineage >= 0 && newest is null; lineage--)
        {
            newest = counting.Where(checkpoint => checkpoint.Lineage == lineage).MaxBy(checkpoint => checkpoint.Step);
            if (lineage > 0)
                newest ??= counting.Find(checkpoint => checkpoint.Name == join.Lineages[lineage - 1].Checkpoint);
        }
        return newest is null ? null : newest.State with { Lineage = join.Plan.Lineage };
    }

    private void Write(SimulatedGroup group, long step, SimulatedState state)
    {
        var checkpoint = new SimulatedCheckpoint(group.Join.Plan.Lineage, group.Join.Plan.Generation, step, state);
        if (_checkpoints.All(other => other.Name != checkpoint.Name))
            _checkpoints.Add(checkpoint);
    }

    private void TrainStep(SimulatedGroup group, bool breaks)
    {
        var stops = group.Ranks.Any(rank => rank.StopTold);
        var state = group.Ranks[0].State!;
        if (state.Applied >= _totalSteps)
        {
            Finish(group);
            return;
        }
        // A generation of survivors that is only to write a checkpoint computes nothing.
        var justFormed = stops && _random.Next(2) == 0;
        if (!justFormed)
        {
            var step = state.Applied + 1;
            var skipped = LineageChange.SkippedBy(group.Join.Lineages).Contains(step);
            if (!skipped && _badSteps.Contains(step))
            {
                foreach (var rank in group.Ranks)
                    rank.Leave("stopped", new BadLossReport(step, $"the loss of step {step} was NaN"));
                return;
            }
            var next = state with { Applied = step, Steps = skipped ? state.Steps : state.Steps.Add(step) };
            // When a rank is lost in the step's last collective, some of the others have applied it and some have not.
            var applying = group.Ranks.Where(_ => !breaks || _random.Next(2) == 0).ToList();
            foreach (var rank in group.Ranks)
                rank.Unfinished = applying.Count > 0 ? step : null;
            foreach (var rank in applying)
                (rank.State, rank.Unfinished) = (next, null);
            if (breaks)
            {
                foreach (var rank in group.Ranks)
                    rank.Leave("lost a rank");
                return;
            }
            CheckApplied(group, next);
            // All of its ranks have applied it: rank 0 tells, unless it dies before.
            _metrics.Add((group.Join.Plan.Lineage, group.Join.Plan.Generation, step));
            if (step % CheckpointEvery == 0 && _random.Next(3) > 0)
                Write(group, step, next);
        }
        if (stops)
        {
            Write(group, group.Ranks[0].State!.Applied, group.Ranks[0].State!);
            foreach (var rank in group.Ranks)
                (rank.Condition, rank.Group) = (MemberCondition.Stopped, null);
        }
        else if (group.Ranks.Any(rank => rank.WantsToLeave))
        {
            foreach (var rank in group.Ranks)
                rank.Leave("");
        }
    }

    private void Finish(SimulatedGroup group)
    {
        CheckApplied(group, group.Ranks[0].State!);
        // Nobody ends before the model is written.
        Write(group, _totalSteps, group.Ranks[0].State!);
        foreach (var rank in group.Ranks)
            (rank.Condition, rank.Group) = (MemberCondition.Finished, null);
    }

    /// <summary>A rank of the group has gone: the others notice, each in its own time.</summary>
    private void Break(SimulatedGroup group)
    {
        foreach (var rank in group.Ranks.Where(rank => rank.Condition == MemberCondition.Training && ReferenceEquals(rank.Group, group) && _random.Next(2) == 0))
            rank.Leave("lost a rank");
    }

    private void Kill(SimulatedRank rank)
    {
        // In the midst of a step, some of the others may still apply it; but then it was not applied by all, and does not commit.
        if (rank is { Condition: MemberCondition.Training, Group: { IsIntact: true } group } && _random.Next(3) == 0)
            TrainStep(group with { Ranks = group.Ranks }, breaks: true);
        if (!rank.IsAlive)
            return;
        (rank.Condition, rank.Group, rank.State) = (MemberCondition.Failed, null, null);
    }
}
