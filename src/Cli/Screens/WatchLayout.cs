using Linformer.Cli.Charts;
using Linformer.Cli.Progress;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Screens;

/// <summary>The screen of a job that is watched.</summary>
public static class WatchLayout
{
    private const int HeadLines = 4;
    private const int SmallCharts = 4;
    private const int SmallChartsFrom = 28;

    /// <summary>The lines of the screen, none wider than it, and no more than it has.</summary>
    /// <param name="state">What is shown.</param>
    /// <param name="width">Cells in a row of the window.</param>
    /// <param name="height">Rows of the window.</param>
    public static IReadOnlyList<ScreenLine> Compose(WatchState state, int width, int height)
    {
        var lines = new List<ScreenLine>(Head(state, width));
        var foot = new ScreenLine().Add("q", Ink.Strong).Add(" leave, the job goes on   ", Ink.Dim).Add("l", Ink.Strong).Add(state.LogScale ? " linear scale" : " log scale", Ink.Dim);
        var room = Math.Max(0, height - HeadLines - 1);
        var applies = state.Job is { } watched && Words.IsInference(watched);
        var small = height >= SmallChartsFrom && !applies ? SmallCharts : 0;
        var ranks = Math.Min(state.Ranks.Count + 1, Math.Max(3, room / 4));
        var history = Math.Clamp(room / 8, 1, Math.Max(1, state.History.Count));
        var log = Math.Clamp(room / 6, 1, Math.Max(1, state.Log.Count));
        var chart = Math.Max(4, room - small - ranks - history - log);

        lines.AddRange(applies ? Speed(state, width, chart) : Loss(state, width, chart));
        if (small > 0)
            lines.AddRange(Beside(Small("tokens/s", state.TokensPerSecond, state, width), Small("learning rate", state.LearningRate, state, width), width / 2));
        lines.AddRange(Ranks(state).Lines(width, ranks));
        lines.AddRange(state.History.TakeLast(history).Select(entry => new ScreenLine().Add($"{entry.At?.ToDateTime().ToLocalTime():HH:mm:ss} ", Ink.Dim).Add(Words.History(entry))));
        lines.AddRange(state.Log.TakeLast(log).Select(line => new ScreenLine().Add($"r{line.Rank} | ", Ink.Dim).Add(line.Text)));
        var body = lines.Take(Math.Max(0, height - 1)).ToList();
        body.AddRange(Enumerable.Repeat(new ScreenLine(), Math.Max(0, height - 1 - body.Count)));
        return [.. body.Append(foot).Select(line => line.Fit(width))];
    }

    private static IEnumerable<ScreenLine> Loss(WatchState state, int width, int height)
    {
        var chart = new LineChart { Points = state.Loss, Marks = state.HeldOut, Boundaries = state.Boundaries, Log = state.LogScale, Empty = "no loss yet" };
        return chart.Draw(width, height - 1).Prepend(Title("loss", "  least to mean as a band, ", state.LogScale ? "log scale, " : "").Add("held-out", Ink.Mark));
    }

    private static IEnumerable<ScreenLine> Speed(WatchState state, int width, int height)
    {
        var chart = new LineChart { Points = state.TokensPerSecond, Boundaries = state.Boundaries, Log = state.LogScale, Empty = "no documents yet" };
        return chart.Draw(width, height - 1).Prepend(Title("documents/s", "  least to mean as a band", state.LogScale ? ", log scale" : ""));
    }

    private static IEnumerable<ScreenLine> Head(WatchState state, int width)
    {
        if (state.Job is not { } job)
            return [new ScreenLine().Add("asking the coordinator …", Ink.Dim), new ScreenLine().Add(state.Notice, Ink.Warning), new ScreenLine(), new ScreenLine()];
        var first = new ScreenLine().Add(job.Id, Ink.Strong).Add("  ").Add(Words.State(job), Look(job.State))
            .Add($"  generation {job.Generation}, {Words.Count(job.WorldSize, "rank")}, lineage {job.Lineage}", Ink.Dim);
        var why = state.Notice.Length > 0 ? new ScreenLine().Add(state.Notice, Ink.Warning)
            : job.HasAgainFrom ? new ScreenLine().Add(Words.Again(job), Ink.Warning)
            : state is { Corpus: { Phase.Length: > 0 } corpus } && job.State == JobState.Preparing ? new ScreenLine().Add($"{corpus.Phase}: {Words.Progress(corpus)}")
            : new ScreenLine().Add(job.Reason);
        return [first, why, Bar(ProgressText.Fraction(job.AppliedStep, job.TotalSteps) ?? 0, Steps(state, job), width), Numbers(state)];
    }

