using System.Collections.Immutable;
using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Scheduling;

/// <summary>Finds the slow among the ranks of a generation. A pure function.</summary>
public static class Stragglers
{
    /// <summary>A rank is slow that takes more than so many times the others' time for a step.</summary>
    public const double Factor = 1.5;

    /// <summary>And at least so many milliseconds more.</summary>
    public const double Milliseconds = 20;

    /// <summary>The slow members, each with how many times the median of the others' step times it took.</summary>
    /// <param name="times">Each member's own time for a step in milliseconds, waits for others left out; 0 for one that is not known.</param>
    public static ImmutableArray<SlowMember> Find(IReadOnlyList<(int Member, double Milliseconds)> times)
    {
        var known = times.Where(time => time.Milliseconds > 0).ToList();
        var slow = ImmutableArray.CreateBuilder<SlowMember>();
        foreach (var (member, own) in known)
        {
            var others = known.Where(time => time.Member != member).Select(time => time.Milliseconds).Order().ToList();
            if (others.Count == 0)
                continue;
            var median = (others[(others.Count - 1) / 2] + others[others.Count / 2]) / 2;
            if (own > Factor * median && own > median + Milliseconds)
                slow.Add(new SlowMember(member, own / median));
        }
        return slow.ToImmutable();
    }
}

/// <summary>Looks at the ranks now and then: a member is slow when it was so at several looks in a row, and stays so until it was not at as many.</summary>
internal sealed class StragglerWatch
{
    /// <summary>So many looks in a row.</summary>
    public const int Looks = 3;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private readonly Dictionary<string, (int Generation, long At, ImmutableDictionary<int, int> Counts)> _jobs = new(StringComparer.Ordinal);

    /// <summary>Looks at a job, if its last look was long enough ago; null when it was not.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="generation">Its generation; a new one begins anew.</param>
    /// <param name="slow">Those that are slow now.</param>
    /// <param name="known">Those that are known to be.</param>
    /// <param name="time">The clock.</param>
    /// <returns>Those that are slow for long.</returns>
    public ImmutableArray<SlowMember>? Look(
        string jobId, int generation, Func<ImmutableArray<SlowMember>> slow, ImmutableArray<SlowMember> known, TimeProvider time)
    {
        var counts = ImmutableDictionary<int, int>.Empty;
        if (_jobs.TryGetValue(jobId, out var last) && last.Generation == generation)
        {
            if (time.GetElapsedTime(last.At) < Interval)
                return null;
            counts = last.Counts;
        }
        var now = slow();
        // Up for a look at which it was slow, down for one at which a known one was not.
        var next = ImmutableDictionary.CreateBuilder<int, int>();
        foreach (var member in now.Select(member => member.Member).Union(known.Select(member => member.Member)))
        {
            var isSlow = now.Any(one => one.Member == member);
            var wasKnown = known.Any(one => one.Member == member);
            var before = counts.GetValueOrDefault(member, wasKnown ? Looks : 0);
            next[member] = Math.Clamp(before + (isSlow ? 1 : -1), 0, Looks);
        }
        _jobs[jobId] = (generation, time.GetTimestamp(), next.ToImmutable());
        return
        [
            .. now.Where(member => next[member.Member] >= Looks)
                .Concat(known.Where(member => next[member.Member] > 0))
                .DistinctBy(member => member.Member)
                .OrderBy(member => member.Member),
        ];
    }

    /// <summary>Forgets other jobs.</summary>
    public void KeepOnly(IReadOnlySet<string> jobs)
    {
        foreach (var job in _jobs.Keys.Where(job => !jobs.Contains(job)).ToList())
            _jobs.Remove(job);
    }
}
