using System.Text.Json;
using Grpc.Core;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

public sealed class SubmitTests : ClusterTest
{
    [Fact]
    public async Task A_job_file_is_sent_with_a_key_and_who_sends_it()
    {
        Coordinator.Jobs.OnSubmit = _ => new SubmitResponse { Job = TinyJob(JobState.Queued), Notices = { "needs 4 slots; the cluster has 2" } };
        var file = WriteJobFile();

        (await Run("submit", file)).ShouldBe(0);

        var request = (SubmitRequest)Coordinator.Jobs.Requests.Single();
        request.JobFile.ToStringUtf8().ShouldBe(await File.ReadAllTextAsync(file));
        request.IdempotencyKey.ShouldMatch("^[A-Za-z0-9._-]{8,128}$");
        request.Submitter.ShouldBe(Environment.UserName);
        request.Source.ShouldBe(Path.GetFileName(file));
        Output.ToString().ShouldBe($"Submitted tiny-abcde (queued: waits for slots).\nWatch it: ./linformer watch tiny-abcde --coordinator {Coordinator.Address}\n");
        Error.ToString().ShouldBe("note: needs 4 slots; the cluster has 2\n");
    }

    [Theory]
    [InlineData("\"precision\":\"bf16\",\"microBatch\":1", "in bf16, micro-batches of 1 sequence")]
    [InlineData("\"precision\":\"fp32\",\"microBatch\":16", "in fp32, micro-batches of 16 sequences")]
    public async Task What_was_settled_is_told(string training, string expected)
    {
        Coordinator.Jobs.OnSubmit = _ => new SubmitResponse
        {
            Job = new Job { Id = "tiny-abcde", State = JobState.Queued },
            ResolvedJob = "{\"name\":\"tiny\",\"corpus\":{\"files\":[\"a\"]},\"training\":{" + training + "}}",
        };

        (await Run("submit", WriteJobFile())).ShouldBe(0);

        Output.ToString().ShouldContain($"It computes {expected}.\n");
    }

    [Fact]
    public async Task A_coordinator_that_is_away_for_a_moment_gets_the_same_key_again()
    {
        var calls = 0;
        Coordinator.Jobs.OnSubmit = _ => ++calls < 3
            ? throw JobsScript.Refusal(StatusCode.Unavailable, "starting")
            : new SubmitResponse { Job = TinyJob(), Existed = true };

        (await Run("submit", WriteJobFile())).ShouldBe(0);

        Coordinator.Jobs.Requests.Cast<SubmitRequest>().Select(request => request.IdempotencyKey).Distinct().Count().ShouldBe(1);
        calls.ShouldBe(3);
        Lines()[0].ShouldBe("tiny-abcde was submitted before with this key; it is running.");
    }

    [Fact]
    public async Task The_key_may_be_chosen()
    {
        Coordinator.Jobs.OnSubmit = _ => new SubmitResponse { Job = TinyJob() };

        (await Run("submit", WriteJobFile(), "--key", "nightly-1")).ShouldBe(0);

        ((SubmitRequest)Coordinator.Jobs.Requests.Single()).IdempotencyKey.ShouldBe("nightly-1");
    }

    [Fact]
    public async Task A_dry_run_shows_all_settings()
    {
        Coordinator.Jobs.OnSubmit = _ => new SubmitResponse { Job = new Job { Name = "tiny" }, ResolvedJob = """{"name":"tiny","priority":0}""" };

        (await Run("submit", WriteJobFile(), "--dry-run", "--watch")).ShouldBe(0);

        Coordinator.Jobs.Requests.OfType<SubmitRequest>().Single().DryRun.ShouldBeTrue();
        Output.ToString().ShouldContain("nothing was queued");
        Output.ToString().ShouldContain("  \"priority\": 0");
    }

