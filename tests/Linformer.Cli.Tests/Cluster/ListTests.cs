using Google.Protobuf.WellKnownTypes;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

public sealed class ListTests : ClusterTest
{
    [Fact]
    public async Task Jobs_are_a_row_each_without_a_line_break_when_piped()
    {
        var reason = "needs at least 4 slots; the cluster has 2 " + new string('x', 200);
        var job = TinyJob(JobState.Queued);
        (job.Reason, job.Id) = (reason, "a-much-longer-name-abcde");
        job.SubmittedAt = Timestamp.FromDateTime(DateTime.UtcNow.AddMinutes(-5).AddSeconds(-10));
        var other = TinyJob();
        other.Pending = "pausing";
        other.SubmittedAt = Timestamp.FromDateTime(DateTime.UtcNow.AddHours(-3));
        var again = TinyJob();
        (again.AppliedStep, again.AgainFrom, again.RanksLeft) = (1057, 1000, 1);
        again.SubmittedAt = other.SubmittedAt;
        Coordinator.Jobs.OnList = _ => new ListJobsResponse { Jobs = { job, other, again } };

        (await Run("jobs")).ShouldBe(0);

        Output.ToString().ShouldBe(
            $"""
            JOB                       STATE                           STEP   RANKS    AGE  REASON
            a-much-longer-name-abcde  queued                   1,200/1,500       -  5 min  {reason}
            tiny-abcde                running (pausing)        1,200/1,500       2    3 h
            tiny-abcde                running            1,057/1,500 again  1 of 2    3 h

            """);
    }

    [Fact]
    public async Task Jobs_are_asked_for_in_pages_up_to_the_limit()
    {
        Coordinator.Jobs.OnList = request => new ListJobsResponse
        {
            Jobs = { Enumerable.Repeat(TinyJob(), request.PageSize) },
            NextPageToken = request.PageToken + "n",
        };

        (await Run("jobs", "--state", "running", "--state", "paused", "--name", "ti", "--limit", "600", "--output", "json")).ShouldBe(0);

        var requests = Coordinator.Jobs.Requests.Cast<ListJobsRequest>().ToArray();
        requests.Select(r => (r.PageSize, r.PageToken)).ShouldBe([(500, ""), (100, "n")]);
        requests[0].States.ShouldBe([JobState.Running, JobState.Paused]);
        requests[0].NameContains.ShouldBe("ti");
        Json().GetProperty("jobs").GetArrayLength().ShouldBe(600);
        Json().GetProperty("nextPageToken").GetString().ShouldBe("nn");
    }

    [Fact]
    public async Task A_list_that_goes_on_says_how()
    {
        Coordinator.Jobs.OnList = _ => new ListJobsResponse { Jobs = { TinyJob() }, NextPageToken = "p2" };

        (await Run("jobs", "--limit", "1")).ShouldBe(0);

        Error.ToString().ShouldContain("--page p2");
    }

    [Fact]
    public async Task No_jobs_are_an_empty_list_and_a_hint()
    {
        Coordinator.Jobs.OnList = _ => new ListJobsResponse();

        (await Run("jobs")).ShouldBe(0);

        Output.ToString().ShouldBeEmpty();
        Error.ToString().ShouldBe($"No jobs. Submit one with ./linformer submit FILE --coordinator {Coordinator.Address}\n");
    }

