using System.Text;

namespace Linformer.Data.Tokenizers;

/// <summary>
/// GPT-2's one-to-one map between bytes and printable characters, in which vocabularies of byte-level BPE are written.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] ToChar = MakeMap();
    private static readonly Dictionary<char, byte> ToByte = Enumerable.Range(0, 256).ToDictionary(b => ToChar[b], b => (byte)b);

    /// <summary>All bytes in the order of their characters, which is the order of the first tokens of a vocabulary.</summary>
    public static IEnumerable<byte> BytesInOrder => Enumerable.Range(0, 256).Select(b => (byte)b).OrderBy(b => ToChar[b]);

    /// <summary>Writes bytes as characters.</summary>
    public static string Write(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (var b in bytes)
        {
            text.Append(ToChar[b]);
        }

        return text.ToString();
    }

    /// <summary>Reads bytes back from characters.</summary>
    /// <returns>The bytes, or null when a character is not in the alphabet.</returns>
    public static byte[]? Read(string text)
    {
        var bytes = new byte[text.Length];
        for (var i = 0; i < bytes.Length; i++)
        {
            if (!ToByte.TryGetValue(text[i], out bytes[i]))
            {
                return null;
            }
        }

        return bytes;
    }

    private static char[] MakeMap()
    {
        var map = new char[256];
        var next = 256;
        for (var b = 0; b < 256; b++)
        {
            var printable = b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE;
            map[b] = printable ? (char)b : (char)next++;
        }

        return map;
    }
}
