using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Linformer.Cli.Screens;

/// <summary>Text of others that must not steer the terminal of the one who reads it.</summary>
public static partial class PlainText
{
    /// <summary>
    /// A text on one line: escape sequences are taken out, other control characters become blanks or question marks, and so do
    /// characters that turn the direction of writing or are not characters at all.
    /// </summary>
    /// <param name="text">Any text.</param>
    public static string Of(string text)
    {
        if (text.All(c => c is >= ' ' and <= '~'))
            return text;
        var plain = new StringBuilder(text.Length);
        foreach (var rune in EscapeSequence().Replace(text, "").EnumerateRunes())
        {
            var category = Rune.GetUnicodeCategory(rune);
            if (category is UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                plain.Append(Rune.IsWhiteSpace(rune) ? ' ' : '?');
            else if (category is UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned || rune == Rune.ReplacementChar)
                plain.Append('?');
            else
                plain.Append(rune);
        }

        return plain.ToString();
    }

    // CSI sequences; strings of OSC, DCS, SOS, PM and APC up to their end; and shorter sequences. Also in their one-character forms.
    [GeneratedRegex(@"(?:\e\[|\u009b)[0-?]*[ -/]*[@-~]?|(?:\e[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\a\e\u009c]*(?:\a|\e\\|\u009c)?|\e[ -/]*[0-~]?", RegexOptions.None, 1000)]
    private static partial Regex EscapeSequence();
}