    [Fact]
    public async Task A_dry_run_shows_what_the_job_takes()
    {
        Coordinator.Jobs.OnSubmit = _ => new SubmitResponse { Job = new Job { Name = "tiny", TotalSteps = 1000 }, ResolvedJob = """{"name":"tiny"}""" };
        Coordinator.Jobs.OnCheck = _ => new CheckJobResponse
        {
            Notices = { "the cluster has 2 slots" },
            Estimate = new JobEstimate
            {
                Parameters = 5_527_808,
                MemoryBytes = 760_000_000,
                ParameterBytes = 22_111_232,
                GradientBytes = 22_111_232,
                OptimizerBytes = 66_333_696,
                ActivationBytes = 348_500_000,
                ProcessBytes = 301_000_000,
                TokensPerStep = 32_768,
                TotalTokens = 32_768_000,
                OperationsPerStep = 7.4e11,
                Seconds = 5400,
                Basis = "Job a reached 3 GFLOP/s a rank.",
                FullAttentionRatio = 1.14,
            },
        };
        var file = WriteJobFile();

        (await Run("submit", file, "--dry-run")).ShouldBe(0);

        Output.ToString().ShouldEndWith(
            """

            parameters:     5,527,808
            memory a rank:  760.0 MB (parameters 22.1 MB, gradients 22.1 MB, optimizer 66.3 MB, a micro-batch 348.5 MB, the process 301.0 MB)
            tokens:         32,768 a step, 32,768,000 in all
            operations:     740.0 GFLOP a step, 740.0 TFLOP in all; full attention takes 1.14 times as many
            expected time:  about 1 h 30 min. Job a reached 3 GFLOP/s a rank.

            """);
        Error.ToString().ShouldBe("note: the cluster has 2 slots\n");
        Coordinator.Jobs.Requests.OfType<CheckJobRequest>().Single().JobFile.ToStringUtf8().ShouldBe(await File.ReadAllTextAsync(file));

        Output.Clear();
        (await Run("submit", file, "--dry-run", "--output", "json")).ShouldBe(0);
        Json().GetProperty("resolvedJob").GetProperty("name").GetString().ShouldBe("tiny");
        Json().GetProperty("estimate").GetProperty("parameters").GetInt64().ShouldBe(5_527_808);
    }

    [Fact]
    public async Task Each_error_of_a_job_file_is_a_line()
    {
        Coordinator.Jobs.OnSubmit = _ => throw JobsScript.Refusal(StatusCode.InvalidArgument, "job.yaml:1:1: a: is unknown\njob.yaml:2:1: b: is unknown");

        (await Run("submit", WriteJobFile())).ShouldBe(1);

        Error.ToString().ShouldBe("error: job.yaml:1:1: a: is unknown\nerror: job.yaml:2:1: b: is unknown\n");
    }

    [Fact]
    public async Task A_file_that_is_missing_or_too_large_is_not_sent()
    {
        (await Run("submit", Path.Combine(Folder, "none.yaml"))).ShouldBe(1);
        (await Run("submit", WriteJobFile(new string('#', (1 << 20) + 1)))).ShouldBe(1);

        Error.ToString().ShouldBe($"error: {Folder}/none.yaml: there is no such file.\nerror: {Folder}/job.yaml: a job file has at most 1024 KiB.\n");
        Coordinator.Jobs.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task Submitting_may_go_on_to_watching()
    {
        Coordinator.Jobs.OnSubmit = _ => new SubmitResponse { Job = TinyJob(JobState.Queued) };
        Coordinator.Jobs.OnWatch = (_, send, _) => send(new WatchEvent { Job = TinyJob(JobState.Succeeded) });

        (await Run("submit", WriteJobFile(), "--watch")).ShouldBe(0);

        Error.ToString().ShouldContain("Submitted tiny-abcde");
        Coordinator.Jobs.Requests.OfType<WatchRequest>().Single().Job.ShouldBe("tiny-abcde");
        Lines()[0].ShouldBe("tiny-abcde has succeeded.");
    }

    [Theory]
    [InlineData("cancel", JobState.Cancelled, "cancelled")]
    [InlineData("pause", JobState.Paused, "paused")]
    [InlineData("resume", JobState.Queued, "queued")]
    public async Task A_change_carries_who_and_why(string command, JobState state, string word)
    {
        string? called = null;
        Coordinator.Jobs.OnChange = (what, _) =>
        {
            called = what;
            return TinyJob(state);
        };

        (await Run(command, "tiny", "--why", "a reason")).ShouldBe(0);

        called.ShouldBe(command);
        Coordinator.Jobs.Requests.Single().ShouldBe(new ChangeRequest { Job = "tiny", Why = "a reason", Who = Environment.UserName });
        Output.ToString().ShouldBe($"tiny-abcde is {word}.\n");
    }

    [Fact]
    public async Task A_change_that_was_made_already_says_so()
    {
        Coordinator.Jobs.OnChange = (_, _) =>
        {
            var job = TinyJob();
            job.Unchanged = true;
            return job;
        };

        (await Run("resume", "tiny")).ShouldBe(0);

        Output.ToString().ShouldBe("tiny-abcde was running already.\n");
    }

    [Fact]
    public async Task A_change_is_json_if_asked_for()
    {
        Coordinator.Jobs.OnChange = (_, _) => TinyJob(JobState.Paused);

        (await Run("pause", "tiny", "--output", "json")).ShouldBe(0);

        Json().GetProperty("state").GetString().ShouldBe("paused");
        Json().GetProperty("revision").ValueKind.ShouldBe(JsonValueKind.Number);
    }
}
