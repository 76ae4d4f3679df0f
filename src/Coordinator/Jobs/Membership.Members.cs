using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

public static partial class Membership
{
    /// <summary>What is seen of a job's members, put beside its plan.</summary>
    private sealed partial class Members
    {
        private readonly Dictionary<int, ObservedMember> _byNumber;

        public Members(JobView view, JobObserved seen)
        {
            View = view;
            Seen = seen;
            All =
            [
                .. view.Placements.Select(placement => seen.Members.FirstOrDefault(member => member.Member == placement.Member)
                    ?? new ObservedMember { Member = placement.Member, Worker = placement.Worker, Condition = MemberCondition.Assigned }),
            ];
            Live = [.. All.Where(member => !member.HasEndedWell)];
            _byNumber = All.ToDictionary(member => member.Member);
            IsWhole = view.Plan is { } plan && plan.Members.All(_byNumber.ContainsKey);
            Broken = [.. Live.Where(member => member.Condition == MemberCondition.Waiting && IsIn(member) && IsOfPlan(member))];
        }

        public JobView View { get; }

        public JobObserved Seen { get; }

        /// <summary>All members that have not gone, those that have ended as they should too.</summary>
        public ImmutableArray<ObservedMember> All { get; }

        /// <summary>The members that have not ended.</summary>
        public ImmutableArray<ObservedMember> Live { get; }

        /// <summary>Members of the generation that have left it, which nobody told them to.</summary>
        public ImmutableArray<ObservedMember> Broken { get; }

        /// <summary>Whether no member of the generation is gone.</summary>
        public bool IsWhole { get; }

        public long Committed => Seen.CommittedStep;

        /// <summary>Where a generation takes its state from that has a member who holds it. Before the first commit, a checkpoint does as well.</summary>
        public StateSource Survivors => Committed > 0 ? StateSource.Survivors : StateSource.Newest;

        /// <summary>Whether all ranks of the generation have ended as asked, with a checkpoint; what others hold is not further.</summary>
        public bool HasStopped => View.Stopping && IsWhole && View.Plan!.Members.All(member => Of(member).HasEndedWell);

        /// <summary>A bad loss that a member of the generation has seen; null for none.</summary>
        public BadLossReport? BadLoss => Live.FirstOrDefault(member => member.BadLoss is not null && IsIn(member) && IsOfPlan(member))?.BadLoss;

        public bool AllTrain => View.Plan!.Members.All(member => Of(member) is { Condition: MemberCondition.Training } one && IsOfPlan(one));

        public ObservedMember Of(int member) => _byNumber[member];

        public ObservedMember? Find(Func<ObservedMember, bool> predicate) => Live.FirstOrDefault(predicate);

        /// <summary>Whether a member is a rank of the newest generation.</summary>
        public bool IsIn(ObservedMember member) => View.Plan?.Members.Contains(member.Member) == true;

        /// <summary>
        /// Whether a member holds the furthest committed step for sure: it says so, or it trains in the generation that committed it, or
        /// in the one before while the newest has not committed anything. While nothing is committed, being in the generation is enough.
        /// </summary>
        public bool Holds(ObservedMember member)
        {
            if (Committed == 0)
                return IsIn(member);
            if (!member.HoldsState || member.Lineage != View.Lineage)
                return false;
            if (member.AppliedStep >= Committed)
                return true;
            var trains = member.Condition is MemberCondition.Training or MemberCondition.Stopping;
            return trains && View.Plan is { } plan
                && (member.Generation == plan.Generation || (member.Generation == plan.Generation - 1 && Committed <= plan.CommittedBefore));
        }

        public bool Holds(int member) => Holds(Of(member));

        /// <summary>
        /// A member that may hold what nobody else does, since it has not been heard of from within the newest generation: its worker may
        /// come back, or its status is late. Null for none, or if nothing is committed.
        /// </summary>
        /// <param name="but">Members that do not count.</param>
        public ObservedMember? Unheard(ImmutableArray<int> but) => Committed > 0
            ? Find(member => !but.Contains(member.Member) && member.Condition switch
            {
                MemberCondition.Absent => true,
                MemberCondition.Waiting => IsIn(member) && !IsOfPlan(member),
                MemberCondition.Joining => IsIn(member),
                MemberCondition.Training => !IsOfPlan(member),
                _ => false,
            })
            : null;

        /// <summary>Why one that was not heard of is waited for.</summary>
        public string WhyUnheard(ObservedMember member) => member.Condition == MemberCondition.Absent
            ? $"waits for worker {member.Worker} to come back, whose rank may hold step {Committed}"
            : $"waits to hear of the rank on worker {member.Worker}, which may hold step {Committed}";

        /// <summary>Members in the order of the ranks that they get: those of the generation before keep their order, and come first.</summary>
        public ImmutableArray<int> Ordered(IEnumerable<ObservedMember> members) => Parted(
        [
            .. members.OrderBy(member => View.Plan?.RankOf(member.Member) is { } rank and >= 0 ? rank : int.MaxValue)
                .ThenBy(member => member.Member)
                .Select(member => member.Member)
                .Take(View.RanksMax),
        ]);

        /// <summary>The one with the furthest step, of several the lowest rank; null for none.</summary>
        public ObservedMember? Furthest(IEnumerable<ObservedMember> members) => members
            .OrderByDescending(member => member.AppliedStep)
            .ThenBy(member => View.Plan?.RankOf(member.Member) is { } rank and >= 0 ? rank : int.MaxValue)
            .FirstOrDefault();

        public string Workers(IEnumerable<int> members) =>
            string.Join(", ", members.Select(member => Of(member).Worker).Distinct(StringComparer.Ordinal));

        public string? WhyLeaving() => Find(member => member.Leaving.Length > 0)?.Leaving;

        public string WhyEnded() => View.Stopping && View.Reason.Length > 0
            ? View.Reason
            : All.FirstOrDefault(member => member.Leaving.Length > 0)?.Leaving ?? "its ranks stopped by themselves";

        /// <summary>Why the generation broke, as its members have it; empty when none of them says.</summary>
        public string WhyBroken()
        {
            if (Broken.FirstOrDefault(member => member.Broken.Length > 0) is not { } first)
                return Broken.IsEmpty ? "" : "its ranks left the generation";
            return $"rank {View.Plan!.RankOf(first.Member)} on worker {first.Worker} {first.Broken.TrimEnd('.')}";
        }

        /// <summary>
        /// Success once rank 0 has finished. Nobody finishes before the model is written, so another's word counts as well when rank 0 has
        /// left the generation; while it is in it, it may have numbers of the last steps to tell.
        /// </summary>
        public Succeed? Success()
        {
            var finished = All.Where(member => member.Condition == MemberCondition.Finished).ToList();
            if (finished.Count == 0)
                return null;
            var first = View.Plan is { Members: [var rank0, ..] } ? rank0 : 0;
            if (finished.Find(member => member.Member == first) is { } done)
                return new Succeed(done.Summary);
            return Live.Any(member => member.Member == first && !member.IsGone && member.Condition != MemberCondition.Waiting) ? null : new Succeed(finished.Find(member => member.Summary is not null)?.Summary);
        }

        private bool IsOfPlan(ObservedMember member) =>
            View.Plan is { } plan && member.Generation == plan.Generation && member.Lineage == plan.Lineage;
    }
}
