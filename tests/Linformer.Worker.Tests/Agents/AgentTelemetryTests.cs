using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>What is to be recorded, and how it gets to a coordinator that comes and goes.</summary>
[Trait("Lane", "Processes")]
public sealed class AgentTelemetryTests : AgentFixture
{
    private const string Name = "worker-1";

    [Fact]
    public async Task MetricsCheckpointsAndLogLinesSayWhereTheyComeFrom()
    {
        const string Own = "worker-metrics";
        using var measured = new Measurements(Own);
        Start(Options("train,crash", Own) with { MachineInterval = TimeSpan.FromMilliseconds(10) });
        Coordinator.Assign(Own, assignment => assignment.Groups.Add(Group()));

        var metrics = await Coordinator.WaitAsync(Own, peer => peer.Metrics.Count() >= 5 ? peer.Metrics.ToList() : null);
        metrics.Select(item => item.Metric.Step).ShouldBe([1, 2, 3, 4, 5]);
        metrics.ShouldAllBe(item => item.JobId == "brown-abcde" && item.Generation == 7 && item.Rank == 0 && item.Member == 1 && item.Metric.WorldSize == 2 && item.Metric.Generation == 7);
        (metrics[1].Metric.Loss, metrics[1].Metric.LearningRate, metrics[1].Metric.HasHeldOutLoss).ShouldBe((5.0, 1e-3, false));
        metrics[4].Metric.HeldOutLoss.ShouldBe(double.NaN);
        var checkpoint = await Coordinator.WaitAsync(Own, peer => peer.Telemetry.Values.FirstOrDefault(item => item.Checkpoint is not null));
        (checkpoint.Checkpoint.Name, checkpoint.Generation, checkpoint.Member).ShouldBe(("l0000-g0001-s00000005", 1, 1));
        // Neither that with a time that is no number, nor that of a generation that the rank was not told of.
        var sample = await Coordinator.WaitAsync(Own, peer => peer.Samples.SingleOrDefault());
        (sample.JobId, sample.Lineage, sample.Generation, sample.Rank, sample.Member).ShouldBe(("brown-abcde", 0, 7, 0, 1));
        var expected = new V1.RankSample
        {
            Generation = 7,
            Member = 1,
            Step = 5,
            Steps = 5,
            DataMilliseconds = 20,
            ForwardMilliseconds = 40,
            BackwardMilliseconds = 60,
            ReduceMilliseconds = 80,
            UpdateMilliseconds = 10,
            OtherMilliseconds = 30,
            MemoryBytes = 3 << 20,
            PeakMemoryBytes = 4 << 20,
            At = sample.At,
        };
        sample.Sample.ShouldBe(expected);
        var lines = await Coordinator.WaitAsync(Own, peer => peer.Logs.Count() == 31 ? peer.Logs.ToList() : null);
        lines.ShouldAllBe(item => item.Member == 2 && item.Rank == 1 && item.Generation == 7);

        await Coordinator.WaitForMembersAsync(Own, 2, member => member.Phase == V1.MemberPhase.Ended);
        CheckMeasured(measured);
    }

