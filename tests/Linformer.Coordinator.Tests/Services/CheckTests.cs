using Google.Protobuf;
using Grpc.Core;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Protocol;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

/// <summary><c>Jobs.Check</c>: problems with their places, or the resolved job with an estimate.</summary>
public sealed class CheckTests
{
    private const string Good = "name: small\ncorpus: { files: [\"texts/*.txt\"] }\nranks: { max: 2 }\n";

    [Theory]
    [InlineData("name: Not A Label\ncorpus: { files: [a.txt] }\ntraining:\n  steps: -1\n", "name 1:7, training.steps 4:10")]
    [InlineData("{ \"name\": \"a\",\n  \"corpus\": { \"files\": [\"/etc\"] },\n  \"colour\": 1 }", "corpus.files[0] 2:25, colour 3:3")]
    [InlineData("name: a\ncorpus: { files: [a.txt]\n", " 3:1")]
    [InlineData("name: [", " 1:8")]
    [InlineData("", " 0:0")]
    [InlineData("- a", " 1:1")]
    [InlineData("corpus: { files: [a] }\nmodel: { heads: 3 }", "name 1:1, model.heads 2:17")]
    public async Task Problems_come_with_field_line_and_column(string file, string places)
    {
        await using var coordinator = await TestCoordinator.StartAsync();

        var response = await coordinator.Jobs.CheckAsync(Request(file));

        string.Join(", ", response.Problems.Select(problem => $"{problem.Field} {problem.Line}:{problem.Column}")).ShouldBe(places);
        response.Problems.ShouldAllBe(problem => problem.Message.Length > 0);
        response.ResolvedJob.ShouldBeEmpty();
        response.Estimate.ShouldBeNull();
        (await coordinator.Jobs.ListAsync(new Proto.ListJobsRequest())).Jobs.ShouldBeEmpty();
    }

    [Fact]
    public async Task Problems_are_bounded_and_a_file_that_is_too_large_is_refused()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        var many = Good + string.Concat(Enumerable.Range(0, 5000).Select(i => $"x{i}: 1\n"));

        var response = await coordinator.Jobs.CheckAsync(Request(many));

