using Grpc.Core;
using Microsoft.Data.Sqlite;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed partial class AgentsServiceTests
{
    [Fact]
    public async Task What_an_agent_had_to_drop_is_shown()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync();
        await agent.SendAsync(new Proto.Status { LostMetricPoints = 3, LostLogLines = 4 });
        // The acknowledgement tells that the status before it was read.
        await agent.SendAsync(new Proto.Telemetry { Sequence = 1 });
        await agent.ReadUntilAsync(message => message.TelemetryAck is not null);
        var worker = (await _coordinator.Workers.ListAsync(new Proto.ListWorkersRequest())).Workers.ShouldHaveSingleItem();
        worker.LostMetricPoints.ShouldBe(3);
        worker.LostLogLines.ShouldBe(4);
    }

    [Fact]
    public async Task Telemetry_waits_for_a_locked_database_and_statuses_do_not()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync(slots: 2);
        await _coordinator.SubmitAsync();
        await PrepareAsync(agent);
        var assignment = await FormAsync(agent);
        await using (var other = new SqliteConnection($"Data Source={Path.Combine(_coordinator.DataFolder, "coordinator", "linformer.db")};Pooling=False"))
        {
            await other.OpenAsync();
            await using var locking = other.CreateCommand();
            locking.CommandText = "BEGIN IMMEDIATE";
            await locking.ExecuteNonQueryAsync();
            for (var step = 1; step <= 16; step++)
                await agent.SendAsync(Steps(assignment.Groups[0], step, step));
            var told = Running(assignment, Proto.MemberPhase.Training);
            told.LostLogLines = 77;
            await agent.SendAsync(told);
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while ((await _coordinator.Workers.ListAsync(new Proto.ListWorkersRequest(), cancellationToken: patience.Token)).Workers[0].LostLogLines != 77)
                await Task.Delay(20, patience.Token);
            locking.CommandText = "ROLLBACK";
            await locking.ExecuteNonQueryAsync();
        }
        await agent.ReadUntilAsync(message => message.TelemetryAck is { Sequence: 16 });
    }

    [Fact]
    public async Task A_process_may_log_before_its_first_generation_and_a_step_of_an_older_generation_commits_nothing()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync(slots: 2);
        var job = await _coordinator.SubmitAsync();
        await PrepareAsync(agent);
        var group = (await FormAsync(agent)).Groups[0];
        var early = new Proto.TelemetryItem { JobId = job.Id, Member = 2, Rank = -1, Log = new Proto.LogText { Number = 1, Text = "starts" } };
        var noMetric = new Proto.TelemetryItem { JobId = job.Id, Member = 2, Rank = -1, Metric = new Proto.MetricPoint { Step = 9, WorldSize = 1 } };
        await agent.SendAsync(new Proto.Telemetry { Sequence = 1, Items = { early, early, noMetric } });
        await agent.SendAsync(Steps(group, 1, 2));
        await agent.ReadUntilAsync(message => message.TelemetryAck is { Sequence: 2 });

        // Rank 1 is gone: the next generation is formed by the other, and what the first tells late is only recorded.
        var status = Running((await FailAsync(agent, group)).Assignment, Proto.MemberPhase.Training);
        await agent.SendAsync(status);
        await agent.SendAsync(Steps(group, 3, 3));
        await agent.ReadUntilAsync(message => message.TelemetryAck is { Sequence: 3 });

        var shown = await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = job.Id });
        (shown.Job.Generation, shown.Job.CommittedStep, shown.LastMetrics.Step).ShouldBe((2, 2L, 3L));
        shown.LastFailure.Signal.ShouldBe("SIGKILL");
        (shown.LastFailure.Member, shown.LastFailure.Rank, shown.LastFailure.Step).ShouldBe((2, 1, 3L));
        using var logs = _coordinator.Jobs.Logs(new Proto.LogsRequest { Job = job.Id });
        var first = (await logs.ResponseStream.ReadAllAsync().ToListAsync()).Where(line => line.Text == "starts").ShouldHaveSingleItem();
        (first.Generation, first.Rank).ShouldBe((0, -1));
    }

    [Fact]
    public async Task Steps_are_taken_from_a_process_that_was_no_rank_of_their_generation()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync(slots: 2);
        var job = await _coordinator.SubmitAsync();
        await PrepareAsync(agent);
        var steps = Steps((await FormAsync(agent)).Groups[0], 1, 2);
        foreach (var item in steps.Items)
            item.Rank = -1;

        await agent.SendAsync(steps);
        await agent.ReadUntilAsync(message => message.TelemetryAck is { Sequence: 2 });

        (await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = job.Id })).LastMetrics.Step.ShouldBe(2);
    }

    [Fact]
    public async Task An_agent_that_sends_on_while_telemetry_waits_is_sent_away()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync(slots: 2);
        await _coordinator.SubmitAsync();
        await PrepareAsync(agent);
        var assignment = await FormAsync(agent);
        await using var other = new SqliteConnection($"Data Source={Path.Combine(_coordinator.DataFolder, "coordinator", "linformer.db")};Pooling=False");
        await other.OpenAsync();
        await using var locking = other.CreateCommand();
        locking.CommandText = "BEGIN IMMEDIATE";
        await locking.ExecuteNonQueryAsync();
        try
        {
            for (var step = 1; step <= 40; step++)
                await agent.SendAsync(Steps(assignment.Groups[0], step, step));
        }
        catch (RpcException)
        {
            // The coordinator may hang up before all are sent; the stream tells why.
        }
        (await Refused.With(StatusCode.ResourceExhausted, agent.ReadToEndAsync)).Status.Detail.ShouldContain("16 telemetry messages wait");
    }
}
