using Linformer.Training;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Agents;

/// <summary>
/// What an agent counts of each job. A job that is not the agent's any more is shown for a while longer, so that whoever asks now and
/// then sees its last values, and is forgotten after that: jobs come without end. For any number of threads.
/// </summary>
/// <param name="time">The clock.</param>
public sealed class JobCounters(TimeProvider time)
{
    /// <summary>So long the values of a job are shown after its end here.</summary>
    public static readonly TimeSpan Shown = TimeSpan.FromMinutes(15);

    /// <summary>Of so many jobs that have ended, the newest, are values shown.</summary>
    public const int MostEnded = 100;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _jobs = new(StringComparer.Ordinal);

    /// <summary>A job's counters; goes on with those that are there of it.</summary>
    public JobCounter Of(string job)
    {
        lock (_gate)
        {
            if (!_jobs.TryGetValue(job, out var entry))
            {
                _jobs[job] = entry = new Entry(new JobCounter(job));
            }

            entry.EndedAt = null;
            return entry.Counter;
        }
    }

    /// <summary>A job is not the agent's any more.</summary>
    public void End(string job)
    {
        lock (_gate)
        {
            if (_jobs.TryGetValue(job, out var entry))
            {
                entry.EndedAt = time.GetTimestamp();
            }

            Forget();
        }
    }

    /// <summary>Those that are to be shown.</summary>
    public IReadOnlyList<JobCounter> Read()
    {
        lock (_gate)
        {
            Forget();
            return [.. _jobs.Values.Select(entry => entry.Counter)];
        }
    }

    private void Forget()
    {
        var ended = _jobs.Where(job => job.Value.EndedAt is not null).OrderByDescending(job => job.Value.EndedAt).ToList();
        for (var i = 0; i < ended.Count; i++)
        {
            if (i >= MostEnded || time.GetElapsedTime(ended[i].Value.EndedAt!.Value) >= Shown)
            {
                _jobs.Remove(ended[i].Key);
            }
        }
    }

    private sealed class Entry(JobCounter counter)
    {
        public JobCounter Counter => counter;

        public long? EndedAt { get; set; }
    }
}

/// <summary>What is counted of a job on this machine, over all processes of it. For any number of threads.</summary>
/// <param name="job">The job's id.</param>
public sealed class JobCounter(string job)
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, RankCounts> _ranks = [];
    private long _starts;
    private long _failures;

    /// <summary>The job's id.</summary>
    public string Job => job;

    /// <summary>Rank processes that were started.</summary>
    public long Starts => Interlocked.Read(ref _starts);

    /// <summary>Rank processes that have failed, or could not be started.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>What its ranks have counted; a copy.</summary>
    public IReadOnlyList<RankCounts> Ranks
    {
        get
        {
            lock (_gate)
            {
                return [.. _ranks.Values.Select(rank => rank with { Seconds = new SortedDictionary<StepPhase, double>(rank.Seconds) })];
            }
        }
    }

    /// <summary>A rank process was started.</summary>
    public void Started() => Interlocked.Increment(ref _starts);

    /// <summary>A rank process has failed.</summary>
    public void Failed() => Interlocked.Increment(ref _failures);

    /// <summary>A rank has applied a step.</summary>
    public void StepApplied(int rank)
    {
        lock (_gate)
        {
            Of(rank).Steps++;
        }
    }

    /// <summary>A rank has measured itself.</summary>
    public void Sampled(int rank, RankSampleMessage sample)
    {
        lock (_gate)
        {
            var counts = Of(rank);
            counts.Tokens += sample.Tokens;
            foreach (var (phase, seconds) in sample.Seconds)
            {
                counts.Seconds[phase] = (counts.Seconds.TryGetValue(phase, out var before) ? before : 0) + seconds;
            }
        }
    }

    private RankCounts Of(int rank)
    {
        if (!_ranks.TryGetValue(rank, out var counts))
        {
            _ranks[rank] = counts = new RankCounts(rank);
        }

        return counts;
    }
}

/// <summary>What a rank has counted.</summary>
/// <param name="Rank">Its number.</param>
public sealed record RankCounts(int Rank)
{
    /// <summary>Steps that it has applied.</summary>
    public long Steps { get; set; }

    /// <summary>Tokens that it has put through the model.</summary>
    public long Tokens { get; set; }

    /// <summary>Time by phase of the step, in seconds.</summary>
    public IDictionary<StepPhase, double> Seconds { get; init; } = new SortedDictionary<StepPhase, double>();
}
