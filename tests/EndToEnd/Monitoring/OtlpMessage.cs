using System.Buffers.Binary;
using System.Text;

namespace EndToEnd.Monitoring;

/// <summary>A value that arrived by OTLP.</summary>
/// <param name="Service">The attribute service.name of its resource.</param>
/// <param name="Instance">The attribute service.instance.id.</param>
/// <param name="Scope">The meter.</param>
/// <param name="Metric">The metric.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Value">The value; of a histogram, the count.</param>
/// <param name="Attributes">Its attributes.</param>
internal sealed record OtlpPoint(string Service, string Instance, string Scope, string Metric, string Unit, double Value, IReadOnlyDictionary<string, string> Attributes);

/// <summary>
/// Reads opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest by hand, from the numbers of its fields in the
/// published protos.
/// </summary>
internal static class OtlpMessage
{
    public static IEnumerable<OtlpPoint> Points(byte[] message)
    {
        foreach (var resourceMetrics in Messages(message, 1))
        {
            var resource = Attributes(Messages(resourceMetrics, 1).SelectMany(one => Messages(one, 1)));
            foreach (var scopeMetrics in Messages(resourceMetrics, 2))
            {
                var scope = Messages(scopeMetrics, 1).Select(one => Text(one, 1)).FirstOrDefault("");
                foreach (var metric in Messages(scopeMetrics, 2))
                {
                    foreach (var (value, attributes) in DataPoints(metric))
                    {
                        yield return new OtlpPoint(resource.GetValueOrDefault("service.name", ""), resource.GetValueOrDefault("service.instance.id", ""), scope, Text(metric, 1), Text(metric, 3), value, attributes);
                    }
                }
            }
        }
    }

    private static IEnumerable<(double Value, IReadOnlyDictionary<string, string> Attributes)> DataPoints(byte[] metric)
    {
        // Gauges and sums: as_double = 4, as_int = 6, attributes = 7.
        foreach (var point in Messages(metric, 5).Concat(Messages(metric, 7)).SelectMany(data => Messages(data, 1)))
        {
            var fields = Fields(point).ToList();
            var value = fields.Where(field => field.Number == 4).Select(field => BitConverter.Int64BitsToDouble((long)field.Bits))
                .Concat(fields.Where(field => field.Number == 6).Select(field => (double)(long)field.Bits)).Last();
            yield return (value, Attributes(Messages(point, 7)));
        }

        // Histograms: count = 4, attributes = 9.
        foreach (var point in Messages(metric, 9).SelectMany(data => Messages(data, 1)))
        {
            yield return (Fields(point).Where(field => field.Number == 4).Select(field => (double)field.Bits).LastOrDefault(), Attributes(Messages(point, 9)));
        }
    }

    // KeyValue: key = 1, value = 2; AnyValue: string_value = 1, bool_value = 2, int_value = 3.
    private static Dictionary<string, string> Attributes(IEnumerable<byte[]> pairs) => pairs.ToDictionary(
        pair => Text(pair, 1),
        pair => Messages(pair, 2).Select(value => Fields(value).Select(field => field.Number == 1 ? Encoding.UTF8.GetString(field.Bytes) : $"{field.Bits}").FirstOrDefault("")).FirstOrDefault(""));

    private static IEnumerable<byte[]> Messages(byte[] message, int number) => Fields(message).Where(field => field.Number == number).Select(field => field.Bytes);

    private static string Text(byte[] message, int number) => Messages(message, number).Select(Encoding.UTF8.GetString).LastOrDefault("");

    private static IEnumerable<(int Number, ulong Bits, byte[] Bytes)> Fields(byte[] message)
    {
        var at = 0;
        while (at < message.Length)
        {
            var tag = Varint(message, ref at);
            var number = (int)(tag >> 3);
            switch (tag & 7)
            {
                case 0:
                    yield return (number, Varint(message, ref at), []);
                    break;
                case 1:
                    yield return (number, BinaryPrimitives.ReadUInt64LittleEndian(message.AsSpan(at, 8)), []);
                    at += 8;
                    break;
                case 2:
                    var length = (int)Varint(message, ref at);
                    yield return (number, 0, message[at..(at + length)]);
                    at += length;
                    break;
                case 5:
                    yield return (number, BinaryPrimitives.ReadUInt32LittleEndian(message.AsSpan(at, 4)), []);
                    at += 4;
                    break;
                default:
                    throw new InvalidDataException($"Field {number} has wire type {tag & 7}.");
            }
        }
    }

    private static ulong Varint(byte[] message, ref int at)
    {
        var value = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            var next = message[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }
    }
}
