using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Linformer.Worker.TestRank;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>Members from their assignment to the report of their end.</summary>
[Trait("Lane", "Processes")]
public sealed class AgentGroupTests : AgentFixture
{
    private const string Name = "worker-1";

    public static TheoryData<string, string, string> Nonsense => new()
    {
        { "runFolder", "../elsewhere", "is not a path inside the storage root" },
        { "runFolder", "/etc", "is not a path inside the storage root" },
        { "runFolder", ".", "is the storage root itself" },
        { "modelFolder", "a/../../b", "is not a path inside the storage root" },
        { "corpusFolder", "", "There is no corpus folder" },
        { "threads", "-1", "The threads of a rank are -1" },
        { "jobFile", "{\"name\":", "The job file is not JSON" },
        { "jobFile", "[]", "The job file is not a JSON object" },
        { "jobId", "../x", "is not a folder's name" },
        { "members", "[{\"member\":-1,\"slot\":0}]", "The members -1 are not different numbers from 1 on" },
    };

    public static TheoryData<string, string, string> ImpossibleGenerations => new()
    {
        { "lineage", "-1", "Lineage -1" },
        { "members", "[]", "The world size is 0" },
        { "members", "[1,1]", "The members 1, 1 are not different" },
        { "stateSource", "{}", "cannot take a generation's state from 'None'" },
        { "committedStep", "-1", "The committed step -1" },
        { "skippedSteps", "[0]", "The steps to skip are 0" },
        { "lineageLimits", "[5]", "Lineage 0 has the limits 5" },
    };

