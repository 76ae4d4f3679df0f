using System.Text.RegularExpressions;

namespace Linformer.Training.Measures;

/// <summary>
/// Cuts a text into the words that BLEU is counted over, as mteval-v13a and sacrebleu's <c>13a</c> do, so that scores can be compared:
/// punctuation is a word of its own, but a point or comma inside a number is not.
/// </summary>
public static partial class BleuWords
{
    /// <summary>The words of a text.</summary>
    /// <param name="text">The text, as people read it.</param>
    public static string[] Of(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var line = text
            .Replace("<skipped>", "", StringComparison.Ordinal)
            .Replace("-\n", "", StringComparison.Ordinal)
            .Replace('\n', ' ')
            .Replace("&quot;", "\"", StringComparison.Ordinal)
            .Replace("&amp;", "&", StringComparison.Ordinal)
            .Replace("&lt;", "<", StringComparison.Ordinal)
            .Replace("&gt;", ">", StringComparison.Ordinal);
        // What is not behind or before a digit has to be behind or before something.
        line = Marks().Replace($" {line} ", " ${mark} ");
        line = BehindOther().Replace(line, "${other} ${mark} ");
        line = BeforeOther().Replace(line, " ${mark} ${other}");
        line = DashBehindDigit().Replace(line, "${digit} - ");
        return line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    [GeneratedRegex(@"(?<mark>[{-~\[-` -&(-+:-@/])", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Marks();

    [GeneratedRegex("(?<other>[^0-9])(?<mark>[.,])", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex BehindOther();

    [GeneratedRegex("(?<mark>[.,])(?<other>[^0-9])", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex BeforeOther();

    [GeneratedRegex("(?<digit>[0-9])-", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex DashBehindDigit();
}
