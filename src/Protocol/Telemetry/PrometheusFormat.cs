using System.Globalization;

namespace Linformer.Protocol.Telemetry;

/// <summary>A text in which Prometheus and its like are told values.</summary>
public enum PrometheusFormat
{
    /// <summary>Prometheus' text format 0.0.4.</summary>
    Text,

    /// <summary>OpenMetrics 1.0.</summary>
    OpenMetrics,
}

/// <summary>What a reader may ask for.</summary>
public static class PrometheusFormats
{
    private const string OpenMetricsType = "application/openmetrics-text";

    /// <summary>The header <c>Content-Type</c> of a format.</summary>
    public static string ContentType(PrometheusFormat format) =>
        format == PrometheusFormat.OpenMetrics ? OpenMetricsType + "; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>The format that a reader likes best; text for one that says nothing of either.</summary>
    /// <param name="accept">The header <c>Accept</c>; null or empty for none.</param>
    public static PrometheusFormat Choose(string? accept)
    {
        var (text, openMetrics) = (0.0, 0.0);
        foreach (var range in (accept ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = range.Split(';', StringSplitOptions.TrimEntries);
            var quality = double.TryParse(Parameter(parts, "q") ?? "1", NumberStyles.Float, CultureInfo.InvariantCulture, out var given) ? given : 0;
            switch (parts[0].ToLowerInvariant())
            {
                case OpenMetricsType when Parameter(parts, "version") is null or "1.0.0":
                    openMetrics = Math.Max(openMetrics, quality);
                    break;
                case "text/plain" or "text/*" or "*/*":
                    text = Math.Max(text, quality);
                    break;
            }
        }
        return openMetrics > 0 && openMetrics >= text ? PrometheusFormat.OpenMetrics : PrometheusFormat.Text;
    }

    private static string? Parameter(string[] parts, string name) =>
        parts.Skip(1).Select(part => part.Split('=', 2, StringSplitOptions.TrimEntries))
            .Where(part => part.Length == 2 && part[0].Equals(name, StringComparison.OrdinalIgnoreCase))
            .Select(part => part[1].Trim('"'))
            .FirstOrDefault();
}
