using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;

namespace Linformer.Data.Tokenizers;

/// <summary>
/// GPT-2's pre-tokenisation of UTF-8 text into words: the matches of
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.
/// </summary>
/// <remarks>
/// Written out by hand because .NET's expressions see UTF-16 units and so no letters beyond U+FFFF. A byte that is not
/// part of valid UTF-8 counts as a character that is neither letter, number nor space, as U+FFFD would.
/// Concatenated, the words are always the text. A run of more than <see cref="LongestWord"/> bytes gives several words, so that
/// a text of one word does not take many times its size of memory.
/// </remarks>
internal static class WordSplitter
{
    /// <summary>A word ends with the first character that reaches this many bytes.</summary>
    public const int LongestWord = 1 << 20;

    /// <summary>The length in bytes of the word at the start of a text that is not empty.</summary>
    public static int NextLength(ReadOnlySpan<byte> text)
    {
        // Most words are a space and some ASCII letters, seen at once.
        if (text.Length >= Vector256<byte>.Count)
        {
            var start = text[0] == ' ' ? 1 : 0;
            var letters = LettersOf(Vector256.LoadUnsafe(ref MemoryMarshal.GetReference(text))) >> start;
            var end = start + BitOperations.TrailingZeroCount(~letters);
            if (end > start && end < Vector256<byte>.Count && text[end] < 0x80)
            {
                return end;
            }
        }

        return NextLengthOfAny(text);
    }

    /// <summary>
    /// Whether a cut of a text before <paramref name="index"/> leaves the words as they are: white space follows
    /// a character that is not white space.
    /// </summary>
    public static bool IsSafeCut(ReadOnlySpan<byte> text, int index)
    {
        if (text[index] is not ((byte)' ' or (byte)'\n' or (byte)'\t' or (byte)'\r') || index == 0)
        {
            return false;
        }

        return Rune.DecodeLastFromUtf8(text[..index], out var before, out _) == OperationStatus.Done && !Rune.IsWhiteSpace(before);
    }

    // A bit for each of the bytes that is an ASCII letter.
    private static uint LettersOf(Vector256<byte> bytes) =>
        Vector256.LessThan((bytes | Vector256.Create((byte)0x20)) - Vector256.Create((byte)'a'), Vector256.Create((byte)26)).ExtractMostSignificantBits();

    private static int NextLengthOfAny(ReadOnlySpan<byte> text)
    {
        if (text[0] == '\'' && ContractionLength(text) is var contraction and > 0)
        {
            return contraction;
        }

        var kind = CharacterKinds.At(text, out var length);
        if (kind != CharacterKind.Space)
        {
            return RunLength(text, kind, length);
        }

        if (text[0] == ' ')
        {
            var following = CharacterKinds.At(text[1..], out var followingLength);
            if (following is not (CharacterKind.Space or CharacterKind.End))
            {
                return RunLength(text, following, 1 + followingLength);
            }
        }

        return SpaceRunLength(text);
    }

    private static int ContractionLength(ReadOnlySpan<byte> text)
    {
        if (text.Length >= 3 && (text[1..3].SequenceEqual("re"u8) || text[1..3].SequenceEqual("ve"u8) || text[1..3].SequenceEqual("ll"u8)))
        {
            return 3;
        }

        return text.Length >= 2 && text[1] is (byte)'s' or (byte)'t' or (byte)'m' or (byte)'d' ? 2 : 0;
    }

    private static int RunLength(ReadOnlySpan<byte> text, CharacterKind kind, int length)
    {
        while (length < LongestWord && CharacterKinds.At(text[length..], out var next) == kind)
        {
            length += next;
        }

        return length;
    }

    // All of the white space at the end of a text; before other characters all but its last character, unless it has just one.
    private static int SpaceRunLength(ReadOnlySpan<byte> text)
    {
        int length = 0, last = 0;
        CharacterKind kind;
        while ((kind = CharacterKinds.At(text[length..], out var next)) == CharacterKind.Space)
        {
            last = next;
            length += next;
            if (length >= LongestWord)
            {
                return length;
            }
        }

        return kind == CharacterKind.End || length == last ? length : length - last;
    }
}