    [Theory]
    [InlineData("jobs --state odd", "--state is 'odd'; allowed are queued, preparing, running, paused, succeeded, failed, cancelled.")]
    [InlineData("jobs --limit 0", "--limit must be 1 or more.")]
    [InlineData("logs x --tail 0", "--tail must be 1 or more.")]
    [InlineData("logs x --rank -1", "--rank must be 0 or more.")]
    [InlineData("corpora preview x --from -1", "--from must be 0 or more.")]
    [InlineData("corpora preview x --sequences 65", "--sequences is 65; allowed are 1 to 64.")]
    [InlineData("corpora preview x --length 0", "--length is 0; allowed are 1 to 4096.")]
    [InlineData("export x", "Option '--to' is required.")]
    public async Task Wrong_values_are_named_with_what_is_allowed(string arguments, string error)
    {
        (await Run(arguments.Split(' '))).ShouldBe(1);

        Error.ToString().ShouldStartWith($"error: {error}\n");
        Coordinator.Jobs.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task Workers_show_their_slots_and_what_runs_there()
    {
        Coordinator.Workers.Workers.Add(new Protocol.V1.Worker
        {
            Name = "local-1",
            Alive = true,
            Address = "127.0.0.1",
            LastSeen = Timestamp.FromDateTime(DateTime.UtcNow),
            Slots = { new Slot { Number = 0, Device = "cpu", JobId = "tiny-abcde", Rank = 1 }, new Slot { Number = 1, Device = "cpu", Bfloat16 = true } },
        });
        Coordinator.Workers.Workers.Add(new Protocol.V1.Worker { Name = "b", Address = "10.0.0.7", Slots = { new Slot { Device = "cuda" } } });

        (await Run("workers")).ShouldBe(0);

        Output.ToString().ShouldBe(
            """
            WORKER   STATE   SLOTS  BF16    FREE  ADDRESS    SEEN  RUNS
            local-1  alive   2 cpu  1 of 2     1  127.0.0.1   0 s  tiny-abcde r1
            b        lost   1 cuda  no         -  10.0.0.7      -

            """);
    }

    [Fact]
    public async Task How_busy_a_machine_is_is_shown_of_those_that_tell()
    {
        var load = new MachineLoad { ProcessorPercent = 41.6, Processors = 8, UsedMemoryBytes = 12_345_000_000, MemoryBytes = 64_000_000_000 };
        Coordinator.Workers.Workers.Add(new Protocol.V1.Worker { Name = "a", Alive = true, Address = "10.0.0.7", Load = load, Slots = { new Slot { Device = "cpu" } } });
        Coordinator.Workers.Workers.Add(new Protocol.V1.Worker { Name = "b", Alive = true, Address = "10.0.0.8", Slots = { new Slot { Device = "cpu" } } });
        Coordinator.Workers.Workers.Add(new Protocol.V1.Worker { Name = "c", Address = "10.0.0.9", Load = load, Slots = { new Slot { Device = "cpu" } } });

        (await Run("workers")).ShouldBe(0);

        Output.ToString().ShouldBe(
            """
            WORKER  STATE  SLOTS  BF16  FREE  PROCESSORS              MEMORY  ADDRESS   SEEN  RUNS
            a       alive  1 cpu  no       1   42 % of 8  12.3 GB of 64.0 GB  10.0.0.7     -
            b       alive  1 cpu  no       1           -                   -  10.0.0.8     -
            c       lost   1 cpu  no       -           -                   -  10.0.0.9     -

            """);

        (await Run("workers", "--output", "json")).ShouldBe(0);
        Output.ToString().ShouldContain("\"load\":{\"processorPercent\":41.6,\"processors\":8,\"usedMemoryBytes\":12345000000,\"memoryBytes\":64000000000,\"freeStorageBytes\":0}");
    }

    [Fact]
    public async Task GPUs_are_shown_with_what_is_known_of_them()
    {
        var gpu = new Gpu { Uuid = "GPU-8f0c", Name = "a GPU", MemoryBytes = 24L << 30 };
        Coordinator.Workers.Workers.Add(new Protocol.V1.Worker
        {
            Name = "gpu-3",
            Alive = true,
            Address = "10.0.0.3",
            LastSeen = Timestamp.FromDateTime(DateTime.UtcNow),
            Slots =
            {
                new Slot { Number = 0, Device = "cuda", Bfloat16 = true, Gpu = gpu, GpuReading = new GpuReading { UsedMemoryBytes = 1_500_000_000, Temperature = 63, Utilization = 97 } },
                new Slot { Number = 1, Device = "cuda", Bfloat16 = true, Gpu = gpu },
            },
        });

        (await Run("workers")).ShouldBe(0);

        Output.ToString().ShouldBe(
            """
            WORKER  STATE   SLOTS  BF16  FREE  ADDRESS   SEEN  RUNS
            gpu-3   alive  2 cuda  yes      2  10.0.0.3   0 s

            WORKER  SLOT  GPU     MEMORY    USED  TEMPERATURE  UTILISATION  UUID
            gpu-3      0  a GPU  25.8 GB  1.5 GB        63 °C         97 %  GPU-8f0c
            gpu-3      1  a GPU  25.8 GB       -            -            -  GPU-8f0c

            """);
    }

    [Fact]
    public async Task Corpora_show_how_far_they_are_and_why_they_failed()
    {
        Coordinator.Corpora.Corpora.Add(new Corpus { Id = "0123456789abcdef", State = CorpusState.Sharding, Files = { "corpora/*.txt", "b.txt" }, Shards = 8, ShardsDone = 3, Tokens = 1234567 });
        Coordinator.Corpora.Corpora.Add(new Corpus { Id = "f", State = CorpusState.Failed, Files = { "c" }, Error = "c: there is no such file" });

        (await Run("corpora")).ShouldBe(0);

        Lines()[1].ShouldMatch(@"^0123456789abcdef  sharding +3/8  1,234,567 +0 +0  corpora/\*\.txt, b\.txt$");
        Lines()[2].ShouldEndWith("c (c: there is no such file)");

        Output.Clear();
        (await Run("corpora", "--output", "json")).ShouldBe(0);
        Json().GetProperty("corpora")[0].GetProperty("shardsDone").GetInt32().ShouldBe(3);
        Json().GetProperty("corpora")[0].GetProperty("state").GetString().ShouldBe("sharding");
    }

    [Fact]
    public async Task A_corpus_is_previewed_without_control_characters()
    {
        (await Run("corpora", "preview", "f0", "--from", "1000", "--sequences", "3", "--length", "7")).ShouldBe(0);

        Output.ToString().ShouldBe("tokens 1,000 to 1,001 of 12,345:\nOne ?[31m\n\ntokens 3 to 3 of 12,345:\nx\ty\nz\n");

        Output.Clear();
        (await Run("corpora", "preview", "f0", "--output", "json")).ShouldBe(0);
        Json().GetProperty("corpusId").GetString().ShouldBe("f0");
        Json().GetProperty("sequences")[1].GetProperty("ids")[0].GetInt32().ShouldBe(128);
        Json().GetProperty("sequences")[1].GetProperty("firstToken").GetInt32().ShouldBe(8);
    }

    [Fact]
    public async Task Checkpoints_are_listed()
    {
        Coordinator.Jobs.OnCheckpoints = request => new CheckpointsResponse
        {
            Checkpoints =
            {
                new Checkpoint { Name = "l0000-g0002-s00001100", Generation = 2, Step = 1100, Bytes = 12_345_678, Kept = true, At = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(-3)) },
            },
        };

        (await Run("checkpoints", "tiny")).ShouldBe(0);

        Lines()[1].ShouldMatch("^l0000-g0002-s00001100  1,100 +0 +2  12.3 MB  3 d  yes$");
        ((CheckpointsRequest)Coordinator.Jobs.Requests.Single()).Job.ShouldBe("tiny");
    }
}
