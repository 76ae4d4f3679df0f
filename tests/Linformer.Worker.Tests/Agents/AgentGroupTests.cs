using System.Text.Json;
using Linformer.Worker.RankProtocol;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

[Trait("Lane", "Processes")]
public sealed class AgentGroupTests : AgentFixture
{
    private const string Name = "worker-1";

    [Fact]
    public async Task AnAssignmentStartsRanksAndTheirReportsArrive()
    {
        Start(Options("train") with { Address = "127.0.0.1", ListenAddress = "0.0.0.0" });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));

        var group = await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Ended);

        group.Outcome.ShouldBe(V1.GroupOutcome.Finished, group.ToString());
        group.Ranks.Select(rank => (rank.Rank, rank.AppliedStep)).ShouldBe([(0, 5L), (1, 5L)]);
        JsonSerializer.Deserialize<StartMessage>(group.Summary).ShouldBe(new StartMessage(
            0, 2, 0, 7, 1, """{"name":"brown ☃"}""", Folder, Path.Combine(Folder, "cache/corpora/0123"), Path.Combine(Folder, "jobs/brown-abcde"), Path.Combine(Folder, "models/brown-abcde"), "newest", "0.0.0.0", "127.0.0.1"));
        var metrics = await Coordinator.WaitAsync(Name, peer => peer.Metrics.Count() >= 5 ? peer.Metrics.ToList() : null);
        metrics.Select(item => item.Metric.Step).ShouldBe([1, 2, 3, 4, 5]);
        metrics.ShouldAllBe(item => item.JobId == "brown-abcde" && item.Generation == 7 && item.Rank == 0 && item.Metric.WorldSize == 2 && item.Metric.Generation == 7);
        (metrics[1].Metric.Loss, metrics[1].Metric.LearningRate, metrics[1].Metric.HasHeldOutLoss).ShouldBe((5.0, 1e-3, false));
        metrics[4].Metric.HeldOutLoss.ShouldBe(double.NaN);
        (await Coordinator.WaitAsync(Name, peer => peer.Telemetry.Values.FirstOrDefault(item => item.Checkpoint is not null)))
            .Checkpoint.Name.ShouldBe("l0000-g0001-s00000005");
        Directory.GetFiles(Path.Combine(Folder, "jobs/brown-abcde/logs")).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["g0007-rank-0.log", "g0007-rank-1.log"]);

        Coordinator.Assign(Name, assignment => assignment.Groups.Clear());
        await Coordinator.WaitAsync(Name, peer => peer.Status is { Groups.Count: 0, AssignmentRevision: 2 } status ? status : null);
    }

    [Fact]
    public async Task LogEventsSayWhichRankOfWhichJobTheyAreAbout()
    {
        Start(Options("train"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Ended);

        lock (Events)
        {
            var started = Events.Where(e => e.MessageTemplate.Text.Contains("started as process", StringComparison.Ordinal)).ToList();
            started.Select(e => e.Properties["Rank"].ToString()).ShouldBe(["0", "1"]);
            started.ShouldAllBe(e => e.Properties["JobId"].ToString() == "\"brown-abcde\"" && e.Properties["Lineage"].ToString() == "0" && e.Properties["Generation"].ToString() == "7");
            Events.ShouldContain(e => e.Properties.ContainsKey("Step") && e.Properties.ContainsKey("Rank") && e.Properties.ContainsKey("JobId"));
        }
    }

    [Fact]
    public async Task ADroppedConnectionDisturbsNoRank()
    {
        Start(Options("talks"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var before = await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Running && group.Ranks.Count == 2);

        await Coordinator.StopAsync();
        await Task.Delay(500);
        await Coordinator.StartAsync();

        await Coordinator.WaitAsync(Name, peer => peer.Hellos.Count >= 2 ? peer : null);
        lock (Coordinator.Of(Name))
        {
            var peer = Coordinator.Of(Name);
            peer.Hellos.Select(hello => hello.InstanceId).Distinct().ShouldHaveSingleItem();
            peer.Hellos.Select(hello => hello.SeenEpoch).ShouldBe([0, 3]);
            peer.Statuses.Clear();
        }

        var after = await Coordinator.WaitForGroupAsync(Name, _ => true);
        after.Ranks.Select(rank => rank.ProcessId).ShouldBe(before.Ranks.Select(rank => rank.ProcessId));
        after.Phase.ShouldBe(V1.GroupPhase.Running);
        after.Ranks.ShouldAllBe(rank => rank.AppliedStep == 7 && rank.HoldsState && !IsGone(rank.ProcessId));
    }

    [Fact]
    public async Task WhatWasNotAcknowledgedIsSentAgainUnderTheSameNumbers()
    {
        Coordinator.Acknowledges = false;
        Start(Options("crash,sleep"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitAsync(Name, peer => peer.Logs.Count() == 31 ? peer : null);

        Coordinator.Acknowledges = true;
        Coordinator.Drop(Name);

        var items = await Coordinator.WaitAsync(Name, peer => peer.Repeated >= 31 ? peer.Telemetry.ToList() : null);
        items.Select(item => item.Key).ShouldBe(Enumerable.Range(1, 31).Select(number => (long)number));
        items.Select(item => item.Value.Log.Number).ShouldBe(Enumerable.Range(1, 31).Select(number => (long)number));
        items.Select(item => item.Value.Log.Text).ShouldBe([.. Enumerable.Range(1, 30).Select(line => $"line {line} of the log"), "the last words"]);

        // What is acknowledged is not sent a third time.
        await Task.Delay(300);
        Coordinator.Drop(Name);
        await Coordinator.WaitAsync(Name, peer => peer.Hellos.Count == 3 ? peer : null);
        await Task.Delay(300);
        Coordinator.Of(Name).Repeated.ShouldBe(31);
    }

    [Fact]
    public async Task TooMuchTelemetryIsDroppedOldestFirstAndCounted()
    {
        await Coordinator.StopAsync();
        await Coordinator.StartAsync();
        Coordinator.Acknowledges = false;
        Start(Options("crash,sleep") with { TelemetryItems = 10 });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));

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
    public async Task AValueTooLargeForOtherWorkersEndsItsRank()
    {
        Start(Options("rendezvous-large"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));

        var ended = await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Ended);

        ended.Failures[0].Reason.ShouldContain("set the rendezvous key 'large' to 100000 bytes; allowed between workers are 65536");
    }

    [Fact]
    public async Task AKilledRankIsReportedWithItsSignalAndLastLines()
    {
        Start(Options("sleep,talks,sleep", slots: 3));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(worldSize: 3)));
        var running = await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Running && group.Ranks.Count == 3);

        Signal("KILL", running.Ranks[1].ProcessId);

        var ended = await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Ended);
        ended.Outcome.ShouldBe(V1.GroupOutcome.Failed);
        var failure = ended.Failures.ShouldHaveSingleItem();
        (failure.Rank, failure.ExitCode, failure.Signal, failure.Worker, failure.Generation, failure.Permanent, failure.PeerLost)
            .ShouldBe((1, 137, "SIGKILL", Name, 7, false, false));
        failure.LastLogLines.ShouldBe(["line 1", "line 2", "line 3"]);
        ended.Ranks.ShouldAllBe(rank => !rank.HoldsState && IsGone(rank.ProcessId));
    }

    [Fact]
    public async Task WhatIsNoLongerAssignedIsKilledAndTheNextGenerationWaitsForThat()
    {
        Start(Options("talks"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var first = await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Running && group.Ranks.Count == 2);

        Coordinator.Assign(Name, assignment =>
        {
            assignment.Groups.Clear();
            assignment.Groups.Add(Group(generation: 8));
        });

        var second = await Coordinator.WaitAsync(Name, peer => peer.Status!.Groups.SingleOrDefault(group => group.Generation == 8 && group.Phase == V1.GroupPhase.Running && peer.Status.Groups.Count == 1));
        first.Ranks.ShouldAllBe(rank => IsGone(rank.ProcessId));
        second.Ranks.ShouldAllBe(rank => !IsGone(rank.ProcessId));
    }

    [Fact]
    public async Task AStopEndsWithACheckpoint()
    {
        Start(Options("graceful"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Running && group.Ranks.All(rank => rank.AppliedStep == 1) && group.Ranks.Count == 2);

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Goal = V1.GroupGoal.Stop);

        (await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Ended)).Outcome.ShouldBe(V1.GroupOutcome.Stopped);
        await Coordinator.WaitAsync(Name, peer => peer.Telemetry.Values.FirstOrDefault(item => item.Checkpoint is not null));
    }

    [Fact]
    public async Task ARankThatStopsWithOthersIsNoFailure()
    {
        Start(Options("stops-with-others"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));

        (await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Ended)).Outcome.ShouldBe(V1.GroupOutcome.Stopped);
    }

    [Fact]
    public async Task AGroupThatIsToStopBeforeItStartedCountsAsStopped()
    {
        var stopped = Group();
        stopped.Goal = V1.GroupGoal.Stop;
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(stopped));
        Start(Options("train"));

        var group = await Coordinator.WaitForGroupAsync(Name, _ => true);

        (group.Phase, group.Outcome, group.Ranks.Count).ShouldBe((V1.GroupPhase.Ended, V1.GroupOutcome.Stopped, 0));
    }

    [Fact]
    public async Task OneThatLeavesStopsItsRanksAndSaysHowTheyEnded()
    {
        var (leave, running) = Start(Options("graceful"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForGroupAsync(Name, group => group.Ranks.Count == 2 && group.Ranks.All(rank => rank.AppliedStep == 1));

        await leave.CancelAsync();
        await running;

        var last = await Coordinator.WaitAsync(Name, peer => peer.Goodbyes == 1 ? peer.Status : null);
        last.Draining.ShouldBeTrue();
        last.Groups.ShouldHaveSingleItem().Outcome.ShouldBe(V1.GroupOutcome.Stopped);
        Coordinator.Of(Name).Telemetry.Values.Count(item => item.Checkpoint is not null).ShouldBe(2);
    }

    [Fact]
    public async Task OneThatLeavesDoesNotWaitForRanksForEver()
    {
        var (leave, running) = Start(Options("sleep") with { DrainTimeout = TimeSpan.FromMilliseconds(300) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var group = await Coordinator.WaitForGroupAsync(Name, group => group.Ranks.Count == 2);

        await leave.CancelAsync();
        await running;

        group.Ranks.ShouldAllBe(rank => IsGone(rank.ProcessId));
        (await Coordinator.WaitAsync(Name, peer => peer.Goodbyes == 1 ? peer.Status : null)).Groups[0].Failures[0].Reason.ShouldBe("was ended by its worker");
    }

    public static TheoryData<string, string, string> Nonsense => new()
    {
        { "runFolder", "../elsewhere", "is not a path inside the storage root" },
        { "runFolder", "/etc", "is not a path inside the storage root" },
        { "runFolder", ".", "is the storage root itself" },
        { "modelFolder", "a/../../b", "is not a path inside the storage root" },
        { "corpusFolder", "", "is not a path inside the storage root" },
        { "worldSize", "0", "The world size is 0" },
        { "worldSize", "2000000000", "The world size is 2000000000" },
        { "threads", "-1", "The threads of a rank are -1" },
        { "jobFile", "{\"name\":", "The job file is not JSON" },
        { "jobFile", "[]", "The job file is not a JSON object" },
        { "jobId", "../x", "is not a folder's name" },
        { "generation", "-7", "generation -7" },
        { "stateSource", "{\"survivors\":true}", "cannot take a generation's state" },
        { "stateSource", "{\"checkpoint\":\"../l0\"}", "is not a checkpoint's name" },
        { "ranks", "[{\"rank\":5,\"slot\":0}]", "The ranks 5" },
        { "ranks", "[{\"rank\":1,\"slot\":0},{\"rank\":1,\"slot\":1}]", "The ranks 1, 1" },
        { "ranks", "[]", "no rank for this worker" },
    };

    [Theory]
    [MemberData(nameof(Nonsense))]
    public async Task NonsenseIsReportedAsAFailure(string field, string value, string reason)
    {
        var json = System.Text.Json.Nodes.JsonNode.Parse(Google.Protobuf.JsonFormatter.Default.Format(Group()))!;
        json[field] = field is "stateSource" or "ranks" || int.TryParse(value, out _) ? System.Text.Json.Nodes.JsonNode.Parse(value) : value;
        var group = V1.RankGroup.Parser.ParseJson(json.ToJsonString());
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(group));
        Start(Options("train"));

        var ended = await Coordinator.WaitForGroupAsync(Name, status => status.Phase == V1.GroupPhase.Ended);

        ended.Outcome.ShouldBe(V1.GroupOutcome.Failed);
        ended.Failures.ShouldHaveSingleItem().Reason.ShouldStartWith("could not be started: ");
        ended.Failures[0].Reason.ShouldContain(reason);
        ended.Failures[0].Permanent.ShouldBeTrue();
        Directory.GetFileSystemEntries(Folder).ShouldBeEmpty();
    }

    [Fact]
    public async Task SlotsThatTheWorkerDoesNotHaveAreNoFaultOfTheJob()
    {
        Start(Options("train", slots: 1));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));

        var ended = await Coordinator.WaitForGroupAsync(Name, status => status.Phase == V1.GroupPhase.Ended);

        var failure = ended.Failures.ShouldHaveSingleItem();
        failure.Reason.ShouldBe("could not be started: The slots 0, 1 are not different ones of this worker's, 0 to 0.");
        failure.Permanent.ShouldBeFalse();
    }

    [Fact]
    public async Task RanksThatAreKilledBecauseTheyDoNotStopAreAPredicate()
    {
        Start(Options("sleep") with { StopTimeout = TimeSpan.FromMilliseconds(200) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForGroupAsync(Name, group => group.Ranks.Count == 2);

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Goal = V1.GroupGoal.Stop);

        var ended = await Coordinator.WaitForGroupAsync(Name, status => status.Phase == V1.GroupPhase.Ended);
        ended.Failures.ShouldHaveSingleItem().Reason.ShouldBe("did not stop within 0.2 s and was killed");
    }

    [Fact]
    public async Task ManyFailuresWithLongLogsFitIntoAStatus()
    {
        Start(Options("failed-with-long-lines", slots: 10));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(10)));

        var ended = await Coordinator.WaitForGroupAsync(Name, status => status.Phase == V1.GroupPhase.Ended);

        ended.Failures.Count.ShouldBeInRange(1, 8);
        ended.Failures[0].LastLogLines.Count.ShouldBe(20);
        ended.Failures[0].LastLogLines.ShouldAllBe(line => line == "😀" + new string('x', 497) + "…");
        ended.Failures[0].Reason.Length.ShouldBe(4000);
        ended.CalculateSize().ShouldBeLessThan(200_000);
    }

    [Fact]
    public async Task NoMoreThanEightTelemetryMessagesWaitForTheirAcknowledgement()
    {
        Coordinator.Acknowledges = false;
        Start(Options("steps-for-long"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));
        await Coordinator.WaitAsync(Name, peer => peer.TelemetryMessages == 8 ? peer : null);
        var later = Coordinator.Of(Name).Status!.Groups[0].Ranks[0].AppliedStep + 200;
        await Coordinator.WaitForGroupAsync(Name, group => group.Ranks[0].AppliedStep >= later);
        Coordinator.Of(Name).TelemetryMessages.ShouldBe(8);

        Coordinator.Acknowledges = true;
        Coordinator.Send(Name, new V1.CoordinatorMessage { TelemetryAck = new V1.TelemetryAck { Sequence = Coordinator.Of(Name).Telemetry.Keys.Last() } });

        await Coordinator.WaitAsync(Name, peer => peer.TelemetryMessages > 20 ? peer : null);
        Coordinator.Of(Name).Repeated.ShouldBe(0);
    }

    [Fact]
    public async Task AStatusHasAllThatItsAssignmentAsksFor()
    {
        Start(Options("train"));
        await Coordinator.WaitAsync(Name, peer => peer.Status);
        // A lease of no kind has failed at once, and is reported until it is no longer assigned.
        for (var revision = 1; revision <= 300; revision++)
        {
            Coordinator.Assign(Name, assignment =>
            {
                assignment.Leases.Clear();
                assignment.Leases.Add(new V1.CorpusLease { LeaseId = $"lease-{revision}", CorpusId = "c" });
            });
            await Coordinator.WaitAsync(Name, peer => peer.Status!.AssignmentRevision == revision ? peer : null);
        }

        lock (Coordinator.Of(Name))
        {
            Coordinator.Of(Name).Statuses.Where(status => status.AssignmentRevision > 0)
                .ShouldAllBe(status => status.Leases.Any(lease => lease.LeaseId == $"lease-{status.AssignmentRevision}"));
        }
    }

    [Fact]
    public async Task ARankProgramThatDoesNotExistIsAFailure()
    {
        Start(Options("x") with { RankProgram = ("/no/such/program", []) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));

        var ended = await Coordinator.WaitForGroupAsync(Name, status => status.Phase == V1.GroupPhase.Ended);

        ended.Failures[0].ExitCode.ShouldBe(127);
        ended.Failures[0].LastLogLines.ShouldContain(line => line.Contains("/no/such/program", StringComparison.Ordinal));
    }

    [Fact]
    public async Task TwoAgentsMeetThroughTheCoordinator()
    {
        Start(Options("rendezvous", "worker-1", 2));
        Start(Options("rendezvous", "worker-2", 1));
        Coordinator.Assign("worker-1", assignment => assignment.Groups.Add(Group(3, 7, "brown-abcde", 0, 2)));
        Coordinator.Assign("worker-2", assignment => assignment.Groups.Add(Group(3, 7, "brown-abcde", 1)));

        var first = await Coordinator.WaitForGroupAsync("worker-1", group => group.Phase == V1.GroupPhase.Ended);
        var second = await Coordinator.WaitForGroupAsync("worker-2", group => group.Phase == V1.GroupPhase.Ended);

        first.Summary.ShouldBe("""["host:0","host:1","host:2"]""");
        (first.Outcome, second.Outcome, second.Summary).ShouldBe((V1.GroupOutcome.Finished, V1.GroupOutcome.Finished, ""));
    }

    [Fact]
    public async Task RanksEndWithTheirAgentWhichNeverLoadsTorch()
    {
        var agent = StartProcess(Options("talks"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var group = await Coordinator.WaitForGroupAsync(Name, group => group.Phase == V1.GroupPhase.Running && group.Ranks.Count == 2);
        File.ReadAllText($"/proc/{agent.Id}/maps").ShouldNotContain("libtorch");

        Signal("KILL", agent.Id);

        foreach (var rank in group.Ranks)
        {
            await WaitUntilGoneAsync(rank.ProcessId);
        }
    }
}
