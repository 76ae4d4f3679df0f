using System.Text;

namespace Linformer.Bench.Data;

/// <summary>The texts that are encoded, as files.</summary>
internal static class BenchTexts
{
    private const int LongestLine = 4096;
    private const int MixedBytes = 12 << 20;

    private static readonly string[] Alphabets =
    [
        "абвгдежзийклмнопрстуфхцчшщыьэюя",
        "αβγδεζηθικλμνξοπρστυφχψω",
        "aàáâäbcçdeéèêëfghiíîïjklmnñoóôöpqrstuúùüvwxyz",
        "אבגדהוזחטיכלמנסעפצקרשת",
        "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह",
        "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ",
        string.Concat(Enumerable.Range(0, 3000).Select(i => (char)(0x4E00 + i))),
        string.Concat(Enumerable.Range(0, 1000).Select(i => (char)(0xAC00 + (i * 7)))),
    ];

    /// <summary>Joins files; lines beyond some kilobytes are cut at a space, since sentencepiece takes a line as a sentence.</summary>
    /// <param name="folder">Folder of text files.</param>
    /// <param name="path">The file to write.</param>
    public static void WriteEnglish(string folder, string path)
    {
        using var output = new StreamWriter(path);
        foreach (var line in Directory.EnumerateFiles(folder, "*.txt").Order(StringComparer.Ordinal).SelectMany(File.ReadLines))
        {
            var rest = line.AsSpan();
            while (rest.Length > LongestLine && rest[..LongestLine].LastIndexOf(' ') is var cut and > 0)
            {
                output.WriteLine(rest[..cut]);
                rest = rest[(cut + 1)..];
            }

            output.WriteLine(rest);
        }
    }

    /// <summary>Writes made-up words of eight scripts, most of them seen once: what a memory of words is of no use for.</summary>
    /// <param name="path">The file to write.</param>
    public static void WriteMixed(string path)
    {
        var random = new Random(1);
        using var output = File.Create(path);
        var line = new StringBuilder();
        while (output.Length < MixedBytes)
        {
            line.Clear();
            var alphabet = Alphabets[random.Next(Alphabets.Length)];
            for (var words = random.Next(5, 20); words > 0; words--)
            {
                AppendWord(line, alphabet, random);
                line.Append(words == 1 ? '\n' : ' ');
            }

            output.Write(Encoding.UTF8.GetBytes(line.ToString()));
        }
    }

    // The first letters of an alphabet are the frequent ones; one word in ten is a number or ends in a sign.
    private static void AppendWord(StringBuilder line, string alphabet, Random random)
    {
        var kind = random.Next(20);
        if (kind == 0)
        {
            line.Append(random.Next(1_000_000_000));
            return;
        }

        for (var letters = alphabet.Length > 100 ? random.Next(1, 4) : random.Next(2, 12); letters > 0; letters--)
        {
            line.Append(alphabet[(int)(alphabet.Length * random.NextDouble() * random.NextDouble())]);
        }

        if (kind == 1)
        {
            line.Append(",.!?;:—…"[random.Next(8)]);
        }
    }
}
