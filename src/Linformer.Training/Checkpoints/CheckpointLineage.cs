namespace Linformer.Training.Checkpoints;

/// <summary>
/// Which checkpoints a lineage may go on from: its own, and of each lineage before only the steps that were kept when
/// training went back.
/// </summary>
/// <param name="Number">The lineage, from 0 on.</param>
/// <param name="Limits">
/// For each change of lineage so far, the last step that was kept: those of lineage i hold only up to the smallest of the numbers
/// from index i on.
/// </param>
/// <param name="Origins">
/// For each change of lineage so far, the checkpoint that the lineage after it was to begin with; null where that is the newest one.
/// Null for none.
/// </param>
public sealed record CheckpointLineage(int Number, IReadOnlyList<long> Limits, IReadOnlyList<CheckpointId?>? Origins = null)
{
    /// <summary>The checkpoint that the lineage was to begin with; null for the newest one.</summary>
    public CheckpointId? Origin => OriginOf(Number);

    /// <summary>The last checkpoint that any lineage up to this one was to begin with, a person's choice; null if there was none.</summary>
    public CheckpointId? LastChoice => Origins?.Take(Number).LastOrDefault(origin => origin is not null);

    /// <summary>Whether a checkpoint holds for this lineage.</summary>
    /// <param name="id">The checkpoint.</param>
    public bool Holds(CheckpointId id) =>
        id.Lineage == Number
        || (id.Lineage < Number && id.Lineage < Limits.Count && id.Step <= Limits.Skip(id.Lineage).Min());

    /// <summary>
    /// The checkpoints that hold for this lineage, the one to go on from first: the newest of the lineage itself, then the one that it
    /// was to begin with, then those of the lineage before, and so on.
    /// </summary>
    /// <param name="ids">Checkpoints, in any order.</param>
    public IReadOnlyList<CheckpointId> InOrder(IEnumerable<CheckpointId> ids)
    {
        var held = ids.Where(Holds).OrderDescending().ToList();
        var order = new List<CheckpointId>();
        for (var lineage = Number; lineage >= 0; lineage--)
        {
            order.AddRange(held.Where(id => id.Lineage == lineage));
            if (OriginOf(lineage) is { } origin && held.Contains(origin))
            {
                order.Add(origin);
            }
        }

        return [.. order.Distinct()];
    }

    private CheckpointId? OriginOf(int lineage) => lineage > 0 && lineage <= Origins?.Count ? Origins[lineage - 1] : null;
}
