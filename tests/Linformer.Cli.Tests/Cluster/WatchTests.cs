using System.Text.Json;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

public sealed class WatchTests : ClusterTest
{
    [Fact]
    public async Task A_job_is_followed_to_its_success()
    {
        Coordinator.Jobs.OnWatch = async (_, send, _) =>
        {
            await send(new WatchEvent { Job = TinyJob(JobState.Preparing), History = { Entry(1, "submitted", state: JobState.Queued) }, Corpus = new CorpusProgress { Phase = "Sharding the corpus", Done = 1, Total = 8, Unit = "shards" } });
            await send(new WatchEvent { Job = TinyJob(JobState.Preparing), Corpus = new CorpusProgress { Phase = "Sharding the corpus", Done = 8, Total = 8, Unit = "shards" } });
            await send(new WatchEvent { Job = TinyJob(), History = { Entry(2, "generation 1 started with 2 ranks") } });
            await send(new WatchEvent { Job = TinyJob(), Metrics = new MetricPoint { Step = 1000, Loss = 5.5, TokensPerSecond = 9000 }, HeldOutLoss = Math.Log(200) });
            await send(new WatchEvent
            {
                Job = TinyJob(JobState.Succeeded),
                Metrics = new MetricPoint { Step = 1500, Loss = 4.5, TokensPerSecond = 9000 },
                Result = new JobResult { Steps = 1500, Parameters = 1000, HeldOutPerplexity = 150, UnigramPerplexity = 800, PredictedTokens = 5000, ModelFolder = "models/tiny-abcde" },
            });
        };

        (await Run("watch", "tiny")).ShouldBe(0);

        var progress = Error.ToString();
        progress.ShouldContain("submitted (coordinator)");
        progress.ShouldContain("Sharding the corpus …");
        progress.ShouldContain("Sharding the corpus: 8 shards");
        progress.ShouldContain("generation 1 started with 2 ranks (coordinator)");
        progress.ShouldContain("step 1,000 of 1,500: loss 5.500, held-out perplexity 200.0, 9,000 tokens/s");
        progress.ShouldContain("step 1,500 of 1,500");
        Lines().ShouldBe(
        [
            "tiny-abcde has succeeded.",
            "Trained 1,000 parameters for 1,500 steps.",
            "Held-out perplexity 150.0 on 5,000 tokens; word frequencies alone (unigram) give 800.0.",
            $"Model: models/tiny-abcde below the storage root; copy it with ./linformer export tiny-abcde --to DIR --coordinator {Coordinator.Address}",
        ]);
    }

    [Fact]
    public async Task Steps_that_are_taken_again_and_one_that_is_left_out_are_told_once()
    {
        var again = TinyJob();
        (again.AppliedStep, again.AgainFrom) = (1057, 1000);
        Coordinator.Jobs.OnWatch = async (_, send, _) =>
        {
            await send(new WatchEvent { Job = again, Metrics = new MetricPoint { Generation = 2, Step = 1057, Loss = double.NaN } });
            await send(new WatchEvent { Job = again, Metrics = new MetricPoint { Generation = 2, Step = 1058, Loss = 5.5, TokensPerSecond = 9000 } });
            await send(new WatchEvent { Job = TinyJob(JobState.Succeeded) });
        };

        (await Run("watch", "tiny")).ShouldBe(0);

        var progress = Error.ToString();
        progress.Split("training goes again from step 1,000; step 1,100 was committed, and no rank that held it is left").Length.ShouldBe(2);
        progress.ShouldContain("step 1,057 of 1,500: left out");
        progress.ShouldNotContain("NaN");
    }

    [Theory]
    [InlineData(JobState.Failed, "tiny-abcde has failed: rank 0 ended with exit code 3")]
    [InlineData(JobState.Cancelled, "tiny-abcde was cancelled: rank 0 ended with exit code 3")]
    public async Task A_job_that_does_not_succeed_fails_the_command(JobState state, string line)
    {
        var job = TinyJob(state);
        job.Reason = "rank 0 ended with exit code 3";
        Coordinator.Jobs.OnWatch = (_, send, _) => send(new WatchEvent
        {
            Job = job,
            History = { Entry(5, "failed", state: state) },
            LastFailure = new RankFailure { ExitCode = 3, LastLogLines = { "the last words" } },
        });

        (await Run("watch", "tiny")).ShouldBe(1);

        Lines().ShouldBe([line, $"More: ./linformer show tiny-abcde --coordinator {Coordinator.Address}"]);
        Error.ToString().ShouldContain("| the last words");
    }

    [Fact]
    public async Task Events_are_json_lines_if_asked_for()
    {
        Coordinator.Jobs.OnWatch = async (_, send, _) =>
        {
            await send(new WatchEvent { Job = TinyJob(), Metrics = new MetricPoint { Step = 3, Loss = 5.5 } });
            await send(new WatchEvent { Job = TinyJob(JobState.Succeeded) });
        };

        (await Run("watch", "tiny", "--output", "json")).ShouldBe(0);

        var lines = Lines().Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        lines.Select(line => line.GetProperty("job").GetProperty("state").GetString()).ShouldBe(["running", "succeeded"]);
        lines[0].GetProperty("metrics").GetProperty("loss").GetDouble().ShouldBe(5.5);
    }

