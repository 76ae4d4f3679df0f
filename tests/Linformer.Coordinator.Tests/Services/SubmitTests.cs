using Google.Protobuf;
using Grpc.Core;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Protocol;
using Microsoft.Data.Sqlite;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed class SubmitTests : IAsyncLifetime
{
    private TestCoordinator _coordinator = null!;

    public async Task InitializeAsync() => _coordinator = await TestCoordinator.StartAsync();

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public async Task A_job_file_becomes_a_queued_job_with_a_history()
    {
        var response = await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request("brown-small"));

        response.Existed.ShouldBeFalse();
        response.Job.Id.ShouldMatch("^brown-small-[a-z2-7]{5}$");
        response.Job.State.ShouldBe(Proto.JobState.Queued);
        response.Job.TotalSteps.ShouldBe(1000);
        JobFileParser.Parse(response.ResolvedJob, "resolved").OrThrow().Name.ShouldBe("brown-small");
        response.Notices.ShouldHaveSingleItem().ShouldContain("No worker is connected");
        var details = await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = "brown-small" });
        details.Job.Id.ShouldBe(response.Job.Id);
        details.History[0].Who.ShouldBe("person:ada");
        details.History[0].Sequence.ShouldBe(1);
    }

    [Fact]
    public async Task A_hundred_submissions_with_one_key_make_one_job()
    {
        var request = TestCoordinator.Request();
        var responses = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => _coordinator.Jobs.SubmitAsync(request).ResponseAsync));

        responses.Select(response => response.Job.Id).Distinct().ShouldHaveSingleItem();
        responses.Count(response => !response.Existed).ShouldBe(1);
        (await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest())).Jobs.Count.ShouldBe(1);
    }

    [Fact]
    public async Task The_same_file_with_two_keys_makes_two_jobs()
    {
        var first = await _coordinator.SubmitAsync();
        var second = await _coordinator.SubmitAsync();

        second.Id.ShouldNotBe(first.Id);
        // The name means the newest.
        (await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = "small" })).Job.Id.ShouldBe(second.Id);
    }

    [Fact]
    public async Task A_key_with_another_file_is_refused()
    {
        var key = Guid.NewGuid().ToString();
        var job = await _coordinator.SubmitAsync("one", key: key);
        var refusal = await Refused.With(StatusCode.AlreadyExists, () => _coordinator.SubmitAsync("two", key: key));
        refusal.Status.Detail.ShouldContain(job.Id);
        refusal.Status.Detail.ShouldContain(key);
    }

    [Fact]
    public async Task A_file_with_errors_is_refused_with_a_line_for_each()
    {
        var request = TestCoordinator.Request();
        request.JobFile = ByteString.CopyFromUtf8("name: Not A Label\ncorpus: { files: [a.txt] }\ntraining: { steps: -1 }\n");
        request.Source = "mine.yaml";
        var refusal = await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Jobs.SubmitAsync(request));
        var lines = refusal.Status.Detail.Split('\n');
        lines.Length.ShouldBe(2);
        lines[0].ShouldStartWith("mine.yaml:1:");
        lines[1].ShouldContain("training.steps");
    }

    [Fact]
    public async Task Keys_texts_and_sizes_have_bounds()
    {
        await Refused.With(StatusCode.InvalidArgument, () => _coordinator.SubmitAsync(key: "short"));
        await Refused.With(StatusCode.InvalidArgument, () => _coordinator.SubmitAsync(key: "with a space"));
        var named = TestCoordinator.Request();
        named.Submitter = "two\nlines";
        await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Jobs.SubmitAsync(named));

        var large = TestCoordinator.Request();
        large.JobFile = ByteString.CopyFrom(new byte[JobFileParser.MaxBytes + 1]);
        (await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Jobs.SubmitAsync(large))).Status.Detail.ShouldContain("1,048,576");

        large.JobFile = ByteString.CopyFrom(new byte[5 << 20]);
        await Refused.With(StatusCode.ResourceExhausted, async () => await _coordinator.Jobs.SubmitAsync(large));
        (await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest())).Jobs.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_file_may_have_any_name()
    {
        var request = TestCoordinator.Request();
        request.Source = new string('d', 9_000) + "/\r\nmine.yaml";
        (await _coordinator.Jobs.SubmitAsync(request)).Job.Id.ShouldNotBeEmpty();

        request.JobFile = ByteString.CopyFromUtf8("name: Not A Label\ncorpus: { files: [a.txt] }\n");
        var refusal = await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Jobs.SubmitAsync(request));
        refusal.Status.Detail.ShouldStartWith("…ddd");
        refusal.Status.Detail.ShouldContain("ddd/??mine.yaml:1:");
        refusal.Status.Detail.Length.ShouldBeLessThan(1_000);
    }

    [Fact]
    public async Task A_worker_whose_state_is_damaged_stops_neither_submissions_nor_the_list()
    {
        using var folder = new TemporaryFolder();
        await using (var first = await TestCoordinator.StartAsync(folder))
        {
            using var lost = new FakeAgent(first);
            await lost.JoinAsync("w1");
        }
        await using (var database = new SqliteConnection($"Data Source={folder.File("coordinator/linformer.db")};Pooling=False"))
        {
            await database.OpenAsync();
            await using var damage = database.CreateCommand();
            damage.CommandText = "UPDATE grains SET state = '{\"Identity\": 5' WHERE state_name = 'worker'";
            (await damage.ExecuteNonQueryAsync()).ShouldBe(1);
        }
        var log = new LogCollector();
        await using var second = await TestCoordinator.StartAsync(folder, logger: log.Logger);
        using var agent = new FakeAgent(second);
        await agent.JoinAsync("w2");

        (await second.Workers.ListAsync(new Proto.ListWorkersRequest())).Workers.ShouldHaveSingleItem().Name.ShouldBe("w2");
        var response = await second.Jobs.SubmitAsync(TestCoordinator.Request());
        response.Job.State.ShouldBe(Proto.JobState.Queued);
        response.Notices.ShouldBeEmpty();
        log.Lines.ShouldContain(line => line.Contains("Worker w1 cannot be read"));
    }

    [Fact]
    public async Task A_dry_run_queues_nothing()
    {
        var request = TestCoordinator.Request();
        request.DryRun = true;
        request.IdempotencyKey = "";
        var response = await _coordinator.Jobs.SubmitAsync(request);
        response.Job.Id.ShouldBeEmpty();
        response.ResolvedJob.ShouldContain("\"steps\": 1000");
        (await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest())).Jobs.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_job_larger_than_the_cluster_is_queued_with_a_notice()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync(slots: 2);
        var response = await _coordinator.Jobs.SubmitAsync(TestCoordinator.Request(min: 3));
        response.Notices.ShouldHaveSingleItem().ShouldContain("at least 3 slots; the cluster has 2");
        response.Job.State.ShouldBe(Proto.JobState.Queued);
    }

    [Fact]
    public async Task Jobs_are_there_after_a_restart_and_their_keys_too()
    {
        using var folder = new TemporaryFolder();
        var request = TestCoordinator.Request();
        string id;
        await using (var first = await TestCoordinator.StartAsync(folder))
            id = (await first.Jobs.SubmitAsync(request)).Job.Id;
        await using var second = await TestCoordinator.StartAsync(folder);
        second.Host.Epoch.ShouldBe(2);
        var again = await second.Jobs.SubmitAsync(request);
        again.Existed.ShouldBeTrue();
        again.Job.Id.ShouldBe(id);
    }
}