        response.Problems.Count.ShouldBe(101);
        response.Problems[^1].Message.ShouldBe("and 4,900 more errors");
        var refusal = await Refused.With(StatusCode.InvalidArgument, async () => await coordinator.Jobs.CheckAsync(Request(new string('#', JobFileParser.MaxBytes + 1))));
        refusal.Status.Detail.ShouldContain("at most 1,048,576 are allowed");
    }

    [Fact]
    public async Task A_good_file_gives_what_submission_gives_and_an_estimate()
    {
        await using var coordinator = await TestCoordinator.StartAsync();

        var response = await coordinator.Jobs.CheckAsync(Request(Good));

        var submitted = await coordinator.Jobs.SubmitAsync(new Proto.SubmitRequest { JobFile = ByteString.CopyFromUtf8(Good), DryRun = true });
        response.Problems.ShouldBeEmpty();
        response.ResolvedJob.ShouldBe(submitted.ResolvedJob);
        response.Notices.ShouldBe(submitted.Notices);
        response.Notices.ShouldHaveSingleItem().ShouldContain("No worker is connected");
        var estimate = response.Estimate;
        // By hand: embeddings (8192 + 512) * 256, four layers of 789,760, a projection of 128 * 512, the last norm, the head.
        estimate.Parameters.ShouldBe(2_228_224 + (4 * 789_760) + 65_536 + 512 + 65_792 + 512 + 8192);
        estimate.ParameterBytes.ShouldBe(4 * estimate.Parameters);
        estimate.GradientBytes.ShouldBe(estimate.ParameterBytes);
        estimate.OptimizerBytes.ShouldBe(3 * estimate.ParameterBytes);
        estimate.MemoryBytes.ShouldBe(
            estimate.ParameterBytes + estimate.GradientBytes + estimate.OptimizerBytes + estimate.ActivationBytes + estimate.ProcessBytes);
        estimate.TokensPerStep.ShouldBe(64 * 512);
        estimate.TotalTokens.ShouldBe(1000L * 64 * 512);
        estimate.OperationsPerStep.ShouldBe(Operations(attention: 4.0 * 128), 1);
        estimate.FullAttentionRatio.ShouldBe(Operations(attention: 2.0 * 512) / Operations(attention: 4.0 * 128), 1e-9);
        estimate.HasSeconds.ShouldBeFalse();
        estimate.Basis.ShouldBe("No job of this cluster has trained yet.");

        static double Operations(double attention) =>
            6 * 64 * 512 * ((4 * ((4.0 * 256 * 256) + (2.0 * 256 * 1024) + (attention * 256))) + (0.15 * ((256.0 * 256) + (8192.0 * 256))));
    }

    [Fact]
    public async Task A_tokenizer_that_was_not_read_yet_is_told_of()
    {
        await using var coordinator = await TestCoordinator.StartAsync();

        var response = await coordinator.Jobs.CheckAsync(Request("name: a\ncorpus: { files: [a.txt], tokenizer: { file: t.json } }\n"));

        response.Notices.ShouldContain("The tokenizer's file is read when the corpus is prepared; until then the estimate takes it for one of 50,265 tokens.");
    }

    [Fact]
    public async Task The_time_goes_by_what_jobs_of_the_same_device_have_reached()
    {
        using var folder = new TemporaryFolder();
        await using (var database = SqliteDatabase.Open(new SqliteDatabaseOptions(folder.File("coordinator"))))
        {
            // Two ranks that take 100 and 200 steps of 64 * 512 tokens in 100 s, and one on GPUs.
            await RecordAsync(database, "slow", ranks: 2, stepsPerSecond: 1, "cpu", threads: 1);
            await RecordAsync(database, "quick", ranks: 2, stepsPerSecond: 2, "cpu", threads: 2);
            await RecordAsync(database, "gpu", ranks: 1, stepsPerSecond: 100, "cuda", threads: 1);
        }
        await using var coordinator = await TestCoordinator.StartAsync(folder);

        var one = await EstimateAsync(coordinator, "{ max: 2, threads: 1 }", "cpu");
        one.Seconds.ShouldBe(1000, 1e-6);
        one.Basis.ShouldStartWith("Job slow reached ");
        one.Basis.ShouldEndWith(" GFLOP/s a rank on cpu with 1 thread; this job has 2 ranks.");
        (await EstimateAsync(coordinator, "{ max: 2, threads: 2 }", "cpu")).Seconds.ShouldBe(500, 1e-6);
        (await EstimateAsync(coordinator, "{ max: 8, threads: 1 }", "cpu")).Seconds.ShouldBe(250, 1e-6);
        // Eight micro-batches over three ranks: one has three of them.
        (await EstimateAsync(coordinator, "{ max: 3, threads: 1 }", "cpu")).Seconds.ShouldBe(750, 1e-6);
        var four = await EstimateAsync(coordinator, "{ max: 2, threads: 4 }", "cpu");
        four.Seconds.ShouldBe(250, 1e-6);
        four.Basis.ShouldContain("in proportion");
        var gpu = await EstimateAsync(coordinator, "{ max: 1, threads: 3 }", "cuda");
        gpu.Seconds.ShouldBe(10, 1e-6);
        gpu.Basis.ShouldStartWith("Job gpu reached ");
    }

    [Fact]
    public async Task The_speed_of_the_other_precision_is_only_taken_where_there_is_no_better_one()
    {
        using var folder = new TemporaryFolder();
        await using (var database = SqliteDatabase.Open(new SqliteDatabaseOptions(folder.File("coordinator"))))
            await RecordAsync(database, "wide", ranks: 2, stepsPerSecond: 1, "cpu", threads: 1, "fp32");
        await using (var coordinator = await TestCoordinator.StartAsync(folder))
            (await EstimateAsync(coordinator, "{ max: 2, threads: 1 }", "cpu", "bf16")).Basis.ShouldEndWith(" with 1 thread in fp32; this job has 2 ranks.");

        await using (var database = SqliteDatabase.Open(new SqliteDatabaseOptions(folder.File("coordinator"))))
            await RecordAsync(database, "narrow", ranks: 2, stepsPerSecond: 4, "cpu", threads: 1, "bf16");
        await using var both = await TestCoordinator.StartAsync(folder);

        (await EstimateAsync(both, "{ max: 2, threads: 1 }", "cpu", "fp32")).Seconds.ShouldBe(1000, 1e-6);
        var bf16 = await EstimateAsync(both, "{ max: 2, threads: 1 }", "cpu", "bf16");
        bf16.Seconds.ShouldBe(250, 1e-6);
        bf16.Basis.ShouldStartWith("Job narrow reached ");
        bf16.Basis.ShouldNotContain(" in ");
    }

    private static async Task<Proto.JobEstimate> EstimateAsync(TestCoordinator coordinator, string ranks, string device, string precision = "auto") =>
        (await coordinator.Jobs.CheckAsync(Request($"name: a\ncorpus: {{ files: [a.txt] }}\nranks: {ranks}\ndevice: {device}\ntraining: {{ precision: {precision} }}\n"))).Estimate;

    private static async Task RecordAsync(SqliteDatabase database, string id, int ranks, double stepsPerSecond, string device, int threads, string precision = "auto")
    {
        var json = JobFileParser.Parse($"name: a\ncorpus: {{ files: [a.txt] }}\nranks: {{ max: {ranks}, threads: {threads} }}\ndevice: {device}\ntraining: {{ precision: {precision} }}\n", id, cuda: true).OrThrow().ToJson();
        var jobs = new DatabaseJobStore(database);
        await jobs.RecordSubmissionAsync(id + "-key", id, new JobSubmission(id, id, json, "person:ada", DateTimeOffset.UnixEpoch), CancellationToken.None);
        await jobs.SaveAsync(
            new JobView
            {
                JobId = id,
                Name = id,
                Phase = JobPhase.Succeeded,
                JobJson = json,
                Submitter = "person:ada",
                SubmittedAt = DateTimeOffset.UnixEpoch,
                Device = device,
                Revision = 1,
            },
            CancellationToken.None);
        var telemetry = new DatabaseTelemetryStore(database);
        await telemetry.BeginGenerationAsync(id, 0, 1, ranks, CancellationToken.None);
        // A pause within a step, and one that was left out, are no speed.
        double[] speeds = [0, .. Enumerable.Repeat(stepsPerSecond * 64 * 512, 9), 3];
        var rows = speeds.Select((speed, i) => new MetricRow(0, 1, i + 1, DateTimeOffset.UnixEpoch, ranks, 2.5, 1e-3, speed, null, null)).ToList();
        await telemetry.RecordAsync([new TelemetryBatch(id, "w1", rows, [], [], [])], CancellationToken.None);
    }

    private static Proto.CheckJobRequest Request(string file) => new() { JobFile = ByteString.CopyFromUtf8(file) };
}
