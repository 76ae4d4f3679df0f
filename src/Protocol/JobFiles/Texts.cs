using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Linformer.Protocol;

/// <summary>The forms of text in a job file, and how a value from it is shown in a message.</summary>
internal static partial class Texts
{
    private const int MaxPathLength = 1024;
    private const int MaxLineLength = 1024;
    private const int ShownLength = 60;

    /// <summary>What a form allows, in words.</summary>
    public static string Allowed(TextFormat format) => format switch
    {
        TextFormat.Label => "1 to 63 lower-case letters, digits and hyphens, no hyphen at either end",
        TextFormat.RelativePath => "a relative path with /, without . and ..",
        TextFormat.Preset => string.Join(", ", ModelPresets.All.Select(preset => preset.Preset)),
        _ => $"a text of at most {MaxLineLength:#,0} characters in one line",
    };

    /// <summary>Says what is wrong with a text, or null.</summary>
    public static string? Check(TextFormat format, string text) => format switch
    {
        TextFormat.Label => LabelPattern().IsMatch(text) ? null : "is not a name",
        TextFormat.Preset => ModelPresets.TryGet(text, out _) ? null : "is unknown",
        TextFormat.RelativePath => CheckPath(text),
        _ => text.Length > MaxLineLength ? "is too long" : text.Any(IsUnprintable) ? "has a line break or a control character" : null,
    };

    /// <summary>A form as a regular expression that JavaScript knows, too; null where there is none. <see cref="Check"/> is stricter on rare characters.</summary>
    public static string? Pattern(TextFormat format) => format switch
    {
        TextFormat.Label => "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        // No root, no home, no drive; no segment that is empty, '.' or '..'.
        TextFormat.RelativePath => @"^(?![/~]|[A-Za-z]:)(?!(?:.*/)?\.{0,2}(?:/|$))[^\\\u0000-\u001f\u007f-\u009f\u2028\u2029]+$",
        TextFormat.Line => @"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$",
        _ => null,
    };

    /// <summary>Most characters of a form; null where another rule says it.</summary>
    public static int? MaxLength(TextFormat format) => format switch
    {
        TextFormat.RelativePath => MaxPathLength,
        TextFormat.Line => MaxLineLength,
        _ => null,
    };

    /// <summary>A value as messages show it: quoted, cut to a length that fits a line, nothing that moves a terminal's cursor.</summary>
    public static string Show(string value)
    {
        var shown = new StringBuilder("'");
        foreach (var character in value.AsSpan(0, Math.Min(value.Length, ShownLength)))
        {
            if (IsUnprintable(character))
                shown.Append("\\u").Append(((int)character).ToString("x4", CultureInfo.InvariantCulture));
            else
                shown.Append(character);
        }
        if (value.Length > ShownLength)
            shown.Append('…');
        return shown.Append('\'').ToString();
    }

    /// <summary>The candidate with the fewest edits to a mistyped name, or null if none is near.</summary>
    public static string? Nearest(string name, IEnumerable<string> candidates)
    {
        if (name.Length > 40)
            return null;
        var (best, distance) = candidates
            .Select(candidate => (candidate, Distance: EditDistance(name.ToLowerInvariant(), candidate.ToLowerInvariant())))
            .DefaultIfEmpty((candidate: "", Distance: int.MaxValue))
            .MinBy(pair => pair.Distance);
        return distance <= Math.Max(name.Length, best.Length) / 4 ? best : null;
    }

    private static string? CheckPath(string path)
    {
        if (path.Length == 0)
            return "is empty";
        if (path.Length > MaxPathLength)
            return "is too long";
        if (path.Any(IsUnprintable))
            return "has a control character";
        if (path.Contains('\\', StringComparison.Ordinal))
            return "has a backslash";
        if (path[0] is '/' or '~' || DrivePattern().IsMatch(path))
            return "is not relative to the storage root";
        var segments = path.Split('/');
        if (segments.Contains("..", StringComparer.Ordinal))
            return "leaves the storage root";
        return segments.Any(segment => segment is "" or ".") ? "has an empty segment or a '.'" : null;
    }

    private static bool IsUnprintable(char character) =>
        char.GetUnicodeCategory(character) is UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    // Levenshtein's distance, one row of its table at a time.
    private static int EditDistance(string left, string right)
    {
        var row = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var substituted = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substituted, 1 + Math.Min(row[j], row[j - 1]));
            }
        }
        return row[right.Length];
    }

    [GeneratedRegex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex LabelPattern();

    [GeneratedRegex("^[A-Za-z]:", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex DrivePattern();
}
