using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Linformer.Training.Checkpoints;

/// <summary>
/// What a checkpoint is known by. Later ones compare greater: first by lineage, then by generation, then by step, so that
/// a checkpoint of a generation that has lost its job never counts as newer than one of the generation that has it.
/// </summary>
/// <param name="Lineage">The lineage, from 0 on.</param>
/// <param name="Generation">The generation that committed the step, from 0 on.</param>
/// <param name="Step">The last optimizer step that the weights contain; 0 is before the first.</param>
public readonly record struct CheckpointId(int Lineage, int Generation, long Step) : IComparable<CheckpointId>
{
    /// <summary>Reads a folder's name, the exact output of <see cref="ToString"/>.</summary>
    /// <param name="text">The name, such as <c>l0000-g0001-s00000100</c>.</param>
    /// <exception cref="FormatException">The text is not such a name.</exception>
    public static CheckpointId Parse(string text) => TryParse(text, out var id)
        ? id
        : throw new FormatException($"'{text}' is not a checkpoint's name; one looks like {new CheckpointId(0, 1, 100)} (lineage, generation, step).");

    /// <summary>Reads a folder's name, if it is the exact output of <see cref="ToString"/>.</summary>
    /// <param name="text">The name.</param>
    /// <param name="id">The id, when the result is true.</param>
    public static bool TryParse([NotNullWhen(true)] string? text, out CheckpointId id)
    {
        id = default;
        if (text?.Split('-') is not [['l', .. var l], ['g', .. var g], ['s', .. var s]]
            || !int.TryParse(l, NumberStyles.None, CultureInfo.InvariantCulture, out var lineage)
            || !int.TryParse(g, NumberStyles.None, CultureInfo.InvariantCulture, out var generation)
            || !long.TryParse(s, NumberStyles.None, CultureInfo.InvariantCulture, out var step))
        {
            return false;
        }

        // One name per id: leading zeros beyond the usual ones are refused.
        id = new CheckpointId(lineage, generation, step);
        return string.Equals(id.ToString(), text, StringComparison.Ordinal);
    }

    /// <inheritdoc/>
    public int CompareTo(CheckpointId other) =>
        (Lineage, Generation, Step).CompareTo((other.Lineage, other.Generation, other.Step));

    /// <summary>The folder's name: <c>l0000-g0001-s00000100</c>. Names sort as ids do, up to 9,999 generations and 10^8 steps.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"l{Lineage:D4}-g{Generation:D4}-s{Step:D8}");

    /// <summary>Whether the left one is older.</summary>
    public static bool operator <(CheckpointId left, CheckpointId right) => left.CompareTo(right) < 0;

    /// <summary>Whether the left one is older or the same.</summary>
    public static bool operator <=(CheckpointId left, CheckpointId right) => left.CompareTo(right) <= 0;

    /// <summary>Whether the left one is newer.</summary>
    public static bool operator >(CheckpointId left, CheckpointId right) => left.CompareTo(right) > 0;

    /// <summary>Whether the left one is newer or the same.</summary>
    public static bool operator >=(CheckpointId left, CheckpointId right) => left.CompareTo(right) >= 0;
}
