using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.Json;
using Linformer.Protocol.V1;

namespace Linformer.Chaos.Checks;

/// <summary>What must hold of a job that has ended, whatever happened to it. Each finding is a sentence; none is good.</summary>
public static class RunChecks
{
    private const int MostNamed = 10;

    /// <summary>A step may be seen so long after its ranks were killed.</summary>
    private static readonly long SeenLate = 2 * Stopwatch.Frequency;

    /// <summary>The job has succeeded.</summary>
    public static IEnumerable<string> Succeeded(JobDetails job)
    {
        if (job.Job.State != JobState.Succeeded)
            yield return $"The job has {job.Job.State} rather than succeeded: {job.Job.Reason}{(job.LastFailure is { } failure ? $"; last failure: {failure.Reason}" : "")}";
        else if (job.Job.CommittedStep != job.Job.TotalSteps)
            yield return $"The job has succeeded at step {job.Job.CommittedStep} of {job.Job.TotalSteps}.";
    }

    /// <summary>Its history has no gaps, ends with success, and generations only go up within a lineage.</summary>
    public static IEnumerable<string> History(JobDetails job)
    {
        var gap = job.History.Select((entry, i) => (entry.Sequence, Expected: i + 1L)).FirstOrDefault(pair => pair.Sequence != pair.Expected);
        if (gap != default)
            yield return $"The history has entry {gap.Sequence} where {gap.Expected} belongs.";
        if (job.History.Count == 0 || job.History[^1].State != job.Job.State)
            yield return $"The history does not end with {job.Job.State}.";
        foreach (var (before, after) in job.History.Zip(job.History.Skip(1)))
        {
            if ((after.Lineage, after.Generation).CompareTo((before.Lineage, before.Generation)) < 0)
                yield return $"The history goes from lineage {before.Lineage} generation {before.Generation} to lineage {after.Lineage} generation {after.Generation}.";
        }
    }

    /// <summary>Each step has one metric point; generations only go up with the steps.</summary>
    public static IEnumerable<string> Metrics(JobDetails job, IReadOnlyList<MetricPoint> points)
    {
        var steps = points.GroupBy(point => point.Step).ToDictionary(group => group.Key, group => group.Count());
        var missing = Enumerable.Range(1, (int)job.Job.TotalSteps).Where(step => !steps.ContainsKey(step)).ToList();
        if (missing.Count > 0)
            yield return $"{missing.Count} steps have no metric point: {Some(missing)}.";
        var twice = steps.Where(step => step.Value > 1).Select(step => step.Key).ToList();
        if (twice.Count > 0)
            yield return $"{twice.Count} steps have more than one metric point: {Some(twice)}.";
        var back = points.Zip(points.Skip(1)).Where(pair => pair.Second.Lineage == pair.First.Lineage && pair.Second.Generation < pair.First.Generation).ToList();
        if (back.Count > 0)
            yield return $"Step {back[0].Second.Step} is of generation {back[0].Second.Generation}, the step before it of generation {back[0].First.Generation}.";
    }

    /// <summary>
    /// No step that was seen as committed was computed again by a later generation of its lineage, unless all ranks were killed: then
    /// the generations up to the first that gets further may compute again what was seen until then, and no later one may.
    /// </summary>
    /// <param name="seen">The steps as they were first seen.</param>
    /// <param name="points">The metrics at the end.</param>
    /// <param name="blackouts">When all ranks were killed at once.</param>
    public static IEnumerable<string> NothingLost(ImmutableDictionary<long, SeenStep> seen, IReadOnlyList<MetricPoint> points, ImmutableArray<long> blackouts)
    {
        var again = Recomputed(seen, points).Where(point => !blackouts.Any(blackout => Explains(blackout, seen, point))).ToList();
        if (again.Count > 0)
        {
            var first = again[0];
            yield return $"{again.Count} committed steps were lost and computed again: {Some(again.Select(point => point.Step))}; "
                + $"step {first.Step} was committed by generation {seen[first.Step].Generation}, then by {first.Generation}.";
        }
    }

    private static bool Explains(long blackout, ImmutableDictionary<long, SeenStep> seen, MetricPoint again)
    {
        var step = seen[again.Step];
        var lineage = seen.Values.Where(other => other.Lineage == step.Lineage).ToList();
        var before = lineage.Where(other => other.SeenAt <= blackout).Select(other => other.Generation).DefaultIfEmpty(0).Max();
        var after = lineage.Where(other => other.SeenAt >= blackout + SeenLate).Select(other => other.Generation).DefaultIfEmpty(int.MaxValue).Min();
        return step.SeenAt < blackout + SeenLate && again.Generation > before && again.Generation <= after;
    }

    /// <summary>The steps that a later generation of the same lineage computed again.</summary>
    public static IReadOnlyList<MetricPoint> Recomputed(ImmutableDictionary<long, SeenStep> seen, IReadOnlyList<MetricPoint> points) =>
        [.. points.Where(point => seen.TryGetValue(point.Step, out var first) && first.Lineage == point.Lineage && first.Generation != point.Generation)];

    /// <summary>Agents dropped nothing.</summary>
    public static IEnumerable<string> NoTelemetryDropped(IEnumerable<Protocol.V1.Worker> workers) =>
        from worker in workers
        where worker.LostMetricPoints + worker.LostLogLines > 0
        select $"The agent of {worker.Name} dropped {worker.LostMetricPoints} metric points and {worker.LostLogLines} log lines.";

    /// <summary>The recorded history of ranks covers all steps and agrees with the metrics.</summary>
    /// <param name="file">The job's history.json.</param>
    /// <param name="points">Its metrics.</param>
    public static IEnumerable<string> WorldHistory(string file, IReadOnlyList<MetricPoint> points)
    {
        if (!File.Exists(file))
        {
            yield return $"The job left no history of its ranks: {file} is not there.";
            yield break;
        }

        using var document = JsonDocument.Parse(File.ReadAllText(file));
        var segments = document.RootElement.GetProperty("segments").EnumerateArray()
            .Select(segment => (From: segment.GetProperty("from").GetInt64(), Ranks: segment.GetProperty("ranks").GetInt32())).ToList();
        var differ = points.Where(point => segments.LastOrDefault(segment => segment.From <= point.Step).Ranks != point.WorldSize).ToList();
        if (differ.Count > 0)
        {
            var first = differ[0];
            yield return $"{differ.Count} steps have other ranks in the history than in the metrics: step {first.Step} has "
                + $"{segments.LastOrDefault(segment => segment.From <= first.Step).Ranks} and {first.WorldSize}.";
        }
    }

    /// <summary>Two files have the same bytes.</summary>
    public static IEnumerable<string> SameBytes(string file, string other)
    {
        if (!File.Exists(file) || !File.Exists(other))
        {
            yield return $"{(File.Exists(file) ? other : file)} is not there.";
            yield break;
        }

        var (left, right) = (File.ReadAllBytes(file), File.ReadAllBytes(other));
        if (!left.AsSpan().SequenceEqual(right))
        {
            var at = left.AsSpan().CommonPrefixLength(right);
            yield return $"The weights differ from those of the undisturbed replay, first at byte {at} of {left.Length} ({file}, {other}).";
        }
    }

    private static string Some<T>(IEnumerable<T> items)
    {
        var all = items.ToList();
        return string.Join(", ", all.Take(MostNamed)) + (all.Count > MostNamed ? ", …" : "");
    }
}
