using System.Collections.Immutable;

namespace Linformer.Coordinator.Jobs;

/// <summary>A change of lineage: training went back on purpose, for a bad loss or because a person wanted it.</summary>
/// <param name="KeptStep">The last step that was kept.</param>
/// <param name="SkippedStep">The first step that is left out from then on.</param>
/// <param name="Reason">Why.</param>
/// <param name="Checkpoint">
/// The checkpoint that the lineage begins with, a person's choice; empty for the newest one up to <paramref name="KeptStep"/>.
/// </param>
/// <param name="Skipped">How many steps are left out; 0 for none.</param>
/// <param name="Who">The person; empty for the coordinator.</param>
/// <param name="At">When the person asked for it; null for the coordinator's own doing.</param>
[GenerateSerializer, Immutable, Alias("linformer.lineage-change")]
public sealed record LineageChange(
    [property: Id(0)] long KeptStep,
    [property: Id(1)] long SkippedStep,
    [property: Id(2)] string Reason,
    [property: Id(3)] string Checkpoint = "",
    [property: Id(4)] int Skipped = 1,
    [property: Id(5)] string Who = "",
    [property: Id(6)] DateTimeOffset? At = null)
{
    /// <summary>Whether a person has chosen it.</summary>
    public bool IsChosen => Checkpoint.Length > 0;

    /// <summary>
    /// The steps that the newest lineage leaves out. What a person has left out counts up to the checkpoint of a later choice alone;
    /// what had a bad loss would have it again.
    /// </summary>
    /// <param name="changes">All changes of lineage so far, in order.</param>
    public static IEnumerable<long> SkippedBy(ImmutableArray<LineageChange> changes)
    {
        for (var i = 0; i < changes.Length; i++)
        {
            var change = changes[i];
            var kept = change.IsChosen
                ? changes.Skip(i + 1).Where(later => later.IsChosen).Select(later => later.KeptStep).DefaultIfEmpty(long.MaxValue).Min()
                : long.MaxValue;
            for (var step = change.SkippedStep; step < change.SkippedStep + change.Skipped && step <= kept; step++)
                yield return step;
        }
    }

    /// <summary>Up to which step the checkpoints of a lineage count for the newest one.</summary>
    /// <param name="changes">All changes of lineage so far, in order.</param>
    /// <param name="lineage">The lineage.</param>
    public static long CountsUpTo(ImmutableArray<LineageChange> changes, int lineage) =>
        changes.Skip(lineage).Select(change => change.KeptStep).DefaultIfEmpty(long.MaxValue).Min();
}

/// <summary>A person's wish to go back to a checkpoint that is kept.</summary>
/// <param name="Checkpoint">The checkpoint's name.</param>
/// <param name="Lineage">Its lineage.</param>
/// <param name="Step">Its step.</param>
/// <param name="SkipSteps">How many steps after it are to be left out.</param>
/// <param name="Change">Who, and why.</param>
[GenerateSerializer, Immutable, Alias("linformer.job-go-back")]
public sealed record JobGoBack(
    [property: Id(0)] string Checkpoint,
    [property: Id(1)] int Lineage,
    [property: Id(2)] long Step,
    [property: Id(3)] int SkipSteps,
    [property: Id(4)] JobChange Change);

/// <summary>A job that was asked to go back.</summary>
/// <param name="View">The job.</param>
/// <param name="Before">Whether it had gone back so a moment ago, and nothing has changed.</param>
[GenerateSerializer, Immutable, Alias("linformer.gone-back")]
public sealed record GoneBack([property: Id(0)] JobView View, [property: Id(1)] bool Before);
