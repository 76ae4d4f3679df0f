using System.Buffers.Binary;
using System.Text;

namespace Linformer.Fuzzing;

/// <summary>Damages inputs: the same case always in the same way.</summary>
/// <param name="corpus">Good inputs to start from.</param>
/// <param name="dictionary">Words of the format.</param>
/// <param name="longest">No result is longer, in bytes.</param>
internal sealed class Mutator(IReadOnlyList<byte[]> corpus, IReadOnlyList<string> dictionary, int longest)
{
    private static readonly string[] Numbers =
    [
        "0", "-0", "-1", "1", "255", "256", "65535", "65536", "2147483647", "2147483648", "-2147483648", "4294967295", "4294967296",
        "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615",
        "99999999999999999999999999", "1e308", "1e400", "-1e400", "1e-400", "0.1", "1.0", "NaN", "Infinity", "1e9", "0x10", "007",
    ];

    private static readonly long[] Binaries =
    [
        0, 1, -1, 2, 7, 8, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 32,
        long.MaxValue, long.MinValue, long.MaxValue - 7, 1L << 62, 100_000_000, 100_000_001,
    ];

    private static readonly byte[][] Texts =
    [
        .. new[]
        {
            "\0", "\u0001", "\u001b[2J", "\r\n", "\u2028", "\u202e", "\ufeff", "\u00e9", "\u2603", "\U0001f600", "\\u0000", "\\ud800", "\\ud800\\udc00", "\\", "\"", "'",
            "{", "}", "[", "]", ",", ":", "null", "true", "false", "{}", "[]", "\"\"", "../", "/", "%s%n", " ",
        }.Select(Encoding.UTF8.GetBytes),
        [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x98],
    ];

    private readonly byte[][] _words = [.. dictionary.Select(Encoding.UTF8.GetBytes), .. Texts];

    /// <summary>A damaged input, or now and then a good one as it is.</summary>
    /// <param name="random">Decides how.</param>
    public byte[] Next(Random random)
    {
        var input = Pick(random);
        if (random.Next(50) == 0)
        {
            return input;
        }

        for (var rounds = 1 + Small(random, 8); rounds > 0; rounds--)
        {
            input = Damage(random, input);
        }

        return input.Length <= longest ? input : input[..longest];
    }

    private byte[] Damage(Random random, byte[] input)
    {
        var at = random.Next(input.Length + 1);
        var length = Small(random, Math.Max(1, input.Length - at + 1));
        switch (random.Next(12))
        {
            case 0:
                return At(input, at, span => span[0] ^= (byte)(1 << random.Next(8)), 1);
            case 1:
                return At(input, at, random.NextBytes, 1 + random.Next(4));
            case 2:
                return input[..at];
            case 3:
                return [.. input[..at], .. input[(at + Math.Min(length, input.Length - at))..]];
            case 4:
                var word = _words[random.Next(_words.Length)];
                return [.. input[..at], .. word, .. input[at..]];
            case 5:
                var other = Pick(random);
                return [.. input[..at], .. other[random.Next(other.Length + 1)..]];
            case 6:
                return Number(random, input, at);
            case 7:
                return Binary(random, input, at);
            case 8:
                return Repeat(input, at, length, 1 << random.Next(1, 14));
            case 9:
                var deep = _words[random.Next(_words.Length)];
                return Repeat([.. input[..at], .. deep, .. input[at..]], at, deep.Length, 1 << random.Next(1, 14));
            case 10:
                return Quoted(random, input, at);
            default:
                var from = random.Next(input.Length + 1);
                return [.. input[..at], .. input[from..Math.Min(input.Length, from + length)], .. input[at..]];
        }
    }

    private byte[] Pick(Random random) => corpus[random.Next(corpus.Count)];

    // Small ones are more often what matters.
    private static int Small(Random random, int below) => (int)(below * Math.Pow(random.NextDouble(), 3));

    private static byte[] At(byte[] input, int at, SpanAction change, int length)
    {
        if (at >= input.Length)
        {
            return input;
        }

        byte[] copy = [.. input];
        change(copy.AsSpan(at, Math.Min(length, copy.Length - at)));
        return copy;
    }

    private byte[] Repeat(byte[] input, int at, int length, int times)
    {
        length = Math.Min(length, input.Length - at);
        times = length == 0 ? 0 : Math.Min(times, longest / length);
        return [.. input[..at], .. Enumerable.Repeat(input[at..(at + length)], times).SelectMany(part => part), .. input[(at + length)..]];
    }

    // The next number in the text becomes another one.
    private static byte[] Number(Random random, byte[] input, int at)
    {
        var start = input.AsSpan(at).IndexOfAnyInRange((byte)'0', (byte)'9');
        if (start < 0)
        {
            return input;
        }

        start += at;
        var end = input.AsSpan(start).IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        return [.. input[..start], .. Encoding.ASCII.GetBytes(Numbers[random.Next(Numbers.Length)]), .. end < 0 ? [] : input[(start + end)..]];
    }

    // What the next quotes hold becomes another text.
    private byte[] Quoted(Random random, byte[] input, int at)
    {
        var start = Array.IndexOf(input, (byte)'"', Math.Min(at, Math.Max(0, input.Length - 1)));
        var end = start < 0 ? -1 : Array.IndexOf(input, (byte)'"', start + 1);
        if (end < 0)
        {
            return input;
        }

        byte[] text = random.Next(4) switch
        {
            0 => [],
            1 => [.. Enumerable.Repeat((byte)'a', 1 << random.Next(1, 14))],
            _ => _words[random.Next(_words.Length)],
        };
        return [.. input[..(start + 1)], .. text, .. input[end..]];
    }

    private static byte[] Binary(Random random, byte[] input, int at)
    {
        var number = Binaries[random.Next(Binaries.Length)] + random.Next(-1, 2);
        var size = 1 << random.Next(4);
        Span<byte> bytes = stackalloc byte[8];
        if (random.Next(4) == 0)
        {
            BinaryPrimitives.WriteInt64BigEndian(bytes, number);
            bytes = bytes[^size..];
        }
        else
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
            bytes = bytes[..size];
        }

        // Numbers of binary formats mostly stand at multiples of their size.
        at = random.Next(2) == 0 ? at / size * size : at;
        return [.. input[..at], .. bytes, .. input[Math.Min(input.Length, at + size)..]];
    }

    private delegate void SpanAction(Span<byte> span);
}
