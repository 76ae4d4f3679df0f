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
public sealed record CheckpointLineage(int Number, IReadOnlyList<long> Limits)
{
    /// <summary>Whether a checkpoint holds for this lineage.</summary>
    /// <param name="id">The checkpoint.</param>
    public bool Holds(CheckpointId id) =>
        id.Lineage == Number
        || (id.Lineage < Number && id.Lineage < Limits.Count && id.Step <= Limits.Skip(id.Lineage).Min());
}
