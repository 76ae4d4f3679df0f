using System.Diagnostics.Metrics;

namespace Linformer.Protocol.Telemetry;

/// <summary>What the values of an instrument mean.</summary>
public enum MetricKind
{
    /// <summary>A number that only grows, from 0 on.</summary>
    Counter,

    /// <summary>A number that goes up and down.</summary>
    Gauge,

    /// <summary>How many values were at most how large.</summary>
    Histogram,
}

/// <summary>All series of the instruments of one name.</summary>
/// <param name="Name">As the instrument has it, such as <c>linformer.jobs</c>.</param>
/// <param name="Kind">What the values mean.</param>
/// <param name="Unit">In UCUM, such as <c>s</c>, <c>By</c> or <c>{job}</c>; empty for none.</param>
/// <param name="Description">For people; may be empty.</param>
/// <param name="Bounds">Of a histogram: its buckets' upper bounds, ascending, without infinity.</param>
/// <param name="Series">The series, by labels.</param>
public sealed record MetricFamilySnapshot(
    string Name, MetricKind Kind, string Unit, string Description, IReadOnlyList<double> Bounds, IReadOnlyList<MetricSeries> Series);

/// <summary>One series.</summary>
/// <param name="Labels">Its labels.</param>
/// <param name="Value">Its value; of a histogram, the sum of all values.</param>
/// <param name="Buckets">Of a histogram: how many values fell into each bucket alone, one more than there are bounds.</param>
public sealed record MetricSeries(MetricLabels Labels, double Value, IReadOnlyList<long> Buckets);

/// <summary>All series of the instruments of one name, while they are counted.</summary>
internal sealed class MetricFamily(string name, MetricKind kind, string unit, string description, bool isObservable, double[] bounds)
{
    // OpenTelemetry's, for durations in seconds.
    private static readonly double[] DefaultBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Cell> _series = new(StringComparer.Ordinal);
    private int _round;

    public string Name => name;

    public MetricKind Kind => kind;

    public string Unit => unit;

    public bool IsObservable => isObservable;

    public static MetricKind? KindOf(Instrument instrument)
    {
        var type = instrument.GetType().Name;
        return type[..Math.Max(0, type.IndexOf('`', StringComparison.Ordinal))] switch
        {
            "Counter" or "ObservableCounter" => MetricKind.Counter,
            "UpDownCounter" or "ObservableUpDownCounter" or "Gauge" or "ObservableGauge" => MetricKind.Gauge,
            "Histogram" => MetricKind.Histogram,
            _ => null,
        };
    }

    /// <summary>Whether a measurement of the instrument takes the place of the one before.</summary>
    public static bool Replaces(Instrument instrument) => instrument.GetType().Name is "Gauge`1" or "ObservableGauge`1";

    public static double[] BoundsOf(Instrument instrument) => instrument switch
    {
        Histogram<double> { Advice.HistogramBucketBoundaries: { } own } => [.. own],
        Histogram<float> { Advice.HistogramBucketBoundaries: { } own } => [.. own.Select(bound => (double)bound)],
        Histogram<long> { Advice.HistogramBucketBoundaries: { } own } => [.. own.Select(bound => (double)bound)],
        Histogram<int> { Advice.HistogramBucketBoundaries: { } own } => [.. own.Select(bound => (double)bound)],
        _ => DefaultBounds,
    };

    /// <summary>Takes a measurement.</summary>
    /// <param name="value">Its value.</param>
    /// <param name="labels">Its labels.</param>
    /// <param name="replaces">Whether it takes the place of the one before, rather than be added.</param>
    public void Record(double value, MetricLabels labels, bool replaces)
    {
        if (kind == MetricKind.Histogram && double.IsNaN(value))
            return;
        lock (_lock)
        {
            if (!_series.TryGetValue(labels.Key, out var cell))
            {
                if (_series.Count >= MetricCollector.MostSeries)
                    labels = MetricLabels.Overflow;
                if (!_series.TryGetValue(labels.Key, out cell))
                    _series.Add(labels.Key, cell = new Cell(labels, kind == MetricKind.Histogram ? new long[bounds.Length + 1] : []));
            }
            if (isObservable && cell.Round != _round)
                cell.Value = 0;
            cell.Round = _round;
            if (replaces)
                cell.Value = value;
            else
                cell.Add(value, bounds);
        }
    }

    // What is not observed any more in this round is gone.
    public void BeginRound()
    {
        lock (_lock)
            _round++;
    }

    public MetricFamilySnapshot EndRound()
    {
        lock (_lock)
        {
            if (isObservable)
            {
                foreach (var key in _series.Where(one => one.Value.Round != _round).Select(one => one.Key).ToList())
                    _series.Remove(key);
            }
            return new MetricFamilySnapshot(
                name, kind, unit, description, kind == MetricKind.Histogram ? bounds : [],
                [.. _series.Values.OrderBy(cell => cell.Labels.Key, StringComparer.Ordinal).Select(cell => cell.Read())]);
        }
    }

    private sealed class Cell(MetricLabels labels, long[] buckets)
    {
        public MetricLabels Labels => labels;

        public int Round { get; set; }

        public double Value { get; set; }

        public void Add(double value, double[] bounds)
        {
            Value += value;
            if (buckets.Length == 0)
                return;
            var place = Array.BinarySearch(bounds, value);
            buckets[place < 0 ? ~place : place]++;
        }

        public MetricSeries Read() => new(labels, Value, [.. buckets]);
    }
}
