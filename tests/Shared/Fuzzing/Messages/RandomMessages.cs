using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Linformer.Fuzzing.Messages;

/// <summary>Makes messages of any type from their descriptors, with numbers at the ends of their ranges and texts that nobody expects.</summary>
/// <param name="texts">Texts that mean something to the receiver.</param>
/// <param name="contents">The same of bytes.</param>
internal sealed class RandomMessages(IReadOnlyList<string> texts, IReadOnlyList<byte[]> contents)
{
    private const int DeepestNesting = 6;

    private static readonly long[] Numbers = [0, 1, 2, 3, 7, -1, -2, 100, 1024, 1 << 20, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue, 253402300800, -62135596801];

    private static readonly double[] Fractions = [0, 1, -1, 0.5, double.NaN, double.PositiveInfinity, double.NegativeInfinity, double.MaxValue, double.Epsilon, -0.0, 1e300];

    private static readonly string[] Texts =
    [
        "", " ", ".", "..", "../..", "/", "/etc/passwd", "a/b", "a\0b", "\n", "\u001b[2J", "\u202e", "☃", "😀", "%", "' OR 1=1 --", "{}", "[]", "null", "0", "-1", "99999999999999999999",
        new('a', 64), new('a', 5000), new('é', 300), string.Concat(Enumerable.Repeat("a/", 400)), "l0000-g0001-s00000001", "l9999999999-g9999999999-s9999999999999999999",
    ];

    /// <summary>A message.</summary>
    /// <param name="random">Decides what is in it.</param>
    /// <param name="descriptor">Its type.</param>
    /// <param name="depth">How deep it is nested in others.</param>
    public IMessage Make(Random random, MessageDescriptor descriptor, int depth = 0)
    {
        var message = descriptor.Parser.ParseFrom(ByteString.Empty);
        var density = random.NextDouble();
        foreach (var field in descriptor.Fields.InDeclarationOrder())
        {
            if (random.NextDouble() > density || (field.FieldType == FieldType.Message && depth >= DeepestNesting))
            {
                continue;
            }

            if (field.IsMap)
            {
                var map = (IDictionary)field.Accessor.GetValue(message);
                var entry = field.MessageType.Fields;
                map[Value(random, entry[1], depth)] = Value(random, entry[2], depth);
            }
            else if (field.IsRepeated)
            {
                var list = (IList)field.Accessor.GetValue(message);
                for (var count = random.Next(20) == 0 ? 200 >> depth : random.Next(4); count > 0; count--)
                {
                    list.Add(Value(random, field, depth));
                }
            }
            else
            {
                field.Accessor.SetValue(message, Value(random, field, depth));
            }
        }

        return message;
    }

    private object Value(Random random, FieldDescriptor field, int depth)
    {
        var number = random.Next(3) == 0 ? Numbers[random.Next(Numbers.Length)] : random.Next(-1, 6);
        return field.FieldType switch
        {
            FieldType.Bool => random.Next(2) == 0,
            FieldType.Double => random.Next(2) == 0 ? Fractions[random.Next(Fractions.Length)] : random.NextDouble(),
            FieldType.Float => (float)Fractions[random.Next(Fractions.Length)],
            FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32 => unchecked((int)number),
            FieldType.UInt32 or FieldType.Fixed32 => unchecked((uint)number),
            FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 => number,
            FieldType.UInt64 or FieldType.Fixed64 => unchecked((ulong)number),
            FieldType.Enum => Enum.ToObject(field.EnumType.ClrType, random.Next(3) == 0 ? unchecked((int)number) : random.Next(field.EnumType.Values.Count)),
            FieldType.String => random.Next(2) == 0 && texts.Count > 0 ? texts[random.Next(texts.Count)] : Texts[random.Next(Texts.Length)],
            FieldType.Bytes => ByteString.CopyFrom(contents.Count > 0 ? contents[random.Next(contents.Count)] : [1, 2, 3]),
            _ => Make(random, field.MessageType, depth + 1),
        };
    }
}
