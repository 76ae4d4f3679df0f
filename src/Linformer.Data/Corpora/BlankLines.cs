namespace Linformer.Data.Corpora;

/// <summary>Finds the lines without text that stand between documents.</summary>
internal static class BlankLines
{
    /// <summary>The length of the blank lines at the beginning of a text.</summary>
    public static int LeadingLength(ReadOnlySpan<byte> text, bool isWhole)
    {
        var length = 0;
        while (length < text.Length)
        {
            var visible = text[length..].IndexOfAnyExcept(" \t\r"u8);
            if (visible < 0)
            {
                return isWhole ? text.Length : length;
            }

            if (text[length + visible] != '\n')
            {
                return length;
            }

            length += visible + 1;
        }

        return length;
    }

    /// <summary>Finds the first blank line after a line with text.</summary>
    /// <param name="text">Text that begins within a document.</param>
    /// <param name="length">The length of what comes before, without its line ending.</param>
    /// <param name="next">Where the line after the blank one begins.</param>
    /// <returns>Whether there is one.</returns>
    public static bool TryFind(ReadOnlySpan<byte> text, out int length, out int next)
    {
        for (var newline = text.IndexOf((byte)'\n'); newline >= 0;)
        {
            var rest = text[(newline + 1)..];
            var visible = rest.IndexOfAnyExcept(" \t\r"u8);
            if (visible >= 0 && rest[visible] == '\n')
            {
                length = TrimmedLength(text[..(newline + 1)]);
                next = newline + 1 + visible + 1;
                return true;
            }

            var following = rest.IndexOf((byte)'\n');
            newline = following < 0 ? -1 : newline + 1 + following;
        }

        (length, next) = (0, 0);
        return false;
    }

    /// <summary>The length of a text without the line ending that it may have.</summary>
    public static int TrimmedLength(ReadOnlySpan<byte> text)
    {
        text = text.EndsWith("\n"u8) ? text[..^1] : text;
        return text.EndsWith("\r"u8) ? text.Length - 1 : text.Length;
    }
}
