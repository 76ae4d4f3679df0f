using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

public sealed class ShowTests : ClusterTest
{
    [Fact]
    public async Task All_about_a_job_is_shown()
    {
        Coordinator.Jobs.OnShow = _ => Details();

        (await Run("show", "tiny")).ShouldBe(0);

        var local = Noon.ToLocalTime();
        Output.ToString().ShouldBe(
            $"""
            Job         tiny-abcde (name tiny)
            State       running (pausing): rank 1 was lost
            Step        1,200 of 1,500, committed 1,100 (lineage 0, generation 2)
            Ranks       2 now, 1 to 2 asked for; priority 0
            Computes    in fp32, micro-batches of 8 sequences
            Submitted   {local:yyyy-MM-dd HH:mm:ss} by ada
            Corpus      corpora/*.txt (corpus 0123456789abcdef)
                        Sharding: 3 of 8 shards
            Loss        5.250 at step 1,200; learning rate 1.0e-3, 12,345 tokens/s
            Held-out    perplexity 2.7

            RANK  MEMBER  WORKER   SLOT   STEP  PID  STATE
               0       1  local-1     0  1,200   77  training; 2.3 times the others' step time
               1       2  local-2     0  1,199   78  training
               -       4  local-2     1      0    -  starting

            Last failure: rank 1 on worker local-2 (generation 1, step 1,001) was ended by SIGKILL (exit code 137)
              | first line
              | last line

            TIME                  STEP  WHO          WHAT
            {local.AddSeconds(1):yyyy-MM-dd HH:mm:ss}  1,100  coordinator  submitted
            {local.AddSeconds(2):yyyy-MM-dd HH:mm:ss}  1,100  coordinator  generation 2 started with 2 ranks: rank 1 was lost

            """);
    }

    [Fact]
    public async Task Ranks_that_are_gone_steps_that_are_taken_again_and_one_that_is_left_out_are_told()
    {
        var details = Details();
        (details.Job.AppliedStep, details.Job.RanksLeft, details.Job.AgainFrom) = (1057, 1, 1000);
        details.LastMetrics = new MetricPoint { Step = 1057, Loss = double.NaN };
        Coordinator.Jobs.OnShow = _ => details;

        (await Run("show", "tiny")).ShouldBe(0);

        Lines().Skip(2).Take(3).ShouldBe(
        [
            "Step        1,057 of 1,500, committed 1,100 (lineage 0, generation 2)",
            "            training goes again from step 1,000; step 1,100 was committed, and no rank that held it is left",
            "Ranks       1 of 2 now, 1 to 2 asked for; priority 0",
        ]);
        Lines().ShouldContain("Loss        none: step 1,057 was left out");
    }

    [Fact]
    public async Task The_result_of_a_job_is_shown()
    {
        Coordinator.Jobs.OnShow = _ => new JobDetails
        {
            Job = TinyJob(JobState.Succeeded),
            JobFile = "this is not JSON",
            Result = new JobResult { Steps = 1500, Parameters = 1_000_000, HeldOutPerplexity = 123.45, UnigramPerplexity = 800, PredictedTokens = 5000, ModelFolder = "models/tiny-abcde" },
        };

        (await Run("show", "tiny")).ShouldBe(0);

        Lines().ShouldContain("Held-out    perplexity 123.5 on 5,000 tokens (unigram 800.0)");
        Lines().ShouldContain("Model       models/tiny-abcde below the storage root; 1,000,000 parameters");
    }

    [Fact]
    public async Task Json_has_the_fields_of_the_protos()
    {
        Coordinator.Jobs.OnShow = _ => Details();

        (await Run("show", "tiny", "--output", "json")).ShouldBe(0);

        var details = Json();
        details.GetProperty("job").GetProperty("state").GetString().ShouldBe("running");
        details.GetProperty("job").GetProperty("appliedStep").GetInt64().ShouldBe(1200);
        details.GetProperty("job").GetProperty("submittedAt").GetString().ShouldBe("2026-11-22T12:00:00.000Z");
        details.GetProperty("job").TryGetProperty("endedAt", out _).ShouldBeFalse();
        details.GetProperty("jobFile").GetProperty("corpus").GetProperty("files")[0].GetString().ShouldBe("corpora/*.txt");
        details.GetProperty("heldOutLoss").GetDouble().ShouldBe(1);
        details.GetProperty("lastMetrics").TryGetProperty("gradientNorm", out _).ShouldBeFalse();
        details.GetProperty("lastFailure").GetProperty("lastLogLines")[1].GetString().ShouldBe("last line");
        details.GetProperty("history")[1].GetProperty("sequence").GetInt64().ShouldBe(2);
        details.TryGetProperty("result", out _).ShouldBeFalse();
    }

    [Fact]
    public async Task A_loss_that_is_no_number_is_still_json()
    {
        Coordinator.Jobs.OnShow = _ => new JobDetails { Job = TinyJob(), LastMetrics = new MetricPoint { Loss = double.NaN, TokensPerSecond = double.PositiveInfinity } };

        (await Run("show", "tiny", "--output", "json")).ShouldBe(0);

        Json().GetProperty("lastMetrics").GetProperty("loss").GetString().ShouldBe("NaN");
        Json().GetProperty("lastMetrics").GetProperty("tokensPerSecond").GetString().ShouldBe("Infinity");
    }

    private static JobDetails Details()
    {
        var job = TinyJob();
        (job.Pending, job.Reason) = ("pausing", "rank 1 was lost");
        return new JobDetails
        {
            Job = job,
            JobFile = """{"name":"tiny","corpus":{"files":["corpora/*.txt"]}}""",
            CorpusId = "0123456789abcdef",
            Corpus = new CorpusProgress { Phase = "Sharding", Done = 3, Total = 8, Unit = "shards" },
            Ranks =
            {
                new Rank { Rank_ = 0, Member = 1, InGeneration = true, Worker = "local-1", State = "training", AppliedStep = 1200, ProcessId = 77, StepMilliseconds = 115, Straggler = true },
                new Rank { Rank_ = 1, Member = 2, InGeneration = true, Worker = "local-2", State = "training", AppliedStep = 1199, ProcessId = 78, StepMilliseconds = 50 },
                new Rank { Rank_ = -1, Member = 4, Worker = "local-2", Slot = 1, State = "starting" },
            },
            LastMetrics = new MetricPoint { Step = 1200, Loss = 5.25, LearningRate = 1e-3, TokensPerSecond = 12345 },
            HeldOutLoss = 1,
            LastFailure = new RankFailure { Generation = 1, Rank = 1, Worker = "local-2", Step = 1001, ExitCode = 137, Signal = "SIGKILL", Reason = "was ended by SIGKILL (exit code 137)", LastLogLines = { "first line", "last line" } },
            History = { Entry(1, "submitted"), Entry(2, "generation 2 started with 2 ranks", "rank 1 was lost") },
        };
    }
}
