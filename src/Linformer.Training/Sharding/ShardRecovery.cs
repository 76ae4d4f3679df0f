using System.Collections.Immutable;

namespace Linformer.Training.Sharding;

/// <summary>The place of a state in a lineage; one of a newer generation is further than any of an older one, which may have gone on alone.</summary>
/// <param name="Generation">The generation in which its last step was computed.</param>
/// <param name="Step">Its last step.</param>
public readonly record struct StatePlace(long Generation, long Step);

/// <summary>What a rank that joins a generation has in memory of a state whose moments are shared out.</summary>
/// <param name="Applied">The place of its parameters; null if it holds nothing of the generation's lineage.</param>
/// <param name="Held">Moments that it holds at that place.</param>
/// <param name="Unfinished">
/// The place to which it can bring the first of <paramref name="Held"/> by itself: it has the summed gradients of that step, which it has
/// not applied. Null for none.
/// </param>
public sealed record ShardOffer(StatePlace? Applied, ImmutableArray<Shard> Held, StatePlace? Unfinished)
{
    /// <summary>Of a rank that holds nothing.</summary>
    public static ShardOffer None { get; } = new(null, [], null);

    /// <summary>Moments that the rank can give at a place.</summary>
    /// <param name="place">The place.</param>
    public ImmutableArray<Shard> HeldAt(StatePlace place) =>
        Applied is null || Held.IsEmpty ? [] : Applied == place ? Held : Unfinished == place ? [Held[0]] : [];
}

/// <summary>Moments that travel.</summary>
/// <param name="Range">Which, in the flat buffers.</param>
/// <param name="Source">The rank that gives them.</param>
/// <param name="Receivers">The ranks that have to hold them and do not, in order.</param>
public sealed record ShardPiece(BufferRange Range, int Source, ImmutableArray<int> Receivers);

/// <summary>From where a generation goes on, and who gives what.</summary>
/// <param name="Place">The state from which all go on.</param>
/// <param name="Root">The rank that gives the parameters.</param>
/// <param name="Receivers">The ranks that receive them, in order.</param>
/// <param name="Pieces">The moments that travel, in the order of the flat buffers.</param>
public sealed record ShardPlan(StatePlace Place, int Root, ImmutableArray<int> Receivers, ImmutableArray<ShardPiece> Pieces);

/// <summary>
/// Decides from which state the ranks of a new generation go on whose moments were shared out. A pure function of what they hold.
/// </summary>
/// <remarks>
/// A rank applies a step after the last of the step's collectives, before which every rank has the summed gradients. So once one rank
/// has applied a step, any other has either applied it or can bring its moments there by itself; and until one has, all hold what was
/// before. Either way each part is on two ranks, of which one is left when any one is lost.
/// </remarks>
public static class ShardRecovery
{
    /// <summary>Decides.</summary>
    /// <param name="offers">What the ranks hold, by rank in the new generation.</param>
    /// <param name="length">Elements of the flat buffers.</param>
    /// <returns>
    /// The furthest state of which some rank has the parameters, and each of the moments is on some rank; null when there is none.
    /// </returns>
    public static ShardPlan? Decide(IReadOnlyList<ShardOffer> offers, long length) =>
        Places(offers).Select(place => PlanFor(offers, length, place)).FirstOrDefault(plan => plan is not null);

    /// <summary>The furthest state of which some rank has the parameters, whether the moments are complete or not; null when there is none.</summary>
    /// <param name="offers">What the ranks hold.</param>
    public static StatePlace? Furthest(IReadOnlyList<ShardOffer> offers) => Places(offers).Select(place => (StatePlace?)place).FirstOrDefault();

    // Those of parameters that some rank has, the furthest first.
    private static IEnumerable<StatePlace> Places(IReadOnlyList<ShardOffer> offers) =>
        offers.Where(offer => offer.Applied is not null)
            .Select(offer => offer.Applied!.Value)
            .Distinct()
            .OrderByDescending(place => place.Generation)
            .ThenByDescending(place => place.Step);

    private static ShardPlan? PlanFor(IReadOnlyList<ShardOffer> offers, long length, StatePlace place)
    {
        var held = offers.Select(offer => offer.HeldAt(place).SelectMany(shard => shard.Ranges(length)).ToArray()).ToArray();
        var wanted = offers.Select((_, rank) => Shard.Of(offers.Count, rank).Ranges(length).ToArray()).ToArray();
        var pieces = ImmutableArray.CreateBuilder<ShardPiece>();
        foreach (var range in Elementary(held.SelectMany(ranges => ranges).Concat(wanted.SelectMany(ranges => ranges)), length))
        {
            // Whoever has applied the step has it at hand; others have to compute it first.
            var holders = RanksWith(held, range);
            if (holders.Count == 0)
            {
                return null;
            }

            var source = holders.OrderByDescending(rank => offers[rank].Applied == place).ThenBy(rank => rank).First();
            ImmutableArray<int> receivers = [.. RanksWith(wanted, range).Except(holders)];
            if (!receivers.IsEmpty)
            {
                pieces.Add(new ShardPiece(range, source, receivers));
            }
        }

        var ranks = Enumerable.Range(0, offers.Count).ToList();
        return new ShardPlan(
            place, ranks.Find(rank => offers[rank].Applied == place), [.. ranks.Where(rank => offers[rank].Applied != place)], pieces.ToImmutable());
    }

    // Ranges that nobody holds, or is to hold, in part.
    private static IEnumerable<BufferRange> Elementary(IEnumerable<BufferRange> ranges, long length)
    {
        var ends = ranges.SelectMany(range => new[] { range.From, range.End }).Append(0).Append(length).Distinct().Order().ToList();
        return ends.Zip(ends.Skip(1), (from, end) => new BufferRange(from, end - from));
    }

    private static List<int> RanksWith(BufferRange[][] ranges, BufferRange range) =>
        [.. Enumerable.Range(0, ranges.Length).Where(rank => ranges[rank].Any(one => one.Contains(range)))];
}
