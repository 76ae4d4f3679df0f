using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Google.Protobuf.WellKnownTypes;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

/// <summary>The screens in a pseudo terminal.</summary>
[Trait("Lane", "Processes")]
public sealed class TerminalTests : ClusterTest
{
    private const string Hostile = "evil \e[2J\e]0;title\a[red]x[/]";

    public TerminalTests()
    {
        var job = TinyJob();
        job.LossLine.AddRange([7, 6, 5]);
        job.LastMetrics = Point(1200);
        Coordinator.Jobs.OnList = _ => new ListJobsResponse { Jobs = { job } };
        Coordinator.Jobs.OnShow = _ => new JobDetails { Job = job, Generations = { new Protocol.V1.Generation { FirstStep = 1 }, new Protocol.V1.Generation { FirstStep = 600 } } };
        Coordinator.Jobs.OnMetricRange = _ => Range();
        Coordinator.Jobs.OnRankSamples = _ => new RankSamplesResponse { Samples = { new RankSample { Rank = 0, ForwardMilliseconds = 12.5, MemoryBytes = 500_000_000 } } };
        Coordinator.Jobs.OnLogPage = request => new LogPageResponse { Lines = { request.After == 0 ? [new LogLine { Sequence = 1, Text = $"said {Hostile}" }] : [] } };
        Coordinator.Jobs.OnWatch = async (_, send, cancellation) =>
        {
            await send(Event(TinyJob()));
            await Task.Delay(Timeout.Infinite, cancellation);
        };
        Coordinator.Workers.Workers.Add(new Protocol.V1.Worker { Name = "worker-a", Alive = true, LastSeen = Timestamp.FromDateTime(DateTime.UtcNow), Slots = { new Slot { JobId = job.Id } } });
        Coordinator.Cluster.Answer.Workers = 1;
    }

    [Fact]
    public async Task A_watched_job_is_left_with_a_key_and_goes_on()
    {
        var ended = await RunInTerminal(80, 24, ["watch", "tiny"], ["said evil", "l"], ["linear scale", "resize 60 15"], [$"m{new string('━', 29)}\e", "q"]);

        ended.ExitCode.ShouldBe(130);
        ended.Output.ShouldContain("Detached; tiny-abcde goes on without you.");
        var first = ended.Frames.First(frame => frame.Contains("said evil", StringComparison.Ordinal)).Split("\r\n");
        first.Length.ShouldBe(24);
        first[0].ShouldContain("tiny-abcde  running");
        first.ShouldContain(line => line.Contains("said evil [red]x[/]", StringComparison.Ordinal));
        first.ShouldContain(line => line.Contains("[bold]began[/] (coordinator)", StringComparison.Ordinal));
        first.ShouldContain(line => line.Contains("12.5", StringComparison.Ordinal) || line.Contains("worker-a", StringComparison.Ordinal));
        var last = ended.Frames[^1].Split("\r\n");
        last.Length.ShouldBe(15);
        last.ShouldAllBe(line => line.Length <= 60);
    }

    [Fact]
    public async Task Ctrl_c_leaves_the_job_as_it_is()
    {
        var ended = await RunInTerminal(80, 24, ["watch", "tiny", "--log-scale"], ["said evil", "\u0003"]);

        ended.ExitCode.ShouldBe(130);
        ended.Output.ShouldContain("log scale, ");
        ended.Output.ShouldContain("Detached; tiny-abcde goes on without you.");
    }

    [Fact]
    public async Task The_screen_ends_with_the_job()
    {
        Coordinator.Jobs.OnWatch = async (_, send, _) =>
        {
            await send(Event(TinyJob()));
            var failed = TinyJob(JobState.Failed);
            failed.Reason = "rank 0 ended";
            await send(new WatchEvent { Job = failed, LastFailure = new RankFailure { Worker = "worker-a", ExitCode = 3, LastLogLines = { $"last {Hostile}" } } });
        };

        var ended = await RunInTerminal(80, 24, ["watch", "tiny"]);

        ended.ExitCode.ShouldBe(1);
        ended.Output.ShouldContain("tiny-abcde has failed: rank 0 ended");
        ended.Output.ShouldContain("| last evil [red]x[/]");
    }

    [Fact]
    public async Task The_screen_stays_while_the_coordinator_is_away()
    {
        var calls = 0;
        Coordinator.Jobs.OnWatch = async (_, send, _) =>
        {
            if (++calls is > 1 and < 5)
                throw JobsScript.Refusal(Grpc.Core.StatusCode.Unavailable, "away");
            await send(Event(TinyJob(calls == 1 ? JobState.Running : JobState.Succeeded)));
        };

        var ended = await RunInTerminal(100, 24, ["watch", "tiny"]);

        ended.ExitCode.ShouldBe(0);
        ended.Frames.ShouldContain(frame => frame.Contains("broke off; the job goes on without it", StringComparison.Ordinal) && frame.Contains("tiny-abcde  running", StringComparison.Ordinal));
        ended.Output.ShouldContain("tiny-abcde has succeeded.");
    }

