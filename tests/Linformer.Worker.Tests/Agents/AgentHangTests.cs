using Linformer.Worker.Agents;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>Ranks that hang, and those that only seem to.</summary>
[Trait("Lane", "Processes")]
public sealed class AgentHangTests : AgentFixture
{
    private const string Name = "worker-1";

    [Fact]
    public async Task AStoppedRankIsKilledAndTheOthersGoOn()
    {
        Start(Options("steps"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.AppliedStep > 3);

        Signal("STOP", members[1].ProcessId);

        var ended = (await Coordinator.WaitForGroupAsync(Name, group => group.Members[1].Phase == V1.MemberPhase.Ended)).Members;
        var failure = ended[1].Failure;
        failure.Reason.ShouldMatch(@"^did not respond for [\d.]+ s \(usual step [\d.]+ m?s\) and was killed by its worker$");
        (failure.Signal, failure.Permanent, failure.Rank, failure.Member).ShouldBe(("SIGKILL", false, 1, 2));
        (ended[0].Phase, IsGone(members[1].ProcessId)).ShouldBe((V1.MemberPhase.Training, true));
    }

    [Fact]
    public async Task ARankWhoseTrainingThreadSpinsIsKilledAndOneThatWaitsForItIsNot()
    {
        Start(Options("spins,waits") with { Watchdog = new WatchdogOptions { Stall = TimeSpan.FromSeconds(1), StallIntervals = 1 } });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));

        var ended = (await Coordinator.WaitForGroupAsync(Name, group => group.Members.Count == 2 && group.Members[0].Phase == V1.MemberPhase.Ended)).Members;
        ended[0].Failure.Reason.ShouldMatch(@"^got no further for [\d.]+ s \(usual step [\d.]+ m?s\) and was killed by its worker$");
        await Task.Delay(2000);
        var other = Coordinator.Of(Name).Status!.Groups[0].Members[1];
        (other.Phase, IsGone(other.ProcessId)).ShouldBe((V1.MemberPhase.Training, false));
    }

    [Fact]
    public async Task AnAgentThatStoodStillItselfKillsNobody()
    {
        var agent = StartProcess(Options("steps,waits"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group()));
        var members = await Coordinator.WaitForMembersAsync(Name, 2, member => member.AppliedStep >= 3);

        Signal("STOP", agent.Id);
        await Task.Delay(4000);
        Signal("CONT", agent.Id);

        var step = Coordinator.Of(Name).Status!.Groups[0].Members[0].AppliedStep;
        await Coordinator.WaitForGroupAsync(Name, group => group.Members[0].AppliedStep > step + 300);
        Coordinator.Of(Name).Status!.Groups[0].Members.ShouldAllBe(member => member.Phase == V1.MemberPhase.Training);
        members.ShouldAllBe(member => !IsGone(member.ProcessId));
    }

    [Fact]
    public async Task ARankThatDoesNotEndAfterItsLastWordIsKilledAndHasFinished()
    {
        Start(Options("does-not-end") with { Watchdog = new WatchdogOptions { Farewell = TimeSpan.FromSeconds(1), Stall = TimeSpan.FromMinutes(5) } });
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));

        await Coordinator.WaitForMembersAsync(Name, 1, member => member is { Phase: V1.MemberPhase.Ended, Outcome: V1.MemberOutcome.Finished });
    }

    [Fact]
    public async Task ARankThatIsNotReadyYetHasTime()
    {
        Start(Options("never-ready"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));
        var member = (await Coordinator.WaitForMembersAsync(Name, 1, member => member.ProcessId > 0))[0];

        await Task.Delay(3000);

        Coordinator.Of(Name).Status!.Groups[0].Members[0].Phase.ShouldBe(V1.MemberPhase.Starting);
        IsGone(member.ProcessId).ShouldBeFalse();
    }
}
