using System.Globalization;
using System.Text;

namespace Linformer.Protocol.Telemetry;

/// <summary>Writes values as Prometheus reads them.</summary>
public static class PrometheusText
{
    /// <summary>Writes the families, each name and each series once.</summary>
    /// <param name="families">The values.</param>
    /// <param name="format">How they are written.</param>
    public static string Write(IEnumerable<MetricFamilySnapshot> families, PrometheusFormat format)
    {
        var output = new StringBuilder();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var family in families)
        {
            var (name, unit) = PrometheusNames.Of(family);
            // Of two instruments whose names become the same, the first is told.
            if (names.Add(name))
                new Family(output, family, name, unit, format == PrometheusFormat.OpenMetrics).Write();
        }
        if (format == PrometheusFormat.OpenMetrics)
            output.Append("# EOF\n");
        return output.ToString();
    }

    private sealed class Family(StringBuilder output, MetricFamilySnapshot family, string name, string unit, bool openMetrics)
    {
        // OpenMetrics tells of a family, the text format of its samples.
        private readonly string _told = family.Kind == MetricKind.Counter && !openMetrics ? name + "_total" : name;
        private readonly HashSet<string> _series = new(StringComparer.Ordinal);

        public void Write()
        {
            Line($"# HELP {_told} {Help(family.Description.Length > 0 ? family.Description : family.Name)}");
            Line($"# TYPE {_told} {family.Kind.ToString().ToLowerInvariant()}");
            if (openMetrics && unit.Length > 0)
                Line($"# UNIT {name} {unit}");
            foreach (var series in family.Series)
            {
                var labels = Labels(series.Labels);
                if (!_series.Add(labels))
                    continue;
                if (family.Kind == MetricKind.Histogram)
                    WriteHistogram(series, labels);
                else
                    Sample(family.Kind == MetricKind.Counter ? name + "_total" : name, labels, Number(series.Value));
            }
        }

        private void WriteHistogram(MetricSeries series, string labels)
        {
            var before = labels.Length > 0 ? labels + "," : "";
            var count = 0L;
            for (var i = 0; i < series.Buckets.Count; i++)
            {
                count += series.Buckets[i];
                var bound = i < family.Bounds.Count ? Bound(family.Bounds[i]) : "+Inf";
                Sample(name + "_bucket", $"{before}le=\"{bound}\"", Count(count));
            }
            Sample(name + "_sum", labels, Number(series.Value));
            Sample(name + "_count", labels, Count(count));
        }

        private string Labels(MetricLabels labels)
        {
            // Names that become the same share one label, with all their values.
            var merged = new SortedDictionary<string, string>(StringComparer.Ordinal);
            foreach (var (label, value) in labels.Pairs)
            {
                var clean = PrometheusNames.Label(label, family.Kind == MetricKind.Histogram);
                merged[clean] = merged.TryGetValue(clean, out var other) ? $"{other};{value}" : value;
            }
            return string.Join(',', merged.Select(pair => $"{pair.Key}=\"{Quoted(pair.Value)}\""));
        }

        private void Sample(string sample, string labels, string value) => Line(labels.Length > 0 ? $"{sample}{{{labels}}} {value}" : $"{sample} {value}");

        private void Line(string line) => output.Append(line).Append('\n');

        // Whole numbers as OpenMetrics writes them, so that all its writers make the same label.
        private string Bound(double bound)
        {
            var text = Number(bound);
            return openMetrics && text.All(char.IsAsciiDigit) ? text + ".0" : text;
        }

        private string Help(string text)
        {
            var escaped = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal).Replace('\r', ' ');
            return openMetrics ? escaped.Replace("\"", "\\\"", StringComparison.Ordinal) : escaped;
        }
    }

    private static string Quoted(string value)
    {
        var quoted = new StringBuilder(value.Length);
        foreach (var rune in value.EnumerateRunes())
        {
            quoted.Append(rune.Value switch
            {
                '\\' => "\\\\",
                '"' => "\\\"",
                '\n' => "\\n",
                _ => rune.ToString(),
            });
        }
        return quoted.ToString();
    }

    private static string Number(double value) => value switch
    {
        double.NaN => "NaN",
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private static string Count(long count) => count.ToString(CultureInfo.InvariantCulture);
}
