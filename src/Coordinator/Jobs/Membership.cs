using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

/// <summary>
/// Decides which members of a running job form its next generation, and when: a pure function of how the job stands and of what
/// is seen of its members. Since a step commits only when every rank of its generation has applied it, any member of that
/// generation that lives holds it; so a generation forms around such a member as long as one may be alive.
/// </summary>
public static partial class Membership
{
    /// <summary>Decides.</summary>
    /// <param name="view">The running job; members that are gone are no longer among its placements.</param>
    /// <param name="seen">What is seen of its members.</param>
    /// <param name="now">The time.</param>
    public static MembershipDecision Decide(JobView view, JobObserved seen, DateTimeOffset now)
    {
        var members = new Members(view, seen);
        if (members.Success() is { } success)
            return success;
        if (members.Live.IsEmpty || members.HasStopped)
            return new Dissolve(members.All.IsEmpty ? "no rank is left" : members.WhyEnded());
        if (members.BadLoss is { } bad && !view.Stopping)
            return new GoBack(bad.Step, bad.Reason.Length > 0 ? bad.Reason.TrimEnd('.') : $"the loss of step {bad.Step} is bad");
        if (view.Plan is null)
            return Start(members);
        if (view.Stopping)
            return Stop(members);
        if (members.All.Any(member => member.Condition == MemberCondition.Stopped))
            return new StopAll(members.WhyEnded());
        if (members.IsWhole && members.Broken.IsEmpty)
            return Go(members);
        return Regroup(members, now);
    }

    /// <summary>Before the first generation on these slots: waits until all are ready, or for those that are when that takes long.</summary>
    private static MembershipDecision Start(Members members)
    {
        var view = members.View;
        var staying = members.Live.Where(member => member.Leaving.Length == 0).ToList();
        if (staying.Count < view.RanksMin)
            return new Dissolve(members.WhyLeaving() ?? $"{Ranks(staying.Count)} of the {view.RanksMin} that it needs are left");
        if (staying.Count < members.Live.Length)
            return new Release([.. members.Live.Except(staying).Select(member => member.Member)], members.WhyLeaving()!);
        var ready = members.Ordered(staying.Where(member => member.IsAvailable));
        if (ready.Length < staying.Count && !(members.Seen.StartAwaited && ready.Length >= view.RanksMin))
            return new Stay("its ranks start");
        return new Form(ready, StateSource.Newest, AtOnce: true, $"on {members.Workers(ready)}");
    }

    /// <summary>
    /// The members are to write a checkpoint and end. If their generation is broken, a survivor forms one that does just that: alone,
    /// so that nothing between it and the others can break again, unless it holds only a part.
    /// </summary>
    private static MembershipDecision Stop(Members members)
    {
        var view = members.View;
        if (members.IsWhole && members.Broken.IsEmpty)
            return new Stay(members.View.Reason);
        var holders = members.Ordered(members.Live.Where(member => member.IsAvailable && members.Holds(member)));
        if (members.HoldAll(holders))
        {
            ImmutableArray<int> writers = view.SharesState ? holders : [members.Furthest(holders.Select(members.Of))!.Member];
            return new Form(writers, members.Survivors, AtOnce: true, members.WhyBroken());
        }
        // They leave the broken generation in a moment, and hold what they held.
        if (members.Find(member => member.Condition == MemberCondition.Stopping) is not null)
            return new Stay(members.View.Reason);
        if (members.Unheard(but: []) is { } unheard)
            return new Stay(members.WhyUnheard(unheard));
        // Whether they hold everything they know best.
        return holders.IsEmpty ? new Dissolve(members.WhyBroken()) : new Form(holders, members.Survivors, AtOnce: true, members.WhyBroken());
    }

