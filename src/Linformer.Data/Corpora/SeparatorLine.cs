using System.Text;

namespace Linformer.Data.Corpora;

/// <summary>
/// A line that stands between documents in a text file. Spaces and tabs around it do not matter, so the empty separator
/// is any blank line.
/// </summary>
internal sealed class SeparatorLine
{
    // A last line in the window that is longer than this is no separator, however it goes on.
    private const int LongestLine = 1 << 16;

    private readonly byte[] _text;

    public SeparatorLine(string text)
    {
        _text = Encoding.UTF8.GetBytes(text.Trim(' ', '\t', '\r'));
        if (_text.Length > LongestLine / 2 || _text.Contains((byte)'\n'))
        {
            throw new BadDataException($"corpus.separator must be a single line of at most {LongestLine / 2} bytes.");
        }
    }

    private static ReadOnlySpan<byte> Blanks => " \t\r"u8;

    /// <summary>The length of the separators at the beginning of a text.</summary>
    public int LeadingLength(ReadOnlySpan<byte> text, bool isWhole)
    {
        var length = 0;
        while (length < text.Length)
        {
            var newline = text[length..].IndexOf((byte)'\n');
            var line = newline < 0 ? text[length..] : text.Slice(length, newline);
            if (!Is(line) || (newline < 0 && !isWhole))
            {
                break;
            }

            length += newline < 0 ? line.Length : newline + 1;
        }

        return length;
    }

    /// <summary>Finds the first separator after the first line.</summary>
    /// <param name="text">Text that begins within a document.</param>
    /// <param name="isWhole">Whether it is all that is left.</param>
    /// <param name="length">The length of what comes before, without its line ending.</param>
    /// <param name="next">Where the line after the separator begins.</param>
    /// <returns>Whether there is one.</returns>
    public bool TryFind(ReadOnlySpan<byte> text, bool isWhole, out int length, out int next)
    {
        for (var lineEnd = text.IndexOf((byte)'\n'); lineEnd >= 0;)
        {
            var rest = text[(lineEnd + 1)..];
            var newline = rest.IndexOf((byte)'\n');
            if ((newline >= 0 || isWhole) && Is(newline < 0 ? rest : rest[..newline]))
            {
                length = TrimmedLength(text[..(lineEnd + 1)]);
                next = newline < 0 ? text.Length : lineEnd + newline + 2;
                return true;
            }

            lineEnd = newline < 0 ? -1 : lineEnd + 1 + newline;
        }

        (length, next) = (0, 0);
        return false;
    }

    /// <summary>Up to where a text without a separator may be cut: not within a last line that may still become one.</summary>
    public static int CuttableLength(ReadOnlySpan<byte> text)
    {
        var afterLine = text.LastIndexOf((byte)'\n') + 1;
        return text.Length - afterLine > LongestLine ? text.Length : afterLine;
    }

    /// <summary>The length of a text without the line ending that it may have.</summary>
    public static int TrimmedLength(ReadOnlySpan<byte> text)
    {
        text = text.EndsWith("\n"u8) ? text[..^1] : text;
        return text.EndsWith("\r"u8) ? text.Length - 1 : text.Length;
    }

    /// <summary>A scanner for separators in bytes that come in pieces.</summary>
    public Scanner NewScanner() => new(_text);

    private bool Is(ReadOnlySpan<byte> line) => line.Trim(Blanks).SequenceEqual(_text);

    /// <summary>Finds the end of a separator line, byte by byte, from the beginning of a line on.</summary>
    public sealed class Scanner(byte[] text)
    {
        private int _matched;

        /// <summary>Takes the next byte.</summary>
        /// <returns>Whether it is the line feed of a separator line.</returns>
        public bool Take(byte b)
        {
            if (b == '\n')
            {
                var found = _matched == text.Length;
                _matched = 0;
                return found;
            }

            var isBlank = Blanks.Contains(b);
            if (_matched >= 0 && _matched < text.Length && text[_matched] == b)
            {
                _matched++;
            }
            else if (!isBlank || (_matched > 0 && _matched < text.Length))
            {
                _matched = -1;
            }

            return false;
        }
    }
}
