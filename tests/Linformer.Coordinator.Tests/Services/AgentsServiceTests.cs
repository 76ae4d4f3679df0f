using Google.Protobuf;
using Grpc.Core;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed partial class AgentsServiceTests : IAsyncLifetime
{
    private TestCoordinator _coordinator = null!;

    public async Task InitializeAsync() => _coordinator = await TestCoordinator.StartAsync();

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public async Task An_agent_is_welcomed_and_listed()
    {
        using var agent = new FakeAgent(_coordinator);
        var welcome = await agent.JoinAsync("w1", slots: 3);
        welcome.Epoch.ShouldBe(1);
        welcome.LeaseMilliseconds.ShouldBe(10_000);
        welcome.HeartbeatMilliseconds.ShouldBe(500);
        var worker = (await _coordinator.Workers.ListAsync(new Proto.ListWorkersRequest())).Workers.ShouldHaveSingleItem();
        worker.Name.ShouldBe("w1");
        worker.Alive.ShouldBeTrue();
        worker.Slots.Select(slot => slot.Number).ShouldBe([0, 1, 2]);
    }

    [Fact]
    public async Task A_second_worker_of_the_name_is_refused_and_the_first_stays()
    {
        using var first = new FakeAgent(_coordinator);
        await first.JoinAsync("w1");
        using var second = new FakeAgent(_coordinator);
        await second.SendAsync(FakeAgent.Hello("w1"));
        (await Refused.With(StatusCode.AlreadyExists, second.ReadAsync)).Status.Detail.ShouldContain("'w1'");
        await first.SendAsync(new Proto.Status());
        (await _coordinator.Workers.ListAsync(new Proto.ListWorkersRequest())).Workers.ShouldHaveSingleItem().Alive.ShouldBeTrue();
    }

    [Fact]
    public async Task One_that_hangs_up_while_it_is_welcomed_does_not_hold_the_name()
    {
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with { Lease = TimeSpan.FromHours(1) });
        for (var round = 0; round < 20; round++)
        {
            using (var gone = new FakeAgent(coordinator))
            {
                await gone.SendAsync(FakeAgent.Hello($"w{round}"));
                await Task.Delay(round);
            }
            await JoinAsync($"w{round}");
        }

        // The coordinator hears of the end in a moment.
        async Task JoinAsync(string name)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (true)
            {
                using var next = new FakeAgent(coordinator);
                try
                {
                    await next.JoinAsync(name);
                    return;
                }
                catch (RpcException refused) when (refused.StatusCode == StatusCode.AlreadyExists && !patience.IsCancellationRequested)
                {
                    await Task.Delay(20);
                }
            }
        }
    }

    [Fact]
    public async Task An_agent_that_connects_again_takes_its_own_place()
    {
        using var first = new FakeAgent(_coordinator);
        await first.JoinAsync("w1", instance: "same");
        using var second = new FakeAgent(_coordinator);
        await second.JoinAsync("w1", instance: "same");
        var messages = await first.ReadToEndAsync();
        messages[^1].Goodbye.ShouldNotBeNull();
        messages[^1].Goodbye.Final.ShouldBeFalse();
    }

    [Fact]
    public async Task Introductions_are_checked()
    {
        await RefusedAsync(StatusCode.FailedPrecondition, hello => hello.ProtocolVersion = 1, "version 1");
        await RefusedAsync(StatusCode.InvalidArgument, hello => hello.Name = "Not A Label", "'Not A Label'");
        await RefusedAsync(StatusCode.InvalidArgument, hello => hello.Name = "", "''");
        await RefusedAsync(StatusCode.InvalidArgument, hello => hello.Slots.Clear(), "0 slots");
        await RefusedAsync(StatusCode.InvalidArgument, hello => hello.Slots.Add(hello.Slots[0]), "slot 0 twice");
        await RefusedAsync(StatusCode.InvalidArgument, hello => hello.Slots[0].Device = "abacus", "'abacus'");
        await RefusedAsync(StatusCode.InvalidArgument, hello => hello.Slots[0].Number = -1, "slot -1");
        await RefusedAsync(StatusCode.InvalidArgument, hello => hello.Host = new string('h', 10_000), "host");
        await RefusedAsync(StatusCode.InvalidArgument, hello => hello.InstanceId = "", "instance_id");
        await RefusedAsync(StatusCode.Unavailable, hello => hello.SeenEpoch = 99, "epoch 99");
        (await _coordinator.Workers.ListAsync(new Proto.ListWorkersRequest())).Workers.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_first_message_has_to_be_hello()
    {
        using (var agent = new FakeAgent(_coordinator))
        {
            await agent.SendAsync(new Proto.Status());
            (await Refused.With(StatusCode.InvalidArgument, agent.ReadAsync)).Status.Detail.ShouldContain("Status");
        }
        using (var agent = new FakeAgent(_coordinator))
        {
            await agent.CompleteAsync();
            await Refused.With(StatusCode.InvalidArgument, agent.ReadAsync);
        }
        using var silent = new FakeAgent(_coordinator);
        (await Refused.With(StatusCode.DeadlineExceeded, silent.ReadAsync)).Status.Detail.ShouldContain("No Hello");
    }

    [Fact]
    public async Task Messages_that_are_too_large_end_the_stream()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync();
        await agent.SendAsync(new Proto.AgentMessage { Rendezvous = new Proto.RendezvousValue { JobId = "a", Generation = 1, Key = "k", Value = ByteString.CopyFrom(new byte[100_000]) } });
        (await Refused.With(StatusCode.InvalidArgument, agent.ReadToEndAsync)).Status.Detail.ShouldContain("100,000 bytes");

        using var other = new FakeAgent(_coordinator);
        await other.JoinAsync("w2");
        try
        {
            await other.SendAsync(new Proto.AgentMessage { Rendezvous = new Proto.RendezvousValue { Value = ByteString.CopyFrom(new byte[5 << 20]) } });
        }
        catch (RpcException)
        {
            // The coordinator may hang up before it is sent; the stream tells why.
        }
        await Refused.With(StatusCode.ResourceExhausted, other.ReadToEndAsync);
    }

    [Fact]
    public async Task Telemetry_that_cannot_be_right_is_acknowledged_and_recorded_nowhere()
    {
        var job = await _coordinator.SubmitAsync(min: 2);
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync(slots: 1);
        var telemetry = new Proto.Telemetry { Sequence = 7 };
        telemetry.Items.Add(new Proto.TelemetryItem { JobId = "nothing", Member = 1, Generation = 1, Metric = new Proto.MetricPoint { Step = 1, WorldSize = 1 } });
        telemetry.Items.Add(new Proto.TelemetryItem { JobId = job.Id, Member = 1, Generation = 9, Metric = new Proto.MetricPoint { Step = 1, WorldSize = 1 } });
        telemetry.Items.Add(new Proto.TelemetryItem { JobId = job.Id, Member = 1, Generation = -1, Log = new Proto.LogText { Number = 1, Text = "x" } });
        telemetry.Items.Add(new Proto.TelemetryItem());
        await agent.SendAsync(telemetry);
        (await agent.ReadUntilAsync(message => message.TelemetryAck is not null)).TelemetryAck.Sequence.ShouldBe(7);
        using var metrics = _coordinator.Jobs.Metrics(new Proto.MetricsRequest { Job = job.Id });
        (await metrics.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeFalse();
    }

    [Fact]
    public async Task An_agent_is_told_the_id_of_the_storage()
    {
        using var agent = new FakeAgent(_coordinator);
        var welcome = await agent.JoinAsync();
        welcome.StorageId.ShouldNotBeEmpty();
        welcome.StorageId.ShouldBe((await File.ReadAllTextAsync(Path.Combine(_coordinator.DataFolder, "storage-id"))).Trim());
    }

    [Fact]
    public async Task A_job_goes_through_its_states_on_an_agent()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync(slots: 2);
        var job = await _coordinator.SubmitAsync();
        var lease = await PrepareAsync(agent);
        (await _coordinator.Corpora.ListAsync(new Proto.ListCorporaRequest())).Corpora.ShouldHaveSingleItem().Id.ShouldBe(lease.CorpusId);

        var ready = (await agent.ReadUntilAsync(message => message.Assignment is { Groups.Count: > 0 })).Assignment;
        ready.Epoch.ShouldBe(1);
        ready.Groups.ShouldHaveSingleItem().Plan.ShouldBeNull();
        ready.Groups[0].Members.Select(place => (place.Member, place.Slot)).ShouldBe([(1, 0), (2, 1)]);
        await agent.SendAsync(Running(ready, Proto.MemberPhase.Waiting));
        var assignment = (await agent.ReadUntilAsync(message => message.Assignment is { } one && one.Groups[0].Plan is not null)).Assignment;
        var group = assignment.Groups.ShouldHaveSingleItem();
        group.JobId.ShouldBe(job.Id);
        group.Plan.Members.ShouldBe([1, 2]);
        group.Plan.Generation.ShouldBe(1);
        group.Plan.StateSource.NewestCheckpoint.ShouldBeTrue();
        group.RunFolder.ShouldBe($"jobs/{job.Id}");
        group.CorpusFolder.ShouldBe("cache/corpus");
        await agent.SendAsync(Running(assignment, Proto.MemberPhase.Training));

        await agent.SendAsync(Steps(group, 1, 3));
        await agent.ReadUntilAsync(message => message.TelemetryAck is { Sequence: 3 });
        // Sent again, as after a reconnect.
        await agent.SendAsync(Steps(group, 1, 3));
        await agent.ReadUntilAsync(message => message.TelemetryAck is { Sequence: 3 });
        var details = await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = job.Id });
        details.Job.State.ShouldBe(Proto.JobState.Running);
        details.Job.CommittedStep.ShouldBe(3);
        details.LastMetrics.Step.ShouldBe(3);
        details.Ranks.Count.ShouldBe(2);

        var done = Running(assignment, Proto.MemberPhase.Ended);
        done.Groups[0].Members[0].Outcome = Proto.MemberOutcome.Finished;
        done.Groups[0].Members[0].Summary = """{"steps":1000,"parameters":5,"heldOutLoss":2.5,"heldOutPerplexity":12,"unigramPerplexity":80,"predictedTokens":9,"modelFolder":"x"}""";
        await agent.SendAsync(done);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var watch = _coordinator.Jobs.Watch(new Proto.WatchRequest { Job = job.Id });
        var events = await watch.ResponseStream.ReadAllAsync(patience.Token).ToListAsync(patience.Token);
        events[^1].Job.State.ShouldBe(Proto.JobState.Succeeded);
        events[^1].Job.CommittedStep.ShouldBe(1000);
        events[^1].Result.Parameters.ShouldBe(5);
        events[^1].Result.ModelFolder.ShouldBe($"models/{job.Id}");

        using var logs = _coordinator.Jobs.Logs(new Proto.LogsRequest { Job = job.Id, Follow = true });
        var lines = await logs.ResponseStream.ReadAllAsync(patience.Token).ToListAsync(patience.Token);
        lines.Select(line => line.Text).ShouldBe(["step 1", "step 2", "step 3"]);
        using var metrics = _coordinator.Jobs.Metrics(new Proto.MetricsRequest { Job = job.Id, AfterStep = 1 });
        (await metrics.ResponseStream.ReadAllAsync(patience.Token).ToListAsync(patience.Token)).Select(point => point.Step).ShouldBe([2L, 3]);
        var checkpoint = (await _coordinator.Jobs.CheckpointsAsync(new Proto.CheckpointsRequest { Job = job.Id })).Checkpoints.ShouldHaveSingleItem();
        checkpoint.Name.ShouldBe("l0000-g0001-s00000003");
    }

    [Fact]
    public async Task Ranks_on_two_workers_find_each_other_and_not_themselves()
    {
        using var one = new FakeAgent(_coordinator);
        await one.JoinAsync("w1", slots: 1);
        using var two = new FakeAgent(_coordinator);
        await two.JoinAsync("w2", slots: 1);
        await _coordinator.SubmitAsync(min: 2);
        // The first by name is asked to plan.
        await PrepareAsync(one);
        var first = (await one.ReadUntilAsync(message => message.Assignment is { Groups.Count: > 0 })).Assignment;
        var second = (await two.ReadUntilAsync(message => message.Assignment is { Groups.Count: > 0 })).Assignment;
        await one.SendAsync(Running(first, Proto.MemberPhase.Waiting));
        await two.SendAsync(Running(second, Proto.MemberPhase.Waiting));
        first = (await one.ReadUntilAsync(message => message.Assignment is { } told && told.Groups[0].Plan is not null)).Assignment;
        second = (await two.ReadUntilAsync(message => message.Assignment is { } told && told.Groups[0].Plan is not null)).Assignment;
        await one.SendAsync(Value(first.Groups[0], "from-one"));
        await two.SendAsync(Value(second.Groups[0], "from-two"));

        var seenByOne = (await one.ReadUntilAsync(message => message.Rendezvous is not null)).Rendezvous.Values;
        var seenByTwo = (await two.ReadUntilAsync(message => message.Rendezvous is not null)).Rendezvous.Values;
        seenByOne.ShouldHaveSingleItem().Key.ShouldBe("from-two");
        seenByTwo.ShouldHaveSingleItem().Value.ToStringUtf8().ShouldBe("value of from-one");
    }

    [Fact]
    public async Task Agents_are_told_when_the_coordinator_stops()
    {
        await using var other = await TestCoordinator.StartAsync();
        using var agent = new FakeAgent(other);
        await agent.JoinAsync();
        // How the connection ends after that is not for sure: the server closes it as soon as it may.
        var told = agent.ReadUntilAsync(message => message.Goodbye is not null);
        await other.Host.DisposeAsync();
        var goodbye = (await told).Goodbye;
        goodbye.Reason.ShouldContain("stopping");
        goodbye.Final.ShouldBeFalse();
    }

    internal static async Task<Proto.CorpusLease> PrepareAsync(FakeAgent agent)
    {
        var assignment = (await agent.ReadUntilAsync(message => message.Assignment is { Leases.Count: > 0 })).Assignment;
        var lease = assignment.Leases.ShouldHaveSingleItem();
        lease.Work.ShouldBe(Proto.CorpusWork.Plan);
        var totals = new Proto.ManifestResult { Documents = 1, Tokens = 100, VocabularySize = 300, Shards = 1 };
        await agent.SendAsync(new Proto.Status
        {
            AssignmentRevision = assignment.Revision,
            Leases =
            {
                new Proto.LeaseStatus
                {
                    LeaseId = lease.LeaseId,
                    CorpusId = lease.CorpusId,
                    Phase = Proto.LeasePhase.Done,
                    Plan = new Proto.PlanResult { Fingerprint = "f", Folder = "cache/corpus", Shards = 1, VocabularySize = 300, Existing = totals },
                },
            },
        });
        return lease;
    }

    private static Proto.Status Running(Proto.Assignment assignment, Proto.MemberPhase phase) => new()
    {
        AssignmentRevision = assignment.Revision,
        Groups =
        {
            assignment.Groups.Select(group => new Proto.GroupStatus
            {
                JobId = group.JobId,
                Members =
                {
                    group.Members.Select(place => new Proto.MemberStatus
                    {
                        Member = place.Member,
                        ProcessId = 100 + place.Member,
                        Phase = phase,
                        Generation = group.Plan?.Generation ?? 0,
                        AppliedStep = group.Plan is null ? 0 : 3,
                        HoldsState = group.Plan is not null,
                    }),
                },
            }),
        },
    };

    /// <summary>Its second member is killed; returns what it is told then.</summary>
    internal static async Task<Proto.CoordinatorMessage> FailAsync(FakeAgent agent, Proto.RankGroup group)
    {
        var status = Running(new Proto.Assignment { Groups = { group } }, Proto.MemberPhase.Training);
        status.Groups[0].Members[1] = new Proto.MemberStatus
        {
            Member = 2,
            Phase = Proto.MemberPhase.Ended,
            Outcome = Proto.MemberOutcome.Failed,
            Generation = 1,
            Failure = new Proto.RankFailure { ExitCode = 137, Signal = "SIGKILL", Reason = "was ended by SIGKILL", Step = 3 },
        };
        await agent.SendAsync(status);
        return await agent.ReadUntilAsync(message => message.Assignment is { } told && told.Groups[0].Plan.Generation == 2);
    }

    internal static async Task<Proto.Assignment> FormAsync(FakeAgent agent)
    {
        var ready = (await agent.ReadUntilAsync(message => message.Assignment is { Groups.Count: > 0 })).Assignment;
        await agent.SendAsync(Running(ready, Proto.MemberPhase.Waiting));
        var formed = (await agent.ReadUntilAsync(message => message.Assignment is { } told && told.Groups[0].Plan is not null)).Assignment;
        await agent.SendAsync(Running(formed, Proto.MemberPhase.Training));
        return formed;
    }

    internal static Proto.Telemetry Steps(Proto.RankGroup group, long first, long last)
    {
        var telemetry = new Proto.Telemetry { Sequence = last };
        for (var step = first; step <= last; step++)
        {
            telemetry.Items.Add(Item(group, item => item.Metric = new Proto.MetricPoint { Step = step, WorldSize = 2, Loss = 5.0 / step }));
            telemetry.Items.Add(Item(group, item => item.Log = new Proto.LogText { Number = step, Text = $"step {step}" }));
        }
        telemetry.Items.Add(Item(group, item => item.Checkpoint = new Proto.CheckpointWritten { Name = $"l0000-g0001-s{last:d8}", Step = last, Bytes = 10 }));
        return telemetry;
    }

    private static Proto.TelemetryItem Item(Proto.RankGroup group, Action<Proto.TelemetryItem> fill)
    {
        var item = new Proto.TelemetryItem { JobId = group.JobId, Member = 1, Lineage = group.Plan.Lineage, Generation = group.Plan.Generation };
        fill(item);
        return item;
    }

    private static Proto.AgentMessage Value(Proto.RankGroup group, string key) => new()
    {
        Rendezvous = new Proto.RendezvousValue
        {
            JobId = group.JobId,
            Lineage = group.Plan.Lineage,
            Generation = group.Plan.Generation,
            Key = key,
            Value = ByteString.CopyFromUtf8("value of " + key),
        },
    };

    private async Task RefusedAsync(StatusCode code, Action<Proto.Hello> change, string detail)
    {
        using var agent = new FakeAgent(_coordinator);
        var hello = FakeAgent.Hello();
        change(hello);
        await agent.SendAsync(hello);
        (await Refused.With(code, agent.ReadAsync)).Status.Detail.ShouldContain(detail);
    }
}
