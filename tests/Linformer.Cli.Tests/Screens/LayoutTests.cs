using Google.Protobuf.WellKnownTypes;
using Linformer.Cli.Charts;
using Linformer.Cli.Screens;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Screens;

public class LayoutTests
{
    private const string Hostile = "[red]a\e[31mb\e]0;title\ac\u009b2Jd\r\n\t\u202ee\ud800";
    private static readonly DateTime Noon = new(2026, 11, 22, 12, 0, 0, DateTimeKind.Utc);

    [Theory]
    [InlineData("plain [red] text", "plain [red] text")]
    [InlineData("a\e[1;31mb\e[0mc", "abc")]
    [InlineData("a\e]0;title\ab\e]8;;http://x\e\\c", "abc")]
    [InlineData("a\ePq#0\e\\b\e(Bc\e7d", "abcd")]
    [InlineData("a\u009b31mb\u009d0;t\u009cc", "abc")]
    [InlineData("a\tb\r\nc\0d\u007f", "a b  c?d?")]
    [InlineData("a\u202eb\u2028c", "a?b c")]
    [InlineData("ä 漢字 ⣀ 😀", "ä 漢字 ⣀ 😀")]
    [InlineData("cut \e[3", "cut ")]
    [InlineData("\e", "")]
    public void What_would_steer_a_terminal_is_taken_out(string text, string plain) => PlainText.Of(text).ShouldBe(plain);

    [Fact]
    public void Lines_are_cut_by_the_cells_that_they_take()
    {
        var line = new ScreenLine().Add("漢字", Ink.Strong).Add("abc");

        line.Width.ShouldBe(7);
        line.Fit(7).ShouldBe(line);
        line.Fit(6).Text.ShouldBe("漢字a…");
        line.Fit(4).Text.ShouldBe("漢…");
        line.Fit(0).Text.ShouldBe("");
    }

    [Fact]
    public void A_table_says_what_it_leaves_out_and_shows_what_is_selected()
    {
        var table = new ScreenTable("NAME", ">N");
        for (var i = 1; i <= 5; i++)
            table.Add($"row{i}", $"{i * 10}");

        table.Lines(20, 6).Select(line => line.Text).ShouldBe(["NAME   N", "row1  10", "row2  20", "row3  30", "row4  40", "row5  50"]);
        table.Lines(20, 4, selected: 3).Select(line => line.Text.TrimEnd()).ShouldBe(["NAME   N", "row3  30", "row4  40", "… 3 more"]);
        table.Lines(20, 4, selected: 3)[2].Pieces.Single().Ink.ShouldBe(Ink.Selected);
    }

    [Theory]
    [InlineData(60, 15)]
    [InlineData(80, 24)]
    [InlineData(200, 60)]
    [InlineData(20, 6)]
    [InlineData(1, 1)]
    public void A_watched_job_fits_any_window(int width, int height)
    {
        foreach (var state in new[] { new WatchState(), Watched("tiny"), Watched(Hostile) })
            Fits(WatchLayout.Compose(state, width, height), width, height);
    }

    [Fact]
    public void A_small_window_has_all_of_a_job()
    {
        var screen = string.Join('\n', WatchLayout.Compose(Watched("tiny"), 60, 15).Select(line => line.Text));

        foreach (var part in new[] { "tiny", "running", "step 120/1,000", "12%", "3 min 20 s left", "loss 4.500", "held-out 4.750", "9,000 tokens/s", "MS/STEP", "worker-b", "a worker was lost", "r1 | a line", "q leave" })
            screen.ShouldContain(part);
        screen.ShouldContain("⠉");
    }

    [Fact]
    public void A_wide_window_has_phases_memory_and_small_charts()
    {
        var screen = string.Join('\n', WatchLayout.Compose(Watched("tiny") with { LogScale = true }, 160, 40).Select(line => line.Text));

        foreach (var part in new[] { "1/2/3.5/4/5/6", "500.0 MB", "learning rate", "log scale, held-out", "2.0 times the others' step time" })
            screen.ShouldContain(part);
    }

    [Theory]
    [InlineData(60, 15)]
    [InlineData(160, 40)]
    [InlineData(5, 2)]
    public void A_cluster_fits_any_window(int width, int height)
    {
        foreach (var state in new[] { new TopState(), Cluster("tiny"), Cluster(Hostile) })
            Fits(TopLayout.Compose(state, width, height, Noon), width, height);
    }

    [Fact]
    public void A_cluster_as_text_has_all_of_it()
    {
        var text = string.Join('\n', TopLayout.Text(Cluster("tiny"), 1000, Noon));

        foreach (var part in new[] { "2 workers, 1 lost", "jobs: 1 running, 1 queued", "▁▅█", "12 %", "3 min 20 s", "waits for slots", "37 % of 8", "1.0 GB of 4.0 GB", "tiny-2 r1" })
            text.ShouldContain(part);
    }

    [Fact]
    public void Orders_and_filters_choose_what_is_shown()
    {
        var state = Cluster("tiny");

        state.Shown.Select(job => job.Id).ShouldBe(["tiny-2", "tiny-1"]);
        (state with { Order = TopOrder.Progress }).Shown[0].Id.ShouldBe("tiny-1");
        (state with { Only = JobState.Queued }).Shown.Single().Id.ShouldBe("tiny-2");
        state.Move(0).Selected.ShouldBe("tiny-2");
        state.Move(0).Move(1).Move(1).Selected.ShouldBe("tiny-1");
        Enumerable.Range(0, 8).Aggregate(state, (next, _) => next.NextFilter()).Only.ShouldBeNull();
    }

