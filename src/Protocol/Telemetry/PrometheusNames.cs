using System.Text;

namespace Linformer.Protocol.Telemetry;

/// <summary>Prometheus' names of instruments and labels, by the rules of OpenTelemetry's specification.</summary>
internal static class PrometheusNames
{
    private const string CountSuffix = "_count";

    private static readonly Dictionary<string, string> Units = new(StringComparer.Ordinal)
    {
        ["s"] = "seconds",
        ["ms"] = "milliseconds",
        ["us"] = "microseconds",
        ["ns"] = "nanoseconds",
        ["min"] = "minutes",
        ["h"] = "hours",
        ["d"] = "days",
        ["By"] = "bytes",
        ["KiBy"] = "kibibytes",
        ["MiBy"] = "mebibytes",
        ["GiBy"] = "gibibytes",
        ["Cel"] = "celsius",
        ["Hz"] = "hertz",
        ["W"] = "watts",
        ["J"] = "joules",
        ["V"] = "volts",
        ["A"] = "amperes",
        ["%"] = "percent",
        ["1"] = "ratio",
    };

    /// <summary>The name of a family, without a counter's <c>_total</c>, and its unit; empty for none.</summary>
    public static (string Name, string Unit) Of(MetricFamilySnapshot family)
    {
        var name = Clean(family.Name, colons: true);
        if (family.Kind == MetricKind.Counter && name.EndsWith("_total", StringComparison.Ordinal))
            name = name[..^"_total".Length];
        // Of a histogram's own series; promtool accepts it of nothing else.
        if (family.Kind != MetricKind.Histogram && name.EndsWith(CountSuffix, StringComparison.Ordinal))
            name = name[..^CountSuffix.Length];
        var unit = family is { Kind: MetricKind.Counter, Unit: "1" } ? "" : UnitOf(family.Unit);
        return unit.Length == 0 || name.EndsWith("_" + unit, StringComparison.Ordinal) ? (name, unit) : ($"{name}_{unit}", unit);
    }

    /// <summary>The name of a label.</summary>
    /// <param name="name">As the instrument has it.</param>
    /// <param name="histogram">Whether it is a histogram's, which has a label <c>le</c> of its own.</param>
    public static string Label(string name, bool histogram)
    {
        var clean = Clean(name, colons: false);
        return clean.StartsWith("__", StringComparison.Ordinal) ? "key" + clean : histogram && clean == "le" ? "key_le" : clean;
    }

    // What stands in braces says what is counted, and is no unit.
    private static string UnitOf(string unit)
    {
        var parts = new StringBuilder();
        var depth = 0;
        foreach (var character in unit)
        {
            depth += character == '{' ? 1 : 0;
            if (depth == 0)
                parts.Append(character);
            depth -= character == '}' && depth > 0 ? 1 : 0;
        }
        var (whole, per) = parts.ToString().Split('/', 2) is [var upper, var lower] ? (upper, lower) : (parts.ToString(), "");
        var text = Word(whole);
        if (per.Length > 0)
            text += (text.Length > 0 ? "_per_" : "per_") + Word(per).TrimEnd('s');
        return text;
    }

    private static string Word(string unit) => unit.Length == 0 ? "" : Units.GetValueOrDefault(unit) ?? Clean(unit, colons: false);

    private static string Clean(string name, bool colons)
    {
        var clean = new StringBuilder(name.Length);
        foreach (var character in name)
        {
            if (char.IsAsciiLetterOrDigit(character) || (colons && character == ':'))
                clean.Append(character);
            else if (clean.Length == 0 || clean[^1] != '_')
                clean.Append('_');
        }
        if (clean.Length == 0 || char.IsAsciiDigit(clean[0]))
            clean.Insert(0, '_');
        return clean.ToString();
    }
}
