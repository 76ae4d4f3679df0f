using Linformer.Cli.Charts;
using Linformer.Cli.Progress;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Screens;

/// <summary>The screen of a cluster: its jobs and workers.</summary>
public static class TopLayout
{
    /// <summary>The most numbers of the line of a job's loss.</summary>
    public const int LossCells = 16;

    private const int FewestWorkerLines = 3;

    /// <summary>The lines of the screen, none wider than it, and no more than it has.</summary>
    /// <param name="state">What is shown.</param>
    /// <param name="width">Cells in a row of the window.</param>
    /// <param name="height">Rows of the window.</param>
    /// <param name="now">The time now, in UTC.</param>
    public static IReadOnlyList<ScreenLine> Compose(TopState state, int width, int height, DateTime now)
    {
        var head = Head(state, now);
        var (jobs, workers) = (Jobs(state, now), Workers(state, now));
        var room = Math.Max(0, height - head.Count - 2);
        var forWorkers = Math.Min(workers.Count + 1, Math.Max(FewestWorkerLines, room - jobs.Count - 1));
        var selected = state.Shown.ToList().FindIndex(job => job.Id == state.Selected);
        var lines = new List<ScreenLine>(head);
        lines.AddRange(jobs.Lines(width, Math.Max(2, room - forWorkers), selected < 0 ? null : selected));
        lines.Add(new ScreenLine());
        lines.AddRange(workers.Lines(width, forWorkers));
        var body = lines.Take(Math.Max(0, height - 1)).ToList();
        body.AddRange(Enumerable.Repeat(new ScreenLine(), Math.Max(0, height - 1 - body.Count)));
        return [.. body.Append(Foot(state)).Select(line => line.Fit(width))];
    }

    /// <summary>All jobs and workers as lines of text.</summary>
    /// <param name="state">What is shown.</param>
    /// <param name="width">The most characters in a line.</param>
    /// <param name="now">The time now, in UTC.</param>
    public static IEnumerable<string> Text(TopState state, int width, DateTime now)
    {
        var (jobs, workers) = (Jobs(state, now), Workers(state, now));
        return Head(state, now).Where(line => line.Width > 0)
            .Append(new ScreenLine()).Concat(jobs.Lines(width, jobs.Count + 1))
            .Append(new ScreenLine()).Concat(workers.Lines(width, workers.Count + 1))
            .Select(line => line.Fit(width).Text.TrimEnd());
    }

    private static List<ScreenLine> Head(TopState state, DateTime now)
    {
        var summary = state.Summary;
        var lost = summary.LostWorkers > 0 ? $", {summary.LostWorkers} lost" : "";
        var gpus = summary.Gpus > 0 ? $", {Words.Count(summary.Gpus, "GPU")}" : "";
        var jobs = string.Join(", ", summary.Jobs.Where(count => count.Count > 0).Select(count => $"{count.Count:#,0} {Words.State(count.State)}"));
        return
        [
            new ScreenLine().Add("linformer", Ink.Strong).Add($" {summary.Version.Split('+')[0]}, up {Words.Age(summary.StartedAt, now)}, epoch {summary.Epoch}   ", Ink.Dim)
                .Add($"{Words.Count(summary.Workers, "worker")}{lost}, {Words.Count(summary.Slots, "slot")}, {summary.FreeSlots:#,0} free{gpus}   {summary.TokensPerSecond:#,0} tokens/s"),
            new ScreenLine().Add($"jobs: {(jobs.Length > 0 ? jobs : "none")}"),
            new ScreenLine().Add(state.Notice, Ink.Warning),
        ];
    }

    private static ScreenTable Jobs(TopState state, DateTime now)
    {
        var table = new ScreenTable("JOB", "STATE", ">STEP", ">DONE", ">LOSS", "", ">SPEED", ">RANKS", ">LEFT", "OF", ">AGE", "REASON");
        foreach (var job in state.Shown)
        {
            var metrics = job.LastMetrics;
            var runs = job.State == JobState.Running;
            table.Add(
            [
                Cell(job.Id), new ScreenLine().Add(Words.State(job), WatchLayout.Look(job.State)), Cell(Words.Steps(job)),
                Cell($"{Math.Floor((ProgressText.Fraction(job.AppliedStep, job.TotalSteps) ?? 0) * 100):0} %"),
                Cell(metrics is null || Words.IsInference(job) ? "-" : $"{metrics.Loss:0.000}"), new ScreenLine().Add(LineChart.Spark(job.LossLine, LossCells), Ink.Line),
                Cell(runs && metrics is not null ? Words.Speed(job, metrics) : "-"), Cell(Words.Ranks(job)),
                Cell(runs && state.Left.TryGetValue(job.Id, out var left) ? ProgressText.Duration(left) : "-"), Cell(Words.Person(job.Submitter)),
                Cell(Words.Age(job.SubmittedAt, now)), new ScreenLine().Add(job.Reason, Ink.Dim),
            ]);
        }

        return table;
    }

    private static ScreenTable Workers(TopState state, DateTime now)
    {
        var table = new ScreenTable("WORKER", "STATE", ">SLOTS", ">FREE", ">PROCESSORS", ">MEMORY", "GPUS", ">SEEN", "RUNS");
        foreach (var worker in state.Workers)
        {
            var busy = worker.Slots.Where(slot => slot.JobId.Length > 0).ToList();
            var load = worker.Alive ? worker.Load : null;
            table.Add(
            [
                Cell(worker.Name), new ScreenLine().Add(Words.State(worker), worker.Alive ? Ink.Plain : Ink.Error), Cell($"{worker.Slots.Count}"),
                Cell(worker.Alive ? $"{worker.Slots.Count - busy.Count}" : "-"), Cell(load is null ? "-" : $"{load.ProcessorPercent:0} % of {load.Processors}"),
                Cell(load is null ? "-" : $"{Words.Bytes(load.UsedMemoryBytes)} of {Words.Bytes(load.MemoryBytes)}"), Cell(Gpus(worker)),
                Cell(Words.Age(worker.LastSeen, now)), Cell(string.Join(", ", busy.Select(Words.Rank))),
            ]);
        }

        return table;
    }

    private static string Gpus(Protocol.V1.Worker worker)
    {
        var slots = worker.Slots.Where(slot => slot.Gpu is not null).ToList();
        var read = slots.Where(slot => worker.Alive && slot.GpuReading is not null).ToList();
        return slots.Count == 0 ? "-"
            : read.Count == 0 ? $"{slots.Count}"
            : $"{slots.Count}: {read.Average(slot => slot.GpuReading.Utilization):0} %, {Words.Bytes(read.Sum(slot => slot.GpuReading.UsedMemoryBytes))} of {Words.Bytes(slots.Sum(slot => slot.Gpu.MemoryBytes))}";
    }

    private static ScreenLine Foot(TopState state) => new ScreenLine()
        .Add("q", Ink.Strong).Add(" end   ", Ink.Dim)
        .Add("↑↓ Enter", Ink.Strong).Add(" watch   ", Ink.Dim)
        .Add("s", Ink.Strong).Add(" order: ", Ink.Dim).Add($"{state.Order.ToString().ToLowerInvariant()}   ")
        .Add("f", Ink.Strong).Add(" only: ", Ink.Dim).Add(state.Only is { } only ? Words.State(only) : "all");

    private static ScreenLine Cell(string text) => new ScreenLine().Add(text);
}
