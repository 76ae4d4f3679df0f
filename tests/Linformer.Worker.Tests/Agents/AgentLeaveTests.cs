using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>A worker that leaves hands its members over.</summary>
[Trait("Lane", "Processes")]
public sealed class AgentLeaveTests : AgentFixture
{
    private const string Name = "worker-1";

    [Fact]
    public async Task OneThatLeavesKeepsItsMembersUntilTheyAreMovedAway()
    {
        var (leave, running) = Start(Options("steps") with { DrainTimeout = TimeSpan.FromSeconds(60) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForMembersAsync(Name, 2, member => member.AppliedStep > 3);

        await leave.CancelAsync();
        var leaving = await Coordinator.WaitAsync(Name, peer => peer.Status is { Draining: true } status ? status : null);
        var step = leaving.Groups[0].Members[0].AppliedStep;
        await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Training && member.AppliedStep > step + 50);

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Plan = Plan(8, 5));
        await Coordinator.WaitForMembersAsync(Name, 2, member => member is { Phase: V1.MemberPhase.Waiting, Generation: 7, HoldsState: true });
        Coordinator.Assign(Name, assignment => assignment.Groups.Clear());

        await running;
        var last = await Coordinator.WaitAsync(Name, peer => peer.Goodbyes == 1 ? peer.Status : null);
        (last.Draining, last.Groups.Count).ShouldBe((true, 0));
    }

    [Fact]
    public async Task MembersThatStopForALeavingWorkerAreReportedBeforeItGoes()
    {
        var (leave, running) = Start(Options("steps"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForMembersAsync(Name, 2, member => member.AppliedStep > 3);
        await leave.CancelAsync();
        await Coordinator.WaitAsync(Name, peer => peer.Status is { Draining: true } status ? status : null);

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Goal = V1.GroupGoal.Stop);

        await running;
        var last = await Coordinator.WaitAsync(Name, peer => peer.Goodbyes == 1 ? peer.Status : null);
        last.Groups.ShouldHaveSingleItem().Members.ShouldAllBe(member => member.Outcome == V1.MemberOutcome.Stopped);
        Coordinator.Of(Name).Telemetry.Values.ShouldContain(item => item.Checkpoint != null);
    }

    [Fact]
    public async Task OneThatLeavesStartsNothing()
    {
        var (leave, _) = Start(Options("steps"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group([1], Plan(7, 1))));
        await Coordinator.WaitForMembersAsync(Name, 1, member => member.AppliedStep > 3);
        await leave.CancelAsync();
        await Coordinator.WaitAsync(Name, peer => peer.Status is { Draining: true } status ? status : null);

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Members.Add(new V1.MemberPlace { Member = 2, Slot = 1 }));

        var added = (await Coordinator.WaitForGroupAsync(Name, group => group.Members.Count == 2)).Members[1];
        (added.Phase, added.Outcome, added.ProcessId).ShouldBe((V1.MemberPhase.Ended, V1.MemberOutcome.Stopped, 0));
    }

    [Fact]
    public async Task WhenTheCoordinatorIsAwayTheMembersOfALeavingWorkerWriteACheckpoint()
    {
        var (leave, running) = Start(Options("steps") with { DrainTimeout = TimeSpan.FromSeconds(60), DrainPatience = TimeSpan.FromSeconds(1) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.AppliedStep > 3);
        await Coordinator.StopAsync();

        await leave.CancelAsync();
        foreach (var member in members)
        {
            await WaitUntilGoneAsync(member.ProcessId);
        }

        // It waits a little for somebody to tell.
        await Coordinator.StartAsync();
        await running;
        var last = await Coordinator.WaitAsync(Name, peer => peer.Goodbyes == 1 ? peer.Status : null);
        last.Groups[0].Members.ShouldAllBe(member => member.Outcome == V1.MemberOutcome.Stopped);
        Coordinator.Of(Name).Telemetry.Values.ShouldContain(item => item.Checkpoint != null);
    }

    [Fact]
    public async Task MembersThatNobodyMovesAreStoppedBeforeTheTimeIsOver()
    {
        var (leave, running) = Start(Options("steps") with { DrainTimeout = TimeSpan.FromSeconds(6) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        await Coordinator.WaitForMembersAsync(Name, 2, member => member.AppliedStep > 3);

        await leave.CancelAsync();
        await running;

        (await Coordinator.WaitAsync(Name, peer => peer.Goodbyes == 1 ? peer.Status : null))
            .Groups[0].Members.ShouldAllBe(member => member.Outcome == V1.MemberOutcome.Stopped);
    }

    [Fact]
    public async Task OneThatIsRefusedAsItLeavesHasLeftWell()
    {
        var (leave, running) = Start(Options("steps") with { DrainTimeout = TimeSpan.FromSeconds(60) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.AppliedStep > 3);
        await leave.CancelAsync();
        await Coordinator.WaitAsync(Name, peer => peer.Status is { Draining: true } status ? status : null);

        Coordinator.Send(Name, new V1.CoordinatorMessage { Goodbye = new V1.Goodbye { Reason = "another worker has the name", Final = true } });

        await running;
        members.ShouldAllBe(member => IsGone(member.ProcessId));
        await WaitForEventAsync("did not want this worker any more as it left");
    }

    [Fact]
    public async Task OneThatLeavesDoesNotWaitForMembersForEver()
    {
        var (leave, running) = Start(Options("sleep") with { DrainTimeout = TimeSpan.FromMilliseconds(300) });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Training);

        await leave.CancelAsync();
        await running;

        members.ShouldAllBe(member => IsGone(member.ProcessId));
        (await Coordinator.WaitAsync(Name, peer => peer.Goodbyes == 1 ? peer.Status : null))
            .Groups[0].Members.ShouldAllBe(member => member.Failure.Reason == "was ended by its worker");
    }
}
