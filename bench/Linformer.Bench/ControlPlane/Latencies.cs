using System.Diagnostics;

namespace Linformer.Bench.ControlPlane;

/// <summary>Times of one kind. For several threads at a time.</summary>
internal sealed class Latencies
{
    private readonly Lock _gate = new();
    private readonly List<double> _milliseconds = [];

    /// <summary>How many there are.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _milliseconds.Count;
        }
    }

    /// <summary>Adds the time since a timestamp.</summary>
    public void AddSince(long timestamp)
    {
        var milliseconds = Stopwatch.GetElapsedTime(timestamp).TotalMilliseconds;
        lock (_gate)
            _milliseconds.Add(milliseconds);
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        lock (_gate)
            _milliseconds.Clear();
    }

    /// <summary>The time that a share of all stays within, in milliseconds; NaN when there is none.</summary>
    /// <param name="share">From 0 to 1.</param>
    public double At(double share)
    {
        lock (_gate)
        {
            if (_milliseconds.Count == 0)
                return double.NaN;
            _milliseconds.Sort();
            return _milliseconds[Math.Min(_milliseconds.Count - 1, (int)(share * _milliseconds.Count))];
        }
    }

    /// <summary>Median, 99th percentile and worst as measures.</summary>
    public IEnumerable<ControlPlaneMeasure> Measures(string what, double? most = null)
    {
        yield return new($"{what}, p50", At(0.5), "ms");
        yield return new($"{what}, p99", At(0.99), "ms", most);
        yield return new($"{what}, worst of {Count:#,0}", At(1), "ms");
    }
}
