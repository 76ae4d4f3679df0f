using System.Diagnostics.Metrics;

namespace Linformer.Protocol.Telemetry;

/// <summary>
/// Keeps the present value of every instrument of the meters that it listens to, for those who ask, such as Prometheus. Counters and
/// histograms count from when it was made. For any number of threads.
/// </summary>
public sealed class MetricCollector : IDisposable
{
    /// <summary>Meters of this product begin with this.</summary>
    public const string OwnMeters = "Linformer.";

    /// <summary>.NET's meter of the process.</summary>
    public const string RuntimeMeter = "System.Runtime";

    /// <summary>A measurement with other labels than this many series of its instrument is counted in one more, which is labelled so.</summary>
    public const int MostSeries = 2000;

    private readonly Lock _collecting = new();
    private readonly Lock _families = new();
    private readonly Dictionary<string, MetricFamily> _byName = new(StringComparer.Ordinal);
    private readonly MeterListener _listener = new();

    /// <summary>Listens from now on, to meters that come later, too.</summary>
    /// <param name="scope">
    /// Of meters that have a <see cref="Meter.Scope"/>, only those with this one count: those of the part of the process that is asked.
    /// Null for all.
    /// </param>
    public MetricCollector(object? scope = null)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (IsWanted(instrument.Meter, scope) && Add(instrument) is { } series)
                listener.EnableMeasurementEvents(instrument, series);
        };
        _listener.MeasurementsCompleted = (_, state) => (state as InstrumentSeries)?.End();
        _listener.SetMeasurementEventCallback<byte>((_, value, tags, state) => Record(state, value, tags));
        _listener.SetMeasurementEventCallback<short>((_, value, tags, state) => Record(state, value, tags));
        _listener.SetMeasurementEventCallback<int>((_, value, tags, state) => Record(state, value, tags));
        _listener.SetMeasurementEventCallback<long>((_, value, tags, state) => Record(state, value, tags));
        _listener.SetMeasurementEventCallback<float>((_, value, tags, state) => Record(state, value, tags));
        _listener.SetMeasurementEventCallback<double>((_, value, tags, state) => Record(state, value, tags));
        _listener.SetMeasurementEventCallback<decimal>((_, value, tags, state) => Record(state, (double)value, tags));
        _listener.Start();
    }

    /// <summary>Asks the instruments that are observed, and tells all values. An instrument whose callback fails is left out.</summary>
    /// <returns>The instruments that have a value, by name.</returns>
    public IReadOnlyList<MetricFamilySnapshot> Collect()
    {
        lock (_collecting)
        {
            List<MetricFamily> families;
            lock (_families)
                families = [.. _byName.Values.OrderBy(family => family.Name, StringComparer.Ordinal)];
            foreach (var family in families)
                family.BeginRound();
            try
            {
                _listener.RecordObservableInstruments();
            }
            catch (AggregateException)
            {
                // Of callbacks; those of the others were called all the same.
            }
            return [.. families.Select(family => family.EndRound()).Where(family => family.Series.Count > 0)];
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private static bool IsWanted(Meter meter, object? scope) =>
        meter.Name == RuntimeMeter
        || (meter.Name.StartsWith(OwnMeters, StringComparison.Ordinal) && (scope is null || meter.Scope is null || ReferenceEquals(meter.Scope, scope)));

    private static void Record(object? state, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) => (state as InstrumentSeries)?.Record(value, tags);

    // Null for one whose name another kind of instrument has: of two values under one name nobody could tell which is which.
    private InstrumentSeries? Add(Instrument instrument)
    {
        if (MetricFamily.KindOf(instrument) is not { } kind)
            return null;
        var unit = instrument.Unit ?? "";
        lock (_families)
        {
            if (!_byName.TryGetValue(instrument.Name, out var family))
                _byName.Add(instrument.Name, family = new MetricFamily(instrument.Name, kind, unit, instrument.Description ?? "", instrument.IsObservable, MetricFamily.BoundsOf(instrument)));
            return family.Kind == kind && family.Unit == unit && family.IsObservable == instrument.IsObservable
                ? new InstrumentSeries(family, MetricFamily.Replaces(instrument), instrument.Meter.Tags)
                : null;
        }
    }
}

/// <summary>An instrument of the family, with the labels that its meter gives to all its measurements.</summary>
internal sealed class InstrumentSeries(MetricFamily family, bool replaces, IEnumerable<KeyValuePair<string, object?>>? meterTags)
{
    private readonly KeyValuePair<string, object?>[] _meterTags = [.. meterTags ?? []];
    private volatile bool _ended;

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (!_ended)
            family.Record(value, MetricLabels.Of(_meterTags, tags), replaces);
    }

    public void End() => _ended = true;
}