    private static string Steps(WatchState state, Job job)
    {
        var steps = $"{(Words.IsInference(job) ? "" : "step ")}{Words.Steps(job)}";
        return state.Left is { } left && job.State == JobState.Running ? $"{steps}, {ProgressText.Duration(left)} left" : steps;
    }

    private static ScreenLine Bar(double share, string words, int width)
    {
        var cells = Math.Max(4, Math.Min(40, width - words.Length - 8));
        var full = (int)Math.Round(share * cells);
        return new ScreenLine().Add(new string('━', full), Ink.Line).Add(new string('━', cells - full), Ink.Dim).Add($" {Math.Floor(share * 100),3}% ").Add(words);
    }

    private static ScreenLine Numbers(WatchState state)
    {
        if (state.Metrics is not { } metrics)
            return new ScreenLine();
        if (state.Job is { } job && Words.IsInference(job))
            return new ScreenLine().Add(Words.Speed(job, metrics));
        var line = new ScreenLine();
        line = ProgressText.IsLeftOut(metrics.Loss, metrics.TokensPerSecond)
            ? line.Add($"step {metrics.Step:#,0} left out")
            : line.Add($"loss {metrics.Loss:0.000}", double.IsFinite(metrics.Loss) ? Ink.Line : Ink.Error).Add($"  {Words.Speed(state.Job, metrics)}");
        if (state.HeldOutLoss is { } heldOut)
            line = line.Add($"  held-out {heldOut:0.000}", Ink.Mark);
        return line.Add($"  learning rate {metrics.LearningRate:0.0##e-0}{(metrics.HasGradientNorm ? $"  gradient {metrics.GradientNorm:0.00}" : "")}");
    }

    private static ScreenLine Title(string name, params string[] rest) => new ScreenLine().Add(name, Ink.Strong).Add(string.Concat(rest), Ink.Dim);

    private static List<ScreenLine> Small(string name, IReadOnlyList<ChartPoint> points, WatchState state, int width) =>
        [Title(name), .. new LineChart { Points = points, Boundaries = state.Boundaries }.Draw((width / 2) - 2, SmallCharts - 1)];

    private static IEnumerable<ScreenLine> Beside(List<ScreenLine> left, List<ScreenLine> right, int width) =>
        left.Zip(right, (a, b) => a.Fit(width).Pad(width).Add(b));

    private static ScreenTable Ranks(WatchState state)
    {
        var table = new ScreenTable(">RANK", "WORKER", "STATE", ">STEP", ">MS/STEP", "DATA/FWD/BWD/SUM/UPD/OTHER", ">MEMORY", ">GPU", "");
        foreach (var rank in state.Ranks)
        {
            var sample = state.Samples.GetValueOrDefault(rank.Rank_);
            sample = sample is not null && sample.Member == rank.Member ? sample : null;
            table.Add(
            [
                Cell(rank.InGeneration ? $"{rank.Rank_}" : "-"), Cell(rank.Worker), Cell(rank.State), Cell($"{rank.AppliedStep:#,0}"),
                Cell(rank.StepMilliseconds > 0 ? $"{rank.StepMilliseconds:0.0}" : "-"), Cell(sample is null ? "-" : Phases(sample)),
                Cell(sample is null ? "-" : Words.Bytes(sample.MemoryBytes)), Cell(sample is null or { GpuMemoryBytes: 0 } ? "-" : Words.Bytes(sample.GpuMemoryBytes)),
                new ScreenLine().Add(Words.Slowness(rank, state.Ranks), Ink.Warning),
            ]);
        }

        return table;
    }

    private static string Phases(RankSample sample) => string.Join(
        '/',
        new[]
        {
            sample.DataMilliseconds, sample.ForwardMilliseconds, sample.BackwardMilliseconds, sample.ReduceMilliseconds, sample.UpdateMilliseconds,
            sample.OtherMilliseconds,
        }.Select(milliseconds => FormattableString.Invariant($"{milliseconds:0.#}")));

    private static ScreenLine Cell(string text) => new ScreenLine().Add(text);

    internal static Ink Look(JobState state) => state switch
    {
        JobState.Running or JobState.Succeeded => Ink.Line,
        JobState.Failed => Ink.Error,
        JobState.Paused or JobState.Cancelled => Ink.Warning,
        _ => Ink.Plain,
    };
}
