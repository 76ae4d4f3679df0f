namespace Linformer.Coordinator.Tests.Membership;

// Of jobs whose ranks share out the state: who holds what of it.
internal sealed partial class ClusterSimulation
{
    // Divided by every number of ranks that a job has here.
    private const int Pieces = 60;

    private readonly bool _shares;

    /// <summary>The furthest state of a lineage that some ranks hold, all of it together.</summary>
    private SimulatedState? Furthest(List<SimulatedRank> ranks, int lineage) => ranks
        .Where(rank => rank.State?.Lineage == lineage)
        .Select(rank => rank.State!)
        .OrderByDescending(state => state.Applied)
        .FirstOrDefault(state => !_shares || IsWhole(ranks.Where(rank => IsAt(rank, lineage, state.Applied))));

    private static bool IsAt(SimulatedRank rank, int lineage, long step) => rank.State?.Lineage == lineage && (rank.State.Applied == step || rank.Unfinished == step);

    private static bool IsWhole(IEnumerable<SimulatedRank> ranks)
    {
        var held = new bool[Pieces];
        foreach (var (world, rank) in ranks.SelectMany(rank => rank.Parts))
        {
            if (world <= 2)
                return true;
            Array.Fill(held, true, Pieces / world * rank, Pieces / world);
            Array.Fill(held, true, Pieces / world * ((rank + 1) % world), Pieces / world);
        }
        return held.All(piece => piece);
    }

    private static void TakeOver(SimulatedRank rank, SimulatedState root, (int World, int Rank) part, bool settled)
    {
        // What it could give it keeps until it knows that all have theirs.
        var gives = !settled && IsAt(rank, root.Lineage, root.Applied);
        rank.Parts = gives ? rank.Parts.Add(part) : [part];
        rank.State = rank.State?.Lineage == root.Lineage && rank.State.Applied == root.Applied ? rank.State : root;
        rank.Unfinished = null;
    }
}