    /// <summary>All is well with the generation: members change at a step boundary, once it trains.</summary>
    private static MembershipDecision Go(Members members)
    {
        var view = members.View;
        var plan = view.Plan!;
        if (!members.AllTrain)
            return new Stay("");
        var leaving = plan.Members.Where(member => members.Of(member).Leaving.Length > 0).ToList();
        var staying = members.Ordered(members.Live.Where(
            member => member.Leaving.Length == 0 && (members.IsIn(member) || member.Condition == MemberCondition.Waiting)));
        if (leaving.Count > 0)
            return HandOver(members, leaving, staying);
        if (staying.Length > plan.Members.Length)
            return new Form(staying, members.Survivors, AtOnce: false, $"a rank is ready on {members.Workers([.. staying.Except(plan.Members)])}");
        // The coordinator was killed between recording a generation and telling of it: steps of the one before do not commit any more.
        if (members.Seen.RecordedGeneration > plan.Generation)
            return new Form(plan.Members, members.Survivors, AtOnce: false, "the coordinator was ended as it changed the generation");
        var full = plan.Members.Length >= view.RanksMax;
        var surplus = members.Live.Where(member => !plan.Members.Contains(member.Member) && (full || member.Leaving.Length > 0)).ToList();
        return surplus.Count > 0
            ? new Release([.. surplus.Select(member => member.Member)], members.WhyLeaving() ?? "the job has all the ranks that it can use")
            : new Stay("");
    }

    private static MembershipDecision HandOver(Members members, List<int> leaving, ImmutableArray<int> staying)
    {
        var view = members.View;
        var why = members.WhyLeaving()!;
        if (staying.Length >= view.RanksMin)
        {
            ImmutableArray<int> givers = members.GiversFor(staying.Where(view.Plan!.Members.Contains), leaving);
            if (givers.IsEmpty)
                return new Form(staying, members.Survivors, AtOnce: false, why);
            // Whoever leaves gives its state to the newcomers first.
            var together = members.Together(givers, staying);
            if (together.Length > givers.Length)
                return new Form(together, members.Survivors, AtOnce: false, why);
        }
        return members.Seen.HandoverAwaited || view.RanksMax == 1 ? new StopAll(why) : new Stay($"{why}; waits for ranks elsewhere");
    }

    /// <summary>A member of the generation is gone, or it broke: the others go on at once if they may.</summary>
    private static MembershipDecision Regroup(Members members, DateTimeOffset now)
    {
        var view = members.View;
        if (members.IsWhole && !members.Seen.CauseAwaited)
            return new Stay("its generation broke; waits for the cause");
        if (members.IsWhole && view.RegroupAt > now)
            return new Stay(view.Reason);
        var available = members.Live.Where(member => member.IsAvailable).ToList();
        var staying = members.Ordered(available.Where(member => member.Leaving.Length == 0));
        var ready = staying.Length >= view.RanksMin ? staying : members.Ordered(available);
        // Whoever leaves gives its state to the others first, if they have none.
        var givers = members.GiversFor(ready.Where(members.Holds), available.Where(members.Holds).Select(member => member.Member).Except(ready));
        if (!givers.IsEmpty)
            ready = members.Together(givers, ready);
        if (ready.Length < view.RanksMin)
            return TooFew(members, ready.Length);
        if (members.HoldAll(ready.Where(members.Holds)))
            return new Form(ready, members.Survivors, AtOnce: true, members.WhyBroken(), Broken: members.IsWhole);
        // Those among them that may hold state say so when they meet.
        if (members.Unheard(but: ready) is { } unheard)
            return new Stay(members.WhyUnheard(unheard));
        return ready.Length < members.Live.Length && ready.Length < view.RanksMax && !members.Seen.StartAwaited
            ? new Stay("its ranks start")
            : new Form(ready, StateSource.Newest, AtOnce: true, members.WhyBroken(), Broken: members.IsWhole);
    }

    private static MembershipDecision TooFew(Members members, int ready)
    {
        var view = members.View;
        if (members.Seen.HandoverAwaited && members.Find(member => member.Leaving.Length > 0 && members.Holds(member)) is { } leaving)
            return new StopAll(leaving.Leaving);
        if (members.Live.Any(members.Holds))
            return new Stay($"waits for {Ranks(view.RanksMin - ready)} more; holds step {members.Committed}");
        if (members.Unheard(but: []) is { } unheard)
            return new Stay(members.WhyUnheard(unheard));
        return members.Live.Length < view.RanksMin ? new Dissolve(members.WhyBroken()) : new Stay("its ranks start");
    }

    private static string Ranks(int count) => count == 1 ? "1 rank" : $"{count} ranks";
}
