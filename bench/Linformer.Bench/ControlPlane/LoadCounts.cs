using System.Collections.Concurrent;
using System.Diagnostics;

namespace Linformer.Bench.ControlPlane;

/// <summary>What all simulated workers and clients have seen. For several threads at a time.</summary>
internal sealed class LoadCounts
{
    private readonly ConcurrentDictionary<string, long> _submitted = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, long> _firstSteps = new(StringComparer.Ordinal);
    private long _offered;
    private long _accepted;
    private int _training;
    private int _rejoined;
    private int _broken;

    /// <summary>From a heartbeat of a worker without ranks to the acknowledgement of what follows it on the stream.</summary>
    public Latencies Heartbeats { get; } = new();

    /// <summary>From sending points to their acknowledgement, which comes when they are committed.</summary>
    public Latencies Acknowledgements { get; } = new();

    /// <summary>From the submission of a short job to the acknowledgement of its first step.</summary>
    public Latencies FirstSteps { get; } = new();

    /// <summary>Points that were made.</summary>
    public long Offered => Interlocked.Read(ref _offered);

    /// <summary>Points that were acknowledged.</summary>
    public long Accepted => Interlocked.Read(ref _accepted);

    /// <summary>Ranks of the long jobs that train.</summary>
    public int Training => Volatile.Read(ref _training);

    /// <summary>Ranks that had to join a second generation, as after a loss.</summary>
    public int Rejoined => Volatile.Read(ref _rejoined);

    /// <summary>Streams that have ended before the benchmark did.</summary>
    public int Broken => Volatile.Read(ref _broken);

    /// <summary>The first thing that went wrong; empty for nothing.</summary>
    public string Trouble { get; private set; } = "";

    public void Offer(int points) => Interlocked.Add(ref _offered, points);

    public void Accept(int points) => Interlocked.Add(ref _accepted, points);

    public void Trains(bool again)
    {
        Interlocked.Increment(ref _training);
        if (again)
            Interlocked.Increment(ref _rejoined);
    }

    public void Breaks(string why)
    {
        if (Interlocked.Increment(ref _broken) == 1)
            Trouble = why;
    }

    /// <summary>A short job was submitted; the time counts from there.</summary>
    public void Submitted(string jobId, long at)
    {
        _submitted[jobId] = at;
        Match(jobId);
    }

    /// <summary>A job's first step is recorded.</summary>
    public void FirstStep(string jobId)
    {
        _firstSteps[jobId] = Stopwatch.GetTimestamp();
        Match(jobId);
    }

    // The answer to a submission may come later than the job's first step.
    private void Match(string jobId)
    {
        if (_firstSteps.ContainsKey(jobId) && _submitted.TryRemove(jobId, out var at))
            FirstSteps.AddSince(at);
    }
}
