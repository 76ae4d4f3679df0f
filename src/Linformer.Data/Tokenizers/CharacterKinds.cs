using System.Buffers;
using System.Globalization;
using System.Text;

namespace Linformer.Data.Tokenizers;

/// <summary>What GPT-2's expression tells characters apart by.</summary>
internal enum CharacterKind : byte
{
    /// <summary>There is no character.</summary>
    End,

    /// <summary>Neither letter, number nor space.</summary>
    Other,

    /// <summary><c>\p{L}</c>.</summary>
    Letter,

    /// <summary><c>\p{N}</c>.</summary>
    Number,

    /// <summary><c>\s</c>.</summary>
    Space,
}

/// <summary>The kinds of characters in UTF-8, from tables that are made as they are needed. Safe for many threads.</summary>
internal static class CharacterKinds
{
    // 256 characters each.
    private static readonly byte[]?[] Pages = new byte[]?[0x1100];
    private static readonly byte[] AsciiKinds = MakePage(0);

    /// <summary>The kind of an ASCII character.</summary>
    public static CharacterKind OfAscii(byte character) => (CharacterKind)AsciiKinds[character];

    /// <summary>The kind of the first character of a text.</summary>
    /// <param name="text">Bytes; those that are not valid UTF-8 count as U+FFFD does.</param>
    /// <param name="length">How many bytes the character has; 1 at the end of the text.</param>
    public static CharacterKind At(ReadOnlySpan<byte> text, out int length)
    {
        length = 1;
        if (text.IsEmpty)
        {
            return CharacterKind.End;
        }

        return text[0] < 0x80 ? OfAscii(text[0]) : Beyond(text, out length);
    }

    /// <summary>The kind of the first character of a text that begins with a byte that is not ASCII.</summary>
    /// <param name="text">Bytes; those that are not valid UTF-8 count as U+FFFD does.</param>
    /// <param name="length">How many bytes the character has.</param>
    public static CharacterKind Beyond(ReadOnlySpan<byte> text, out int length)
    {
        // Two and three bytes where nothing can be wrong but a byte that does not continue; the others are rare.
        if (text.Length >= 2 && text[0] is >= 0xC2 and < 0xE0 && IsContinuation(text[1]))
        {
            length = 2;
            return Of(((text[0] & 0x1F) << 6) | (text[1] & 0x3F));
        }

        if (text.Length >= 3 && (text[0] & 0xF0) == 0xE0 && IsContinuation(text[1]) && IsContinuation(text[2]))
        {
            var character = ((text[0] & 0x0F) << 12) | ((text[1] & 0x3F) << 6) | (text[2] & 0x3F);
            if (character is >= 0x800 and not (>= 0xD800 and < 0xE000))
            {
                length = 3;
                return Of(character);
            }
        }

        return Rune.DecodeFromUtf8(text, out var rune, out length) == OperationStatus.Done ? Of(rune.Value) : CharacterKind.Other;
    }

    private static bool IsContinuation(byte value) => (value & 0xC0) == 0x80;

    private static CharacterKind Of(int character) => (CharacterKind)(Pages[character >> 8] ?? MakePage(character >> 8))[character & 0xFF];

    private static byte[] MakePage(int number)
    {
        var page = new byte[256];
        for (var i = 0; i < page.Length; i++)
        {
            page[i] = (byte)(Rune.TryCreate((number << 8) | i, out var rune) ? Classify(rune) : CharacterKind.Other);
        }

        return Pages[number] = page;
    }

    private static CharacterKind Classify(Rune rune) => Rune.IsWhiteSpace(rune) ? CharacterKind.Space : Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharacterKind.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterKind.Number,
        _ => CharacterKind.Other,
    };
}