    // The seconds and tokens of the one good sample, which is of five steps; nothing is left of the ranks that have ended.
    private static void CheckMeasured(Measurements measured)
    {
        measured.Read();
        measured.Repeated.ShouldBeEmpty();
        (measured["shown linformer.worker.steps job=brown-abcde rank=0"], measured["shown linformer.worker.steps job=brown-abcde rank=1"]).ShouldBe((5, null));
        measured["shown linformer.worker.tokens job=brown-abcde rank=0"].ShouldBe(1000);
        (string Phase, double Seconds)[] phases = [("data", 0.1), ("forward", 0.2), ("backward", 0.3), ("reduce", 0.4), ("update", 0.05), ("other", 0.15)];
        foreach (var (phase, seconds) in phases)
        {
            measured[$"shown linformer.worker.step.time job=brown-abcde rank=0 phase={phase}"].ShouldBe(seconds);
            measured[$"linformer.worker.step.duration phase={phase}"].ShouldBe(seconds / 5);
        }

        (measured["shown linformer.worker.rank.starts job=brown-abcde"], measured["shown linformer.worker.rank.failures job=brown-abcde"]).ShouldBe((2, 1));
        measured["linformer.worker.coordinator.reconnections"].ShouldBeNull();
        (measured["shown linformer.worker.ranks phase=training"], measured["shown linformer.worker.ranks phase=starting"]).ShouldBe((0, 0));
        (measured["shown linformer.worker.coordinator.connected"], measured["shown linformer.worker.telemetry.lost kind=sample"]).ShouldBe((1, 0));
        measured["shown linformer.worker.rank.memory job=brown-abcde rank=0"].ShouldBeNull();
        measured["shown linformer.worker.processor.utilization"].ShouldNotBeNull().ShouldBeInRange(0, 1);
        measured["shown linformer.worker.storage.free"].ShouldNotBeNull().ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task ALineBeforeTheFirstGenerationHasNoRank()
    {
        Start(Options("sleep") with { RankProgram = ("sh", ["-c", "echo hello >&2; sleep 60"]) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));

        var line = await Coordinator.WaitAsync(Name, peer => peer.Logs.FirstOrDefault());

        (line.Member, line.Generation, line.Rank, line.Log.Number, line.Log.Text).ShouldBe((1, 0, -1, 1, "hello"));
    }

    [Fact]
    public async Task ADroppedConnectionDisturbsNoRank()
    {
        Start(Options("talks") with { MachineInterval = TimeSpan.FromMilliseconds(50) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var before = await Coordinator.WaitForMembersAsync(Name, 2, member => member.AppliedStep == 7);

        await Coordinator.StopAsync();
        await WaitForEventAsync("No connection with the coordinator");
        await Coordinator.StartAsync();

        await Coordinator.WaitAsync(Name, peer => peer.Hellos.Count >= 2 ? peer : null);
        lock (Coordinator.Of(Name))
        {
            var peer = Coordinator.Of(Name);
            peer.Hellos.Select(hello => hello.InstanceId).Distinct().ShouldHaveSingleItem();
            peer.Hellos.Select(hello => hello.SeenEpoch).ShouldBe([0, 3]);
            peer.Statuses.Clear();
        }

        var after = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Training);
        after.Select(member => member.ProcessId).ShouldBe(before.Select(member => member.ProcessId));
        after.ShouldAllBe(member => member.AppliedStep == 7 && member.HoldsState && !IsGone(member.ProcessId));

        // How busy the machine is comes with the heartbeat, not by itself.
        var loads = await Coordinator.WaitAsync(Name, peer => peer.Statuses.Where(status => status.Load is not null).Select(status => status.Load).ToList() is { Count: >= 2 } some ? some : null);
        loads.ShouldAllBe(load => load.Processors > 0 && load.UsedMemoryBytes > 0 && load.UsedMemoryBytes < load.MemoryBytes && load.FreeStorageBytes > 0);
    }

    [Fact]
    public async Task NothingIsLostWhileTheCoordinatorIsAway()
    {
        // A rank steps, another one writes its log and ends; all of it after the coordinator has gone.
        Start(Options("steps,late-crash"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group([1], Plan(7, 1))));
        await Coordinator.WaitForMembersAsync(Name, 1, member => member.AppliedStep > 10);
        await Coordinator.StopAsync();
        var before = Coordinator.Of(Name).Metrics.Max(item => item.Metric.Step);
        await Task.Delay(1500);

        await Coordinator.StartAsync();

        var steps = await Coordinator.WaitAsync(Name, peer => peer.Metrics.Select(item => item.Metric.Step).ToList() is { } known && known.Max() > before + 150 ? known : null);
        steps.ShouldBe(Enumerable.Range(1, steps.Count).Select(step => (long)step));
        Coordinator.Of(Name).Status!.LostMetricPoints.ShouldBe(0);
    }

    [Fact]
    public async Task WhatWasNotAcknowledgedIsSentAgainUnderTheSameNumbers()
    {
        Coordinator.Acknowledges = false;
        Start(Options("crash,sleep"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group([1], Plan(7, 1))));
        await Coordinator.WaitAsync(Name, peer => peer.Logs.Count() == 31 ? peer : null);

        Coordinator.Acknowledges = true;
        Coordinator.Drop(Name);

        var items = await Coordinator.WaitAsync(Name, peer => peer.Repeated >= 31 ? peer.Telemetry.ToList() : null);
        items.Select(item => item.Key).ShouldBe(Enumerable.Range(1, 31).Select(number => (long)number));
        items.Select(item => item.Value.Log.Number).ShouldBe(Enumerable.Range(1, 31).Select(number => (long)number));
        items.Select(item => item.Value.Log.Text).ShouldBe([.. Enumerable.Range(1, 30).Select(line => $"line {line} of the log"), "the last words"]);

        // What is acknowledged is not sent a third time. The acknowledgement is on its way for a moment.
        await Task.Delay(2000);
        Coordinator.Drop(Name);
        await Coordinator.WaitAsync(Name, peer => peer.Hellos.Count == 3 ? peer : null);
        await Task.Delay(300);
        Coordinator.Of(Name).Repeated.ShouldBe(31);
    }

    [Fact]
    public async Task TooMuchTelemetryIsDroppedOldestFirstAndCounted()
    {
        Coordinator.Acknowledges = false;
        Start(Options("crash,sleep") with { TelemetryItems = 10 });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group([1], Plan(7, 1))));

        var status = await Coordinator.WaitAsync(Name, peer => peer.Status is { LostLogLines: 21 } status ? status : null);
        status.LostMetricPoints.ShouldBe(0);
        lock (Coordinator.Of(Name))
        {
            Coordinator.Of(Name).Telemetry.Clear();
        }

        Coordinator.Drop(Name);
        var kept = await Coordinator.WaitAsync(Name, peer => peer.Logs.Any(item => item.Log.Number == 31) ? peer.Logs.ToList() : null);
        kept.Select(item => item.Log.Number).ShouldBe(Enumerable.Range(22, 10).Select(number => (long)number));
    }