    [Fact]
    public async Task Ctrl_c_detaches_and_says_how_to_go_on()
    {
        var ended = new TaskCompletionSource();
        Coordinator.Jobs.OnWatch = async (_, send, token) =>
        {
            await using var registration = token.Register(ended.SetResult);
            await send(new WatchEvent { Job = TinyJob(), History = { Entry(1, "submitted") } });
            await Written(Error, "submitted");
            await CtrlC();
            await ended.Task;
        };

        (await Run("watch", "tiny")).ShouldBe(130);

        await ended.Task; // the coordinator hears that nobody watches any more
        Error.ToString().ShouldEndWith(
            $"""
            Detached; tiny-abcde goes on without you.
              watch it again: ./linformer watch tiny-abcde --coordinator {Coordinator.Address}
              cancel it:      ./linformer cancel tiny-abcde --coordinator {Coordinator.Address}

            """);
    }

    [Fact]
    public async Task Watching_survives_a_restart_of_the_coordinator()
    {
        var watches = 0;
        Coordinator.Jobs.OnWatch = async (request, send, token) =>
        {
            if (++watches == 1)
            {
                await send(new WatchEvent { Job = TinyJob(), History = { Entry(1, "submitted"), Entry(2, "started") } });
                await Task.Delay(Timeout.Infinite, token);
            }

            // One that it has had already comes again: it must not be shown twice.
            await send(new WatchEvent { Job = TinyJob(JobState.Succeeded), History = { Entry(2, "started"), Entry(3, "succeeded") } });
        };

        var watching = Run("watch", "tiny");
        await Written(Error, "started");
        await Coordinator.KillAsync();
        await Coordinator.StartAsync();

        (await watching).ShouldBe(0);
        Coordinator.Jobs.Requests.Cast<WatchRequest>().Select(r => (r.Job, r.AfterHistory)).ShouldBe([("tiny", 0), ("tiny-abcde", 2)]);
        var notes = Error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        notes.Select(note => note.Split(' ', 2)[1]).ShouldBe(
        [
            "submitted (coordinator)",
            "started (coordinator)",
            "connection to the coordinator broke off; the job goes on without it. Trying again …",
            "again.",
            "succeeded (coordinator)",
        ]);
    }

    [Fact]
    public async Task A_stream_that_ends_before_the_job_does_is_taken_up_again()
    {
        var watches = 0;
        Coordinator.Jobs.OnWatch = (_, send, _) => send(new WatchEvent { Job = TinyJob(++watches < 3 ? JobState.Running : JobState.Succeeded) });

        (await Run("watch", "tiny")).ShouldBe(0);

        watches.ShouldBe(3);
    }

    [Fact]
    public async Task Log_lines_name_generation_and_rank()
    {
        Coordinator.Jobs.OnLogs = async (_, send, _) =>
        {
            await send(new LogLine { Sequence = 1, Generation = 1, Rank = 0, Text = "hello" });
            await send(new LogLine { Sequence = 2, Generation = 2, Rank = 1, Text = "[again]" });
        };

        (await Run("logs", "tiny", "--rank", "0", "--tail", "5")).ShouldBe(0);

        Lines().ShouldBe(["g1 r0 | hello", "g2 r1 | [again]"]);
        Coordinator.Jobs.Requests.Single().ShouldBe(new LogsRequest { Job = "tiny", Rank = 0, Tail = 5 });
    }

    [Fact]
    public async Task Following_logs_goes_on_after_the_last_line()
    {
        Coordinator.Jobs.OnLogs = async (request, send, token) =>
        {
            await send(new LogLine { Sequence = request.After + 1, Text = $"line {request.After + 1}" });
            if (request.After == 0)
                await Task.Delay(Timeout.Infinite, token);
        };

        var following = Run("logs", "tiny", "--follow", "--tail", "1", "--output", "json");
        await Written(Output, "line 1");
        await Coordinator.KillAsync();
        await Coordinator.StartAsync();

        (await following).ShouldBe(0);
        Lines().Select(line => JsonDocument.Parse(line).RootElement.GetProperty("text").GetString()).ShouldBe(["line 1", "line 2"]);
        ((LogsRequest)Coordinator.Jobs.Requests.Last()).Tail.ShouldBe(0);
    }

    [Fact]
    public async Task Ctrl_c_while_following_logs_says_that_the_job_goes_on()
    {
        Coordinator.Jobs.OnLogs = async (_, send, cancellation) =>
        {
            await send(new LogLine { Sequence = 1, Text = "a line" });
            await Written(Output, "a line");
            await CtrlC();
            await Task.Delay(Timeout.Infinite, cancellation);
        };

        (await Run("logs", "tiny", "--follow")).ShouldBe(130);

        Error.ToString().ShouldBe("Detached; tiny goes on without you.\n");
    }
}
