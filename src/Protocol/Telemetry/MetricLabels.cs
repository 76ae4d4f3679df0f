using System.Globalization;
using System.Text;

namespace Linformer.Protocol.Telemetry;

/// <summary>The labels of a series, in the order of their names; equal ones have an equal <see cref="Key"/>.</summary>
/// <param name="Key">All of them as a text.</param>
/// <param name="Pairs">Names, as instruments give them, with their values.</param>
public sealed record MetricLabels(string Key, IReadOnlyList<KeyValuePair<string, string>> Pairs)
{
    private const int LongestValue = 512;

    /// <summary>No labels.</summary>
    public static MetricLabels None { get; } = new("", []);

    /// <summary>The labels of the series in which is counted what is too much, as OpenTelemetry names them.</summary>
    public static MetricLabels Overflow { get; } = new("\u0001", [new("otel.metric.overflow", "true")]);

    /// <summary>The labels of a measurement; the last of several with one name counts.</summary>
    /// <param name="meter">Those of its meter.</param>
    /// <param name="own">Its own.</param>
    internal static MetricLabels Of(ReadOnlySpan<KeyValuePair<string, object?>> meter, ReadOnlySpan<KeyValuePair<string, object?>> own)
    {
        if (meter.IsEmpty && own.IsEmpty)
            return None;
        var pairs = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in meter)
            pairs[pair.Key] = Text(pair.Value);
        foreach (var pair in own)
            pairs[pair.Key] = Text(pair.Value);
        var key = new StringBuilder();
        foreach (var (name, value) in pairs)
            key.Append(name).Append('\u0002').Append(value).Append('\u0003');
        return new MetricLabels(key.ToString(), [.. pairs]);
    }

    private static string Text(object? value)
    {
        var text = value switch
        {
            null => "",
            bool flag => flag ? "true" : "false",
            _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
        };
        return text.Length <= LongestValue ? text : text[..LongestValue];
    }
}