    [Fact]
    public async Task ACheckpointIsKeptWhenMetricsAreDropped()
    {
        Coordinator.Acknowledges = false;
        Start(Options("checkpoint-and-noise") with { TelemetryItems = 5 });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));
        await Coordinator.WaitAsync(Name, peer => peer.Status is { LostMetricPoints: 45, LostLogLines: 0 } status ? status : null);
        lock (Coordinator.Of(Name))
        {
            Coordinator.Of(Name).Telemetry.Clear();
        }

        Coordinator.Drop(Name);

        var kept = await Coordinator.WaitAsync(Name, peer => peer.Telemetry.Count == 5 ? peer.Telemetry.ToList() : null);
        kept.Select(item => item.Key).ShouldBe([1, 47, 48, 49, 50]);
        var checkpoint = kept[0].Value.Checkpoint;
        (checkpoint.Name, checkpoint.Step, checkpoint.Bytes).ShouldBe(("l0000-g0001-s00000001", 1, 2));
        checkpoint.Deleted.ShouldBe(["l0000-g0001-s00000000"]);
    }

    [Fact]
    public async Task NoMoreThanEightTelemetryMessagesWaitForTheirAcknowledgement()
    {
        Coordinator.Acknowledges = false;
        Start(Options("steps-for-long"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));
        await Coordinator.WaitAsync(Name, peer => peer.TelemetryMessages == 8 ? peer : null);
        var later = Coordinator.Of(Name).Status!.Groups[0].Members[0].AppliedStep + 200;
        await Coordinator.WaitForMembersAsync(Name, 1, member => member.AppliedStep >= later);
        Coordinator.Of(Name).TelemetryMessages.ShouldBe(8);

        Coordinator.Acknowledges = true;
        Coordinator.Send(Name, new V1.CoordinatorMessage { TelemetryAck = new V1.TelemetryAck { Sequence = Coordinator.Of(Name).Telemetry.Keys.Last() } });

        await Coordinator.WaitAsync(Name, peer => peer.TelemetryMessages > 20 ? peer : null);
        Coordinator.Of(Name).Repeated.ShouldBe(0);
    }
}
