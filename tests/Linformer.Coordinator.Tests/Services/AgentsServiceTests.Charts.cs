using Grpc.Core;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed partial class AgentsServiceTests
{
    [Fact]
    public async Task What_an_agent_tells_is_drawn_listed_and_searched()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync(slots: 2);
        var job = await _coordinator.SubmitAsync();
        await PrepareAsync(agent);
        var group = (await FormAsync(agent)).Groups[0];
        var telemetry = Steps(group, 1, 100);
        telemetry.Items[0].Metric.Loss = double.NaN;
        await agent.SendAsync(telemetry);
        await agent.ReadUntilAsync(message => message.TelemetryAck is { Sequence: 100 });

        var range = await _coordinator.Jobs.MetricRangeAsync(new Proto.MetricRangeRequest { Job = "small", FromStep = 1, ToStep = 100, Points = 50, Series = { "worldSize", "loss" } });
        (range.JobId, range.StepsPerBucket, range.OldestStep, range.NewestStep).ShouldBe((job.Id, 2, 1, 100));
        range.FirstStep.ShouldBe(Enumerable.Range(0, 50).Select(bucket => 1L + (2 * bucket)));
        range.LastStep.ShouldBe(Enumerable.Range(0, 50).Select(bucket => 2L + (2 * bucket)));
        range.Count.ShouldAllBe(count => count == 2);
        range.Series.Select(series => series.Name).ShouldBe(["loss", "worldSize"], ignoreOrder: true);
        var loss = range.Series.Single(series => series.Name == "loss");
        (loss.Min[0], loss.Mean[0], loss.Max[0]).ShouldBe((2.5, 2.5, 2.5));
        (loss.Min[49], loss.Max[49]).ShouldBe((5.0 / 100, 5.0 / 99));
        loss.Mean[49].ShouldBe(((5.0 / 99) + (5.0 / 100)) / 2, 1e-12);
        (await _coordinator.Jobs.MetricRangeAsync(new Proto.MetricRangeRequest { Job = job.Id })).Series.Count.ShouldBe(6);

        var shown = await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = job.Id });
        shown.Job.LastMetrics.Step.ShouldBe(100);
        var generation = shown.Generations.ShouldHaveSingleItem();
        (generation.Generation_, generation.WorldSize, generation.FirstStep).ShouldBe((1, 2, 1));
        var plain = (await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest())).Jobs.ShouldHaveSingleItem();
        (plain.LastMetrics.Step, plain.LossLine.Count).ShouldBe((100, 0));
        for (var twice = 0; twice < 2; twice++)
        {
            var listed = (await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { LossLinePoints = 4 })).Jobs.ShouldHaveSingleItem();
            listed.LossLine.Count.ShouldBeInRange(2, 4);
            listed.LossLine.ShouldBeInOrder(SortDirection.Descending);
        }

        var page = await _coordinator.Jobs.LogPageAsync(new Proto.LogPageRequest { Job = job.Id, Contains = "STEP 9", PageSize = 5 });
        page.Lines.Select(line => line.Text).ShouldBe(["step 95", "step 96", "step 97", "step 98", "step 99"]);
        (page.More, page.LookedTo).ShouldBe((true, page.Lines[0].Sequence));
        page = await _coordinator.Jobs.LogPageAsync(new Proto.LogPageRequest { Job = job.Id, Contains = "STEP 9", Before = page.LookedTo });
        page.Lines.Select(line => line.Text).ShouldBe(["step 9", "step 90", "step 91", "step 92", "step 93", "step 94"]);
        page.More.ShouldBeFalse();
    }

    [Fact]
    public async Task What_evaluations_measured_is_in_the_range_if_asked_for_and_a_bounded_part_of_the_newest_at_metrics()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync(slots: 2);
        var job = await _coordinator.SubmitAsync();
        await PrepareAsync(agent);
        var group = (await FormAsync(agent)).Groups[0];
        var telemetry = Steps(group, 1, 4);
        var points = telemetry.Items.Select(item => item.Metric).OfType<Proto.MetricPoint>().ToList();
        (points[1].HeldOutLoss, points[3].HeldOutLoss) = (0.5, 0.4);
        points[1].Measures.Add("accuracy", 0.75);
        points[3].Measures.Add("accuracy", 0.875);
        for (var i = 10; i < 30; i++)
            points[3].Measures.Add($"own-{i}", i);
        await agent.SendAsync(telemetry);
        await agent.ReadUntilAsync(message => message.TelemetryAck is { Sequence: 4 });

        var range = await _coordinator.Jobs.MetricRangeAsync(new Proto.MetricRangeRequest { Job = job.Id, Evaluations = true });
        range.Evaluations.Select(point => (point.Step, point.Measures["accuracy"])).ShouldBe([(2, 0.75), (4, 0.875)]);
        (await _coordinator.Jobs.MetricRangeAsync(new Proto.MetricRangeRequest { Job = job.Id })).Evaluations.ShouldBeEmpty();

        using var http = new HttpClient { BaseAddress = _coordinator.Host.HttpAddresses[0] };
        var text = await http.GetStringAsync("/metrics");
        for (var patience = 0; patience < 100 && !text.Contains("measure=\"accuracy\"", StringComparison.Ordinal); patience++)
        {
            await Task.Delay(200);
            text = await http.GetStringAsync("/metrics");
        }
        var measures = text.Split('\n').Where(line => line.StartsWith("linformer_job_measure{", StringComparison.Ordinal)).ToList();
        measures.ShouldContain($"linformer_job_measure{{job_id=\"{job.Id}\",job_name=\"small\",measure=\"accuracy\"}} 0.875");
        measures.Count.ShouldBe(8);
    }

    [Fact]
    public async Task Samples_that_can_be_are_recorded_and_others_are_not()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync(slots: 2);
        var job = await _coordinator.SubmitAsync();
        await PrepareAsync(agent);
        var group = (await FormAsync(agent)).Groups[0];
        var telemetry = Steps(group, 1, 3);
        Action<Proto.RankSample>[] wrong =
        [
            sample => sample.Step = 0,
            sample => sample.Step = 1001,
            sample => sample.Steps = 0,
            sample => sample.Steps = 4,
            sample => sample.DataMilliseconds = double.NaN,
            sample => sample.ForwardMilliseconds = double.PositiveInfinity,
            sample => sample.BackwardMilliseconds = -1,
            sample => sample.ReduceMilliseconds = 1e15,
            sample => sample.MemoryBytes = -1,
            sample => sample.GpuMemoryBytes = long.MaxValue,
        ];
        telemetry.Items.AddRange(wrong.Select(spoil => Item(group, item => spoil(item.Sample = Sample(2)))));
        // Only what the stream's worker says of itself is its own.
        telemetry.Items.Add(Item(group, item => item.Sample = Sample(3)));
        telemetry.Items.Add(Item(group, item =>
        {
            item.Rank = -1;
            item.Sample = Sample(3);
        }));
        await agent.SendAsync(telemetry);
        await agent.ReadUntilAsync(message => message.TelemetryAck is { Sequence: 3 });

        var read = await _coordinator.Jobs.RankSamplesAsync(new Proto.RankSamplesRequest { Job = job.Id });
        var one = read.Samples.ShouldHaveSingleItem();
        (one.Step, one.Worker, one.Rank, one.Member, one.Generation, one.Steps).ShouldBe((3, "w1", 0, 1, 1, 2));
        (one.DataMilliseconds, one.OtherMilliseconds, one.PeakMemoryBytes).ShouldBe((1.5, 0.25, 2000));
        (await _coordinator.Jobs.RankSamplesAsync(new Proto.RankSamplesRequest { Job = job.Id, Rank = 1 })).Samples.ShouldBeEmpty();

        static Proto.RankSample Sample(long step) => new()
        {
            Step = step,
            Steps = 2,
            Worker = "another",
            Rank = 7,
            DataMilliseconds = 1.5,
            OtherMilliseconds = 0.25,
            MemoryBytes = 1000,
            PeakMemoryBytes = 2000,
        };
    }

    [Fact]
    public async Task What_is_asked_for_of_charts_and_pages_is_bounded()
    {
        var job = (await _coordinator.SubmitAsync()).Id;
        var jobs = _coordinator.Jobs;
        Func<Task>[] calls =
        [
            async () => await jobs.MetricRangeAsync(new Proto.MetricRangeRequest { Job = job, FromStep = -1 }),
            async () => await jobs.MetricRangeAsync(new Proto.MetricRangeRequest { Job = job, FromStep = 5, ToStep = 4 }),
            async () => await jobs.MetricRangeAsync(new Proto.MetricRangeRequest { Job = job, Points = 4001 }),
            async () => await jobs.MetricRangeAsync(new Proto.MetricRangeRequest { Job = job, Series = { "loss", "lost" } }),
            async () => await jobs.RankSamplesAsync(new Proto.RankSamplesRequest { Job = job, Points = 2001 }),
            async () => await jobs.RankSamplesAsync(new Proto.RankSamplesRequest { Job = job, Rank = -1 }),
            async () => await jobs.LogPageAsync(new Proto.LogPageRequest { Job = job, Before = 1, After = 1 }),
            async () => await jobs.LogPageAsync(new Proto.LogPageRequest { Job = job, PageSize = 2001 }),
            async () => await jobs.LogPageAsync(new Proto.LogPageRequest { Job = job, Contains = new string('x', 257) }),
            async () => await jobs.ListAsync(new Proto.ListJobsRequest { LossLinePoints = 101 }),
            async () => await jobs.ListAsync(new Proto.ListJobsRequest { LossLinePoints = -1 }),
            async () => await _coordinator.Cluster.EventsAsync(new Proto.EventsRequest { Kinds = { "jobs" } }),
            async () => await _coordinator.Cluster.EventsAsync(new Proto.EventsRequest { PageSize = 1001 }),
            async () => await _coordinator.Cluster.EventsAsync(new Proto.EventsRequest { Before = 5 }),
            async () => await _coordinator.Cluster.EventsAsync(new Proto.EventsRequest { After = 5, Newest = true }),
            async () => await _coordinator.Cluster.EventsAsync(new Proto.EventsRequest { Contains = "a\nb" }),
        ];
        foreach (var call in calls)
            (await Refused.With(StatusCode.InvalidArgument, call)).Status.Detail.Length.ShouldBeGreaterThan(20);
        await Refused.With(StatusCode.NotFound, async () => await jobs.MetricRangeAsync(new Proto.MetricRangeRequest { Job = "none" }));

        // A job that has not taken a step has all of it, empty.
        (await jobs.MetricRangeAsync(new Proto.MetricRangeRequest { Job = job, Points = 4000 })).Series.ShouldAllBe(series => series.Mean.Count == 0);
        (await jobs.RankSamplesAsync(new Proto.RankSamplesRequest { Job = job })).Samples.ShouldBeEmpty();
        (await jobs.LogPageAsync(new Proto.LogPageRequest { Job = job })).More.ShouldBeFalse();
        (await jobs.ListAsync(new Proto.ListJobsRequest { LossLinePoints = 100 })).Jobs.ShouldHaveSingleItem().LossLine.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_cluster_is_summed_up_and_what_happened_is_told()
    {
        using (var agent = new FakeAgent(_coordinator))
        {
            await agent.JoinAsync(slots: 3);
            var job = await _coordinator.SubmitAsync();
            await PrepareAsync(agent);
            await FormAsync(agent);
            await agent.SendAsync(new Proto.Status { Unfit = "its disk is full" });
            await _coordinator.Workers.DrainAsync(new Proto.DrainWorkerRequest { Worker = "w1", Who = "ada", Why = "new kernel" });
            await _coordinator.Workers.DrainAsync(new Proto.DrainWorkerRequest { Worker = "w1", Who = "bob", Undo = true });

            var summary = await _coordinator.Cluster.SummaryAsync(new Proto.SummaryRequest());
            (summary.Workers, summary.LostWorkers, summary.Slots, summary.Gpus, summary.Epoch, summary.Authentication).ShouldBe((1, 0, 3, 0, 1L, false));
            summary.Jobs.Sum(count => count.Count).ShouldBe(1);
            summary.Version.ShouldNotBeEmpty();
            summary.StartedAt.ShouldBeLessThan(summary.Now);

            await UntilToldAsync("w1", "connected", "takes nothing new", "drained", "not drained any more");
            await UntilToldAsync("", "started");
            var corpus = (await _coordinator.Corpora.ListAsync(new Proto.ListCorporaRequest())).Corpora.ShouldHaveSingleItem().Id;
            await UntilToldAsync(corpus, "planning begun", "ready");
            var ofJob = (await _coordinator.Cluster.EventsAsync(new Proto.EventsRequest { Kinds = { "job" } })).Events;
            (ofJob[0].Subject, ofJob[0].Name, ofJob[0].What, ofJob[0].State).ShouldBe((job.Id, "small", "submitted", Proto.JobState.Queued));
        }
        var told = await UntilToldAsync("w1", "lost");
        told.Single(one => one.What == "drained").ShouldSatisfyAllConditions(one => one.Who.ShouldContain("ada"), one => one.Why.ShouldBe("new kernel"));
        told.Single(one => one.What == "lost").Severity.ShouldBe("warning");
        (await _coordinator.Cluster.SummaryAsync(new Proto.SummaryRequest())).LostWorkers.ShouldBe(1);

        // The job tells it as well, if it was told to leave the worker in between.
        var newest = await _coordinator.Cluster.EventsAsync(new Proto.EventsRequest { Newest = true, PageSize = 1, Contains = "KERNEL", Kinds = { "worker" } });
        newest.Events.ShouldHaveSingleItem().What.ShouldBe("drained");
    }

    private async Task<IReadOnlyList<Proto.Event>> UntilToldAsync(string subject, params string[] what)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            var response = await _coordinator.Cluster.EventsAsync(new Proto.EventsRequest { PageSize = 1000 }, cancellationToken: patience.Token);
            var told = response.Events.Where(one => one.Subject == subject).ToList();
            if (what.All(one => told.Exists(row => row.What == one)))
                return told;
            await Task.Delay(50, patience.Token);
        }
    }
}
