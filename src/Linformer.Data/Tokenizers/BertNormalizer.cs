using System.Globalization;
using System.Text;

namespace Linformer.Data.Tokenizers;

/// <summary>How BERT prepares text before it is cut into words.</summary>
/// <param name="CleanText">Whether control characters go and white space becomes spaces.</param>
/// <param name="SpaceChinese">Whether each Chinese character is a word of its own.</param>
/// <param name="StripAccents">Whether accents go; Hangul syllables become jamo then, as in NFD.</param>
/// <param name="Lowercase">Whether letters become small.</param>
internal sealed record BertNormalizer(bool CleanText, bool SpaceChinese, bool StripAccents, bool Lowercase)
{
    private const int HangulFirst = 0xAC00;
    private const int HangulLast = 0xD7A3;
    private const int DottedCapitalI = 0x130;

    /// <summary>What is left of each character of Unicode 14 whose canonical decomposition, without its nonspacing marks, is not itself; and of a mark that later versions hold to be spacing, nothing.</summary>
    private static readonly Lazy<Dictionary<int, Rune[]>> Decompositions = new(ReadDecompositions);

    // First and last of the blocks that BERT holds to be Chinese.
    private static readonly (int First, int Last)[] Chinese =
    [
        (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
        (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
    ];

    /// <summary>The words of a text: runs without white space, each punctuation mark by itself.</summary>
    /// <param name="text">The text.</param>
    /// <param name="word">Is called with each word.</param>
    public void Split(string text, Action<StringBuilder> word)
    {
        var current = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (CleanText && IsRemoved(rune))
            {
                continue;
            }

            if (SpaceChinese && IsChinese(rune.Value))
            {
                Flush();
                AppendNormalized(current, rune, Flush);
                Flush();
            }
            else if (Rune.IsWhiteSpace(rune))
            {
                Flush();
            }
            else
            {
                AppendNormalized(current, rune, Flush);
            }
        }

        Flush();

        void Flush()
        {
            if (current.Length > 0)
            {
                word(current);
                current.Clear();
            }
        }
    }

    private static bool IsChinese(int value) => value >= 0x3400 && Array.Exists(Chinese, block => value >= block.First && value <= block.Last);

    private static bool IsRemoved(Rune rune) => rune.Value switch
    {
        '\t' or '\n' or '\r' => false,
        0 or 0xFFFD => true,
        < 0x7F => rune.Value < ' ',
        _ => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.Surrogate,
    };

    private static bool IsPunctuation(Rune rune) => rune.IsAscii
        ? rune.Value is (>= 33 and <= 47) or (>= 58 and <= 64) or (>= 91 and <= 96) or (>= 123 and <= 126)
        : Rune.GetUnicodeCategory(rune) is UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation
            or UnicodeCategory.OpenPunctuation or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation
            or UnicodeCategory.FinalQuotePunctuation or UnicodeCategory.OtherPunctuation;

    private static void Append(StringBuilder builder, Rune rune)
    {
        Span<char> characters = stackalloc char[2];
        builder.Append(characters[..rune.EncodeToUtf16(characters)]);
    }

    private static Dictionary<int, Rune[]> ReadDecompositions()
    {
        using var stream = typeof(BertNormalizer).Assembly.GetManifestResourceStream("Decompositions.txt")!;
        using var reader = new StreamReader(stream);
        var table = new Dictionary<int, Rune[]>();
        while (reader.ReadLine() is { } line)
        {
            var numbers = Array.ConvertAll(line.Split(' '), number => int.Parse(number, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
            table.Add(numbers[0], Array.ConvertAll(numbers[1..], number => new Rune(number)));
        }

        return table;
    }

    // .NET's own normalisation needs ICU, which is not everywhere that this runs.
    private static ReadOnlySpan<Rune> WithoutAccents(Rune rune, Span<Rune> room)
    {
        if (rune.IsAscii)
        {
            room[0] = rune;
            return room[..1];
        }

        if (rune.Value is >= HangulFirst and <= HangulLast)
        {
            var index = rune.Value - HangulFirst;
            room[0] = new Rune(0x1100 + (index / (21 * 28)));
            room[1] = new Rune(0x1161 + (index % (21 * 28) / 28));
            room[2] = new Rune(0x11A7 + (index % 28));
            return room[..(index % 28 == 0 ? 2 : 3)];
        }

        if (Decompositions.Value.TryGetValue(rune.Value, out var parts))
        {
            return parts;
        }

        room[0] = rune;
        return Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark ? [] : room[..1];
    }

    private void AppendNormalized(StringBuilder current, Rune rune, Action flush)
    {
        Span<Rune> room = stackalloc Rune[3];
        room[0] = rune;
        foreach (var part in StripAccents ? WithoutAccents(rune, room) : room[..1])
        {
            if (IsPunctuation(part))
            {
                flush();
                Append(current, part);
                flush();
            }
            else if (Lowercase && part.Value == DottedCapitalI)
            {
                current.Append("i\u0307");
            }
            else
            {
                Append(current, Lowercase ? Rune.ToLowerInvariant(part) : part);
            }
        }
    }
}
