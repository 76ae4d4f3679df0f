using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Linformer.Worker.Tests.Agents;

/// <summary>What the agents of one name have measured since this was made: sums of counters and histograms, and what gauges show.</summary>
internal sealed class Measurements : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, double> _values = new(StringComparer.Ordinal);
    private readonly string _worker;

    public Measurements(string worker)
    {
        _worker = worker;
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "Linformer.Worker")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>By name and attributes other than the worker, such as <c>linformer.worker.steps job=a rank=0</c>; null for nothing.</summary>
    public double? this[string key] => _values.TryGetValue(key, out var value) ? value : null;

    /// <summary>What a reading has shown more than once, which whoever exports it could not tell apart.</summary>
    public ConcurrentBag<string> Repeated { get; } = [];

    /// <summary>Reads all gauges anew.</summary>
    public void Read()
    {
        foreach (var key in _values.Keys.Where(key => key.StartsWith("shown ", StringComparison.Ordinal)))
        {
            _values.TryRemove(key, out _);
        }

        _listener.RecordObservableInstruments();
    }

    public void Dispose() => _listener.Dispose();

    private void Take(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var attributes = tags.ToArray();
        if (!attributes.Contains(new("worker", _worker)))
        {
            return;
        }

        var key = string.Join(' ', attributes.Where(tag => tag.Key != "worker").Select(tag => $"{tag.Key}={tag.Value}").Prepend(instrument.Name));
        if (instrument.IsObservable)
        {
            if (!_values.TryAdd($"shown {key}", value))
            {
                Repeated.Add(key);
            }
        }
        else
        {
            _values.AddOrUpdate(key, value, (_, before) => before + value);
        }
    }
}
