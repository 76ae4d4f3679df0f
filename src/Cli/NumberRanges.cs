using System.Globalization;

namespace Linformer.Cli;

/// <summary>Numbers as people list them: <c>1,4-6</c>.</summary>
internal sealed class NumberRanges
{
    private readonly List<(int From, int To)> _ranges;

    private NumberRanges(List<(int From, int To)> ranges) => _ranges = ranges;

    /// <summary>The highest of them.</summary>
    public int Max => _ranges.Max(range => range.To);

    /// <summary>Reads a list.</summary>
    /// <param name="text">Whole numbers from 1, and ranges of them, parted by commas.</param>
    /// <returns>The numbers; null if the text is no such list.</returns>
    public static NumberRanges? Parse(string text)
    {
        var ranges = new List<(int, int)>();
        foreach (var part in text.Split(','))
        {
            var ends = part.Split('-');
            if (ends.Length > 2 || !TryRead(ends[0], out var from) || !TryRead(ends[^1], out var to) || from > to)
                return null;
            ranges.Add((from, to));
        }

        return new NumberRanges(ranges);
    }

    /// <summary>Whether a number is among them.</summary>
    /// <param name="number">The number.</param>
    public bool Contains(int number) => _ranges.Exists(range => number >= range.From && number <= range.To);

    private static bool TryRead(string text, out int number) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out number) && number >= 1;
}
