using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

// Jobs whose ranks share out the optimizer's state: each holds its own part and that of the next rank. What a rank really holds it tells the
// others when they meet; here it is what its place in the newest generation says.
public static partial class Membership
{
    private sealed partial class Members
    {
        // Up to so many ranks each hold everything.
        private const int FewRanks = 2;

        /// <summary>Whether some members that hold a state hold all of it together; none hold nothing.</summary>
        /// <param name="holders">The members.</param>
        public bool HoldAll(IEnumerable<int> holders) => Lacking([.. holders]) == 0;

        /// <summary>
        /// Members that have to be in a generation together with others, so that these hold all of the state together; as few as it takes,
        /// as long as there are enough. Empty where the others do, and where nobody can help.
        /// </summary>
        /// <param name="holders">The others, as far as they hold a state.</param>
        /// <param name="more">Further members that hold a state.</param>
        public ImmutableArray<int> GiversFor(IEnumerable<int> holders, IEnumerable<int> more)
        {
            var together = holders.ToHashSet();
            var givers = ImmutableArray.CreateBuilder<int>();
            var left = more.ToList();
            while (Lacking(together) is var lacking and > 0 && left.Count > 0)
            {
                // The one that has most of what is missing; of several the first.
                var best = left.MinBy(member => Lacking([.. together, member]));
                if (Lacking([.. together, best]) == lacking)
                    break;
                together.Add(best);
                givers.Add(best);
                left.Remove(best);
            }

            return givers.ToImmutable();
        }

        /// <summary>Members that give, and as many others as there is room for; those that hold state first.</summary>
        public ImmutableArray<int> Together(ImmutableArray<int> givers, ImmutableArray<int> others) =>
            View.SharesState
                ? Ordered(givers.Concat(others.OrderByDescending(Holds).Take(View.RanksMax - givers.Length)).Select(Of))
                : [.. givers, .. others.Take(View.RanksMax - givers.Length)];

        /// <summary>
        /// Parts of the state that none of the members holds, however it is cut now; without parts, 1 if there is no member.
        /// </summary>
        private int Lacking(HashSet<int> holders)
        {
            if (!View.SharesState || View.Plan is not { } plan)
                return holders.Count > 0 ? 0 : 1;
            var lacking = Lacking(holders, plan.Members);
            return plan.CutBefore.IsEmpty || plan.IsCut(Seen) ? lacking : Math.Max(lacking, Lacking(holders, plan.CutBefore));
        }

        private static int Lacking(HashSet<int> holders, ImmutableArray<int> ranks) => ranks.Length <= FewRanks
            ? ranks.Any(holders.Contains) ? 0 : 1
            : Enumerable.Range(0, ranks.Length).Count(rank => !holders.Contains(ranks[rank]) && !holders.Contains(ranks[(rank + ranks.Length - 1) % ranks.Length]));

        /// <summary>
        /// The same members, where state is shared out with neighbours on different workers as far as there are such: then the loss of a
        /// worker takes fewer parts.
        /// </summary>
        private ImmutableArray<int> Parted(ImmutableArray<int> members) => !View.SharesState
            ? members
            : [.. members.GroupBy(member => Of(member).Worker, StringComparer.Ordinal)
                .SelectMany(onWorker => onWorker.Select((member, number) => (member, number)))
                .OrderBy(one => one.number)
                .ThenBy(one => members.IndexOf(one.member))
                .Select(one => one.member)];
    }
}