    [Fact]
    public async Task A_job_that_is_not_there_is_an_error_on_the_terminal_as_it_was()
    {
        Coordinator.Jobs.OnWatch = (_, _, _) => throw JobsScript.Refusal(Grpc.Core.StatusCode.NotFound, "There is no job nobody.");

        var ended = await RunInTerminal(80, 24, ["watch", "nobody"]);

        ended.ExitCode.ShouldBe(1);
        ended.Output[ended.Output.LastIndexOf("\e[?1049l", StringComparison.Ordinal)..].ShouldContain("There is no job nobody.");
    }

    [Fact]
    public async Task The_cluster_is_shown_jobs_are_chosen_and_a_key_ends_it()
    {
        var ended = await RunInTerminal(
            120, 24, ["top"], ["tiny-abcde", "s"], ["name", "fff"], ["running", "j\r"], ["said evil", "q"], ["only:", "resize 60 15"], ["…", "q"]);

        ended.ExitCode.ShouldBe(0);
        ended.Frames[0].ShouldContain("1 worker");
        ended.Frames[0].ShouldContain("█");
        ended.Frames[^1].Split("\r\n").Length.ShouldBe(15);
        Coordinator.Jobs.Requests.OfType<WatchRequest>().First().Job.ShouldBe("tiny-abcde");
    }

    [Fact]
    public async Task Once_prints_lines_without_steering_the_terminal()
    {
        (await Run("top", "--once")).ShouldBe(0);

        Output.ToString().ShouldNotContain('\e');
        Lines()[0].ShouldStartWith("linformer 0.1.0");
        Lines().ShouldContain(line => line.StartsWith("tiny-abcde  running  1,200/1,500", StringComparison.Ordinal));
        Lines().ShouldContain(line => line.StartsWith("worker-a", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Json_has_the_messages()
    {
        (await Run("top", "--output", "json")).ShouldBe(0);

        Json().GetProperty("summary").GetProperty("workers").GetInt32().ShouldBe(1);
        Json().GetProperty("jobs")[0].GetProperty("lossLine").GetArrayLength().ShouldBe(3);
        Json().GetProperty("workers")[0].GetProperty("name").GetString().ShouldBe("worker-a");
    }

    private async Task<Ended> RunInTerminal(int columns, int rows, string[] command, params string[][] steps)
    {
        var start = new ProcessStartInfo(
            "/usr/bin/python3",
            [Path.Combine(AppContext.BaseDirectory, "run_in_terminal.py"), $"{columns}", $"{rows}", JsonSerializer.Serialize(steps), Path.Combine(AppContext.BaseDirectory, "Linformer.Cli"), .. command])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["TERM"] = "xterm-256color";
        start.Environment["LINFORMER_COORDINATOR"] = Coordinator.Address;
        start.Environment.Remove("CI");
        using var python = Process.Start(start)!;
        var errors = python.StandardError.ReadToEndAsync();
        var output = await python.StandardOutput.ReadToEndAsync();
        await python.WaitForExitAsync();
        python.ExitCode.ShouldBe(0, await errors);
        var result = JsonDocument.Parse(output).RootElement;
        var text = result.GetProperty("output").GetString()!;
        result.GetProperty("left").GetArrayLength().ShouldBe(0, text);
        result.GetProperty("restored").GetBoolean().ShouldBeTrue();
        var (enter, leave) = (text.IndexOf("\e[?1049h", StringComparison.Ordinal), text.LastIndexOf("\e[?1049l", StringComparison.Ordinal));
        enter.ShouldBeInRange(0, leave, text);
        text.LastIndexOf("\e[?25h", StringComparison.Ordinal).ShouldBeGreaterThan(text.LastIndexOf("\e[?25l", StringComparison.Ordinal));
        text.ShouldNotContain("   at ");
        text.ShouldNotContain("\e]0;");
        return new Ended(result.GetProperty("exitCode").GetInt32(), text, Frames(text[enter..leave]));
    }

    // Each begins at the top left and ends with the rest of the screen being cleared; looks are taken out.
    private static List<string> Frames(string text) =>
        [.. text.Split("\e[H").Skip(1).Select(frame => Regex.Replace(frame.Split("\e[J")[0], @"\e\[[0-9;]*[mK]", "", RegexOptions.None, TimeSpan.FromSeconds(10)))];

    private static WatchEvent Event(Job job) => new()
    {
        Job = job,
        History = { Entry(1, "[bold]began[/]") },
        Metrics = Point(1200),
        Ranks = { new Rank { Worker = "worker-a", State = "training", AppliedStep = 1200, StepMilliseconds = 20, InGeneration = true } },
    };

    private static MetricPoint Point(long step) => new() { Generation = 2, Step = step, Loss = 5.5, LearningRate = 1e-4, TokensPerSecond = 9000 };

    private static MetricRangeResponse Range()
    {
        var loss = new MetricSeries { Name = "loss" };
        var range = new MetricRangeResponse { JobId = "tiny-abcde", StepsPerBucket = 1, OldestStep = 1, NewestStep = 1199, Series = { loss } };
        for (var step = 1; step < 1200; step++)
        {
            range.FirstStep.Add(step);
            loss.Min.Add(6 - (step / 1000.0));
            loss.Mean.Add(7 - (step / 1000.0));
            loss.Max.Add(8);
        }

        return range;
    }

    private sealed record Ended(int ExitCode, string Output, IReadOnlyList<string> Frames);
}