    [Fact]
    public void A_job_that_applies_a_model_is_told_in_documents()
    {
        var job = Job("mails", 1, JobState.Running);
        (job.Task, job.DocumentsPerStep, job.LastMetrics.TokensPerSecond) = ("inference", 100, 12.5);

        var shown = string.Join('\n', WatchLayout.Compose(Watched("mails") with { Job = job, Metrics = job.LastMetrics }, 100, 40).Select(line => line.Text));
        shown.ShouldContain("12,000/100,000 documents");
        shown.ShouldContain("12.5 documents/s");
        shown.ShouldNotContain("loss");
        shown.ShouldNotContain("tokens");

        var top = TopLayout.Compose(new TopState { Jobs = [job, Job("tiny", 2, JobState.Running)], Summary = new ClusterSummary { Version = "1" } }, 160, 20, Noon);
        var lines = top.Select(line => line.Text).ToList();
        lines.ShouldContain(line => line.Contains("mails-1", StringComparison.Ordinal) && line.Contains("12,000/100,000 documents", StringComparison.Ordinal) && line.Contains("12.5 documents/s", StringComparison.Ordinal));
        lines.ShouldContain(line => line.Contains("tiny-2", StringComparison.Ordinal) && line.Contains("9,000 tokens/s", StringComparison.Ordinal));
    }

    private static void Fits(IReadOnlyList<ScreenLine> lines, int width, int height)
    {
        lines.Count.ShouldBe(height);
        lines.ShouldAllBe(line => line.Width <= width);
        lines.ShouldAllBe(line => !line.Text.Any(char.IsControl) && !line.Text.Contains('\u202e'));
    }

    private static Job Job(string name, int number, JobState state) => new()
    {
        Id = $"{name}-{number}",
        Name = name,
        State = state,
        Reason = state == JobState.Queued ? "waits for slots" : "",
        SubmittedAt = Timestamp.FromDateTime(Noon.AddMinutes(-5)),
        AppliedStep = number == 1 ? 120 : 0,
        TotalSteps = 1000,
        WorldSize = 2,
        Generation = 3,
        LossLine = { 1, 2, 3 },
        LastMetrics = new MetricPoint { Step = 120, Loss = 4.5, TokensPerSecond = 9000, LearningRate = 1e-4 },
    };

    private static WatchState Watched(string name) => new()
    {
        Job = Job(name, 1, JobState.Running),
        Metrics = Job(name, 1, JobState.Running).LastMetrics,
        HeldOutLoss = 4.75,
        Left = TimeSpan.FromSeconds(200),
        Loss = [.. Enumerable.Range(1, 120).Select(step => new ChartPoint(step, 5 - (step / 100.0), 6 - (step / 100.0), 7))],
        TokensPerSecond = [new(1, 8000), new(120, 9000)],
        LearningRate = [new(1, 0), new(120, 1e-4)],
        HeldOut = [(60, 5.5)],
        Boundaries = [1, 40],
        Ranks = [Rank(0, 10), Rank(1, 20)],
        Samples = new Dictionary<int, RankSample>
        {
            [1] = new()
            {
                Rank = 1,
                Member = 1,
                DataMilliseconds = 1,
                ForwardMilliseconds = 2,
                BackwardMilliseconds = 3.5,
                ReduceMilliseconds = 4,
                UpdateMilliseconds = 5,
                OtherMilliseconds = 6,
                MemoryBytes = 500_000_000,
            },
        },
        History = [new HistoryEntry { What = $"generation 3 of {name} started", Why = "a worker was lost", Who = "coordinator" }],
        Log = [new LogLine { Rank = 1, Text = $"a line of {name}" }],
    };

    private static Rank Rank(int rank, double milliseconds) => new()
    {
        Rank_ = rank,
        Member = rank,
        Worker = rank == 0 ? "worker-a" : "worker-b",
        State = "training",
        AppliedStep = 120,
        StepMilliseconds = milliseconds,
        Straggler = rank == 1,
        InGeneration = true,
    };

    private static TopState Cluster(string name) => new()
    {
        Summary = new ClusterSummary
        {
            Version = "0.1.0",
            Workers = 2,
            LostWorkers = 1,
            Slots = 4,
            FreeSlots = 1,
            TokensPerSecond = 9000,
            Jobs = { new JobCount { State = JobState.Running, Count = 1 }, new JobCount { State = JobState.Queued, Count = 1 } },
        },
        Jobs = [Job(name, 2, JobState.Queued), Job(name, 1, JobState.Running)],
        Left = new Dictionary<string, TimeSpan> { [$"{name}-1"] = TimeSpan.FromSeconds(200) },
        Notice = name,
        Workers =
        [
            new Protocol.V1.Worker
            {
                Name = name, Alive = true, LastSeen = Timestamp.FromDateTime(Noon), Slots = { new Slot { JobId = $"{name}-2", Rank = 1 } },
                Load = new MachineLoad { ProcessorPercent = 37, Processors = 8, UsedMemoryBytes = 1_000_000_000, MemoryBytes = 4_000_000_000 },
            },
        ],
    };
}