    [Fact]
    public async Task AStorageThatIsUnmountedIsNotTheJobsFault()
    {
        var id = Path.Combine(Folder, "storage-id");
        Coordinator.StorageId = "0123";
        await File.WriteAllTextAsync(id, "0123");
        Start(Options("needs-storage", slots: 1));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(members: 1)));
        await Coordinator.WaitForMembersAsync(Name, 1, member => member.Phase == V1.MemberPhase.Training);

        Directory.Delete(Path.Combine(Folder, "jobs"), recursive: true);
        File.Delete(id);
        var lost = $"the storage at {Folder} is not the cluster's any more: its file storage-id is not there";
        var failed = (await Coordinator.WaitForMembersAsync(Name, 1, member => member.Phase == V1.MemberPhase.Ended)).Single().Failure;
        (failed.Permanent, failed.Reason).ShouldBe((false, $"failed: the corpus is gone; {lost}"));
        (await Coordinator.WaitAsync(Name, peer => peer.Status)).Unfit.ShouldBe(lost);

        Coordinator.Assign(Name, assignment =>
        {
            assignment.Groups.Clear();
            assignment.Groups.Add(Group([2], Plan(8, 2)));
        });
        var next = (await Coordinator.WaitForMembersAsync(Name, 1, member => member is { Member: 2, Phase: V1.MemberPhase.Ended })).Single().Failure;
        (next.Permanent, next.Reason).ShouldBe((false, $"could not be started: {lost}"));
        // Nothing may be written into the folder on which the storage was mounted.
        Directory.Exists(Path.Combine(Folder, "jobs")).ShouldBeFalse();

        await File.WriteAllTextAsync(id, "0123");
        await Coordinator.WaitAsync(Name, peer => peer.Status is { Unfit: "" } status ? status : null);
    }

    [Fact]
    public async Task AnAssignmentStartsMembersAndTheirReportsArrive()
    {
        Start(Options("train") with { Address = "127.0.0.1", ListenAddress = "0.0.0.0" });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));

        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Ended);

        members.Select(member => (member.Member, member.Outcome, member.AppliedStep, member.Generation, member.HoldsState))
            .ShouldBe([(1, V1.MemberOutcome.Finished, 5L, 7, false), (2, V1.MemberOutcome.Finished, 5L, 7, false)]);
        members.ShouldAllBe(member => member.StepMilliseconds == 250 && IsGone(member.ProcessId));
        // Whoever did not write the model has it from rank 0, and may be the only one left to tell.
        JsonSerializer.Deserialize<Told>(members[1].Summary)!.Join.Rank.ShouldBe(1);
        var told = JsonSerializer.Deserialize<Told>(members[0].Summary)!;
        (told.Start.Member, told.Start.Threads, told.Start.JobJson, told.Start.ListenAddress, told.Start.AdvertisedAddress)
            .ShouldBe((1, 1, """{"name":"brown ☃"}""", "0.0.0.0", "127.0.0.1"));
        (told.Start.StorageRoot, told.Start.CorpusFolder, told.Start.RunFolder, told.Start.ModelFolder)
            .ShouldBe((Folder, Path.Combine(Folder, "cache/corpora/0123"), Path.Combine(Folder, "jobs/brown-abcde"), Path.Combine(Folder, "models/brown-abcde")));
        (told.Join.Rank, told.Join.WorldSize, told.Join.MustHold, told.Join.UntilStep).ShouldBe((0, 2, false, null));
        Directory.GetFiles(Path.Combine(Folder, "jobs/brown-abcde/logs")).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["m0001.log", "m0002.log"]);

        Coordinator.Assign(Name, assignment => assignment.Groups.Clear());
        await Coordinator.WaitAsync(Name, peer => peer.Status is { Groups.Count: 0, AssignmentRevision: 2 } status ? status : null);
    }

    [Fact]
    public async Task LogEventsSayWhichRankOfWhichJobTheyAreAbout()
    {
        Start(Options("train"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Ended);

        lock (Events)
        {
            var joined = Events.Where(e => e.MessageTemplate.Text.Contains("goes on from step", StringComparison.Ordinal)).ToList();
            joined.Select(e => e.Properties["Rank"].ToString()).Order().ShouldBe(["0", "1"]);
            joined.ShouldAllBe(e => e.Properties["JobId"].ToString() == "\"brown-abcde\"" && e.Properties["Lineage"].ToString() == "0" && e.Properties["Generation"].ToString() == "7");
            Events.ShouldContain(e => e.Properties.ContainsKey("Step") && e.Properties.ContainsKey("Rank") && e.Properties.ContainsKey("JobId"));
        }
    }

    [Fact]
    public async Task AKilledMemberIsReportedWithItsSignalAndLastLinesAndTheOthersGoOn()
    {
        Start(Options("talks", slots: 3));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(members: 3)));
        var running = await Coordinator.WaitForMembersAsync(Name, 3, member => member.AppliedStep == 7);

        Signal("KILL", running[1].ProcessId);

        // What the log still has may be told a moment after the end.
        var members = (await Coordinator.WaitForGroupAsync(Name, group => group.Members[1] is { Phase: V1.MemberPhase.Ended, Failure.LastLogLines.Count: > 2 })).Members;
        members[1].Outcome.ShouldBe(V1.MemberOutcome.Failed);
        var failure = members[1].Failure;
        (failure.Member, failure.Rank, failure.ExitCode, failure.Signal, failure.Worker, failure.Generation, failure.Step, failure.Permanent, failure.PeerLost)
            .ShouldBe((2, 1, 137, "SIGKILL", Name, 7, 7, false, false));
        failure.LastLogLines.ShouldBe(["line 1", "line 2", "line 3"]);
        await Task.Delay(500);
        var others = Coordinator.Of(Name).Status!.Groups[0].Members.Where(member => member.Member != 2).ToList();
        others.ShouldAllBe(member => member.Phase == V1.MemberPhase.Training && member.HoldsState && !IsGone(member.ProcessId));
    }

    [Fact]
    public async Task AMemberThatHasEndedIsForgottenOnceItIsNotAssignedAndNeverStartedAgain()
    {
        Start(Options("crash,talks"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForGroupAsync(Name, group => group.Members[0].Phase == V1.MemberPhase.Ended);
        var first = Group().Members[0];
        Coordinator.Assign(Name, assignment => assignment.Groups[0].Members.RemoveAt(0));
        await Coordinator.WaitForMembersAsync(Name, 1, member => member.Member == 2);

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Members.Add(first));

        var again = (await Coordinator.WaitForGroupAsync(Name, group => group.Members.Count == 2)).Members[0];
        (again.Member, again.Phase, again.Outcome, again.ProcessId).ShouldBe((1, V1.MemberPhase.Ended, V1.MemberOutcome.Failed, 0));
        again.Failure.Reason.ShouldBe("has ended before and is not started again");
    }

    [Fact]
    public async Task WhatIsNoLongerAssignedIsKilledAndTheNextInItsSlotWaitsForThat()
    {
        Start(Options("talks"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var first = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Training);

        Coordinator.Assign(Name, assignment =>
        {
            assignment.Groups.Clear();
            assignment.Groups.Add(Group([3, 4], Plan(8, 3, 4)));
        });

        var second = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Member >= 3 && member.Phase == V1.MemberPhase.Training);
        first.ShouldAllBe(member => IsGone(member.ProcessId));
        second.ShouldAllBe(member => !IsGone(member.ProcessId));
    }

    [Fact]
    public async Task AStopEndsWithACheckpoint()
    {
        Start(Options("graceful"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForMembersAsync(Name, 2, member => member.AppliedStep == 1);

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Goal = V1.GroupGoal.Stop);

        await Coordinator.WaitForMembersAsync(Name, 2, member => member is { Phase: V1.MemberPhase.Ended, Outcome: V1.MemberOutcome.Stopped });
        await Coordinator.WaitAsync(Name, peer => peer.Telemetry.Values.FirstOrDefault(item => item.Checkpoint is not null));
        lock (Coordinator.Of(Name))
        {
            Coordinator.Of(Name).Statuses.ShouldContain(status => status.Groups.Any(group => group.Members.Any(member => member.Phase == V1.MemberPhase.Stopping)));
        }
    }

    [Fact]
    public async Task ARankThatStopsWithOthersIsNoFailure()
    {
        Start(Options("stops-with-others"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));

        await Coordinator.WaitForMembersAsync(Name, 2, member => member is { Phase: V1.MemberPhase.Ended, Outcome: V1.MemberOutcome.Stopped });
    }

    [Fact]
    public async Task AMemberThatIsToStopBeforeItStartedCountsAsStopped()
    {
        var stopped = Group();
        stopped.Goal = V1.GroupGoal.Stop;
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(stopped));
        Start(Options("train"));

        await Coordinator.WaitForMembersAsync(Name, 2, member => member is { Phase: V1.MemberPhase.Ended, Outcome: V1.MemberOutcome.Stopped, ProcessId: 0 });
    }

    [Theory]
    [InlineData("sleep", @"^did not stop within 0\.\d s and was killed$")]
    [InlineData("waits", "^did not stop within 2 s and was killed$")] // one that says that it waits has ten times as long
    public async Task MembersThatDoNotStopAreKilled(string program, string reason)
    {
        Start(Options(program) with { StopTimeout = TimeSpan.FromMilliseconds(200) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Training && (program == "sleep" || member.AppliedStep == 3));
        // The pulse that says that it waits comes a moment later.
        await Task.Delay(program == "waits" ? 2000 : 0);

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Goal = V1.GroupGoal.Stop);

        var ended = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Ended);
        foreach (var member in ended)
        {
            member.Failure.Reason.ShouldMatch(reason);
        }
    }

    [Fact]
    public async Task WhatHappensToAProcessAfterItsJobIsNoFailure()
    {
        Start(Options("crash-after-its-job"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));

        await Coordinator.WaitForMembersAsync(Name, 1, member => member is { Phase: V1.MemberPhase.Ended, Outcome: V1.MemberOutcome.Finished, Failure: null });
    }

    [Theory]
    [MemberData(nameof(Nonsense))]
    public async Task NonsenseIsReportedAsAFailure(string field, string value, string reason)
    {
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Altered(Group(1), field, value)));
        Start(Options("train"));

        var member = (await Coordinator.WaitForMembersAsync(Name, 1, member => member.Phase == V1.MemberPhase.Ended))[0];

        member.Outcome.ShouldBe(V1.MemberOutcome.Failed);
        member.Failure.Reason.ShouldStartWith("could not be started: ");
        member.Failure.Reason.ShouldContain(reason);
        member.Failure.Permanent.ShouldBeTrue();
        Directory.GetFileSystemEntries(Folder).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("jobs", ".")]
    [InlineData("jobs/brown-abcde", ".")]
    [InlineData("jobs/brown-abcde/logs", ".")]
    [InlineData("jobs/brown-abcde/logs/m0001.log", "secret")]
    [InlineData("jobs/brown-abcde/checkpoints", ".")]
    [InlineData("models", ".")]
    [InlineData("cache/corpora", ".")]
    public async Task ALinkOutOfTheStorageRootIsNotFollowed(string link, string target)
    {
        var outside = Directory.CreateTempSubdirectory("linformer-outside-");
        try
        {
            await File.WriteAllTextAsync(Path.Combine(outside.FullName, "secret"), "secret");
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(Folder, link))!);
            File.CreateSymbolicLink(Path.Combine(Folder, link), Path.Combine(outside.FullName, target));
            Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));
            Start(Options("train"));

            var member = (await Coordinator.WaitForMembersAsync(Name, 1, member => member.Phase == V1.MemberPhase.Ended))[0];

            member.Failure.Permanent.ShouldBeTrue();
            member.Failure.Reason.ShouldContain($"a symbolic link leads out of the storage root {Folder}, to {outside.FullName}");
            Directory.GetFileSystemEntries(outside.FullName).ShouldHaveSingleItem();
            (await File.ReadAllTextAsync(Path.Combine(outside.FullName, "secret"))).ShouldBe("secret");
        }
        finally
        {
            outside.Delete(recursive: true);
        }
    }

    [Theory]
    [MemberData(nameof(ImpossibleGenerations))]
    public async Task AGenerationThatIsNotPossibleEndsItsMembers(string field, string value, string reason)
    {
        Start(Options("steps"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));
        await Coordinator.WaitForMembersAsync(Name, 1, member => member.AppliedStep > 3);

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Plan = Altered(Plan(8, 1), field, value));

        var failure = (await Coordinator.WaitForMembersAsync(Name, 1, member => member.Phase == V1.MemberPhase.Ended))[0].Failure;
        failure.Reason.ShouldStartWith("was told of a generation that is not possible: ");
        failure.Reason.ShouldContain(reason);
    }

    [Fact]
    public async Task SlotsThatTheWorkerDoesNotHaveAreNoFaultOfTheJob()
    {
        Start(Options("train", slots: 1));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));

        await Coordinator.WaitForMembersAsync(Name, 2, member => member is
        {
            Failure: { Permanent: false, Reason: "could not be started: The slots 0, 1 are not different ones of this worker's, 0 to 0." },
        });
    }

    [Fact]
    public async Task FailuresWithLongLogsFitIntoAStatus()
    {
        Start(Options("failed-with-long-lines"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(2)));

        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Ended && member.Failure.LastLogLines.Count == 20);

        members[0].Failure.LastLogLines.ShouldAllBe(line => line == "😀" + new string('x', 497) + "…");
        members[0].Failure.Reason.Length.ShouldBe(4000);
        members[0].CalculateSize().ShouldBeLessThan(25_000);
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

        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Failure?.LastLogLines.Count > 0);

        members.ShouldAllBe(member => member.Failure.ExitCode == 127);
        members[0].Failure.LastLogLines.ShouldContain(line => line.Contains("/no/such/program", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RanksEndWithTheirAgentWhichNeverLoadsTorch(bool stopped)
    {
        var agent = StartProcess(Options("talks"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Training);
        File.ReadAllText($"/proc/{agent.Id}/maps").ShouldNotContain("libtorch");
        if (stopped)
        {
            Signal("STOP", members[0].ProcessId);
            Signal("STOP", members[1].ProcessId);
        }

        Signal("KILL", agent.Id);

        foreach (var member in members)
        {
            await WaitUntilGoneAsync(member.ProcessId);
        }
    }

    private static T Altered<T>(T message, string field, string value)
        where T : IMessage<T>, new()
    {
        var json = JsonNode.Parse(JsonFormatter.Default.Format(message))!;
        json[field] = field is "stateSource" or "members" or "skippedSteps" or "lineageLimits" || int.TryParse(value, out _) ? JsonNode.Parse(value) : value;
        return new MessageParser<T>(() => new T()).ParseJson(json.ToJsonString());
    }
}
