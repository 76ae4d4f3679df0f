using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>Members and the generations that they form.</summary>
[Trait("Lane", "Processes")]
public sealed class AgentGenerationTests : AgentFixture
{
    private const string Name = "worker-1";

    [Fact]
    public async Task MembersWaitUntilThereIsAGenerationAndGoFromOneToTheNextWithTheirState()
    {
        Start(Options("steps"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group([1, 2], plan: null)));
        var waiting = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Waiting);
        waiting.ShouldAllBe(member => member.Generation == 0 && !member.HoldsState);

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Plan = Plan(3, 2));
        var alone = (await Coordinator.WaitForGroupAsync(Name, group => group.Members[1].AppliedStep > 3)).Members;
        (alone[0].Phase, alone[0].Generation).ShouldBe((V1.MemberPhase.Waiting, 0));
        (alone[1].Phase, alone[1].Generation, alone[1].HoldsState, alone[1].StepMilliseconds).ShouldBe((V1.MemberPhase.Training, 3, true, 5));

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Plan = Plan(4, 2, 1));
        await Coordinator.WaitForMembersAsync(Name, 2, member => member is { Phase: V1.MemberPhase.Training, Generation: 4, HoldsState: true });
        Coordinator.Assign(Name, assignment => assignment.Groups[0].Plan = Plan(5, 1));
        var last = await Coordinator.WaitForGroupAsync(Name, group => group.Members[0].Generation == 5 && group.Members[1].Phase == V1.MemberPhase.Waiting);

        (last.Members[1].Generation, last.Members[1].HoldsState, last.Members[1].Why).ShouldBe((4, true, ""));
        last.Members.Select(member => member.ProcessId).ShouldBe(waiting.Select(member => member.ProcessId));
        var metrics = await Coordinator.WaitAsync(Name, peer => peer.Metrics.Any(item => item.Generation == 5) ? peer.Metrics.ToList() : null);
        metrics.Select(item => (item.Generation, item.Member, item.Rank, item.Metric.Generation, item.Metric.WorldSize)).Distinct()
            .ShouldBe([(3, 2, 0, 3, 1), (4, 2, 0, 4, 2), (5, 1, 0, 5, 1)]);
    }

    [Fact]
    public async Task ABrokenGenerationIsToldWithItsReasonAndTheNextOneClearsIt()
    {
        Start(Options("breaks:5"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(2, generation: 1)));

        var broken = await Coordinator.WaitForMembersAsync(Name, 2, member => member.Phase == V1.MemberPhase.Waiting && member.Generation == 1);
        broken.ShouldAllBe(member => member.Why == "lost rank 1: the connection was closed" && member.HoldsState && member.AppliedStep == 5 && member.BadLoss == null);

        Coordinator.Assign(Name, assignment =>
        {
            assignment.Groups[0].Plan = Plan(2, 2);
            assignment.Groups[0].Plan.StateSource = new V1.StateSource { Survivors = true };
            assignment.Groups[0].Plan.CommittedStep = 5;
        });
        var next = (await Coordinator.WaitForGroupAsync(Name, group => group.Members[1].AppliedStep > 6)).Members;
        (next[1].Phase, next[1].Generation, next[1].Why).ShouldBe((V1.MemberPhase.Training, 2, ""));
        (next[0].Phase, next[0].Generation).ShouldBe((V1.MemberPhase.Waiting, 1));
    }

    [Fact]
    public async Task ABadLossIsToldWithItsStep()
    {
        Start(Options("bad-loss:4"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));
        var member = (await Coordinator.WaitForMembersAsync(Name, 1, member => member.BadLoss is not null))[0];
        (member.Phase, member.BadLoss.Step, member.BadLoss.Reason, member.AppliedStep).ShouldBe((V1.MemberPhase.Waiting, 4, "the loss is NaN", 3));

        Coordinator.Assign(Name, assignment =>
        {
            var plan = assignment.Groups[0].Plan = Plan(8, 1);
            plan.Lineage = 1;
            plan.SkippedSteps.Add(4);
            plan.LineageLimits.Add(3);
        });

        var done = (await Coordinator.WaitForMembersAsync(Name, 1, member => member.Phase == V1.MemberPhase.Ended))[0];
        (done.Outcome, done.Lineage, done.Generation, done.BadLoss).ShouldBe((V1.MemberOutcome.Finished, 1, 8, null));
    }

    [Fact]
    public async Task AStopOfAMemberThatWaitsLetsItJoinTheGenerationThatStopsTogether()
    {
        Start(Options("breaks:5,steps"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(2, generation: 1)));
        await Coordinator.WaitForGroupAsync(Name, group => group.Members[0].Why.Length > 0);

        Coordinator.Assign(Name, assignment =>
        {
            assignment.Groups[0].Plan = Plan(2, 1, 2);
            assignment.Groups[0].Goal = V1.GroupGoal.Stop;
        });

        await Coordinator.WaitForMembersAsync(Name, 2, member => member is { Phase: V1.MemberPhase.Ended, Outcome: V1.MemberOutcome.Stopped, Generation: 2 });
        var checkpoint = await Coordinator.WaitAsync(Name, peer => peer.Telemetry.Values.FirstOrDefault(item => item.Checkpoint is not null));
        (checkpoint.Member, checkpoint.Generation).ShouldBe((1, 2));
        // The order to stop comes after the one to join, and the stand-in takes a step as soon as it has joined.
        checkpoint.Checkpoint.Step.ShouldBeInRange(5, 6);
    }

    [Fact]
    public async Task TwoAgentsMeetThroughTheCoordinator()
    {
        Start(Options("rendezvous", "worker-1", 2));
        Start(Options("rendezvous", "worker-2", 1));
        Coordinator.Assign("worker-1", assignment => assignment.Groups.Add(Group([1, 3], Plan(7, 1, 2, 3))));
        Coordinator.Assign("worker-2", assignment => assignment.Groups.Add(Group([2], Plan(7, 1, 2, 3))));

        var first = await Coordinator.WaitForMembersAsync("worker-1", 2, member => member.Phase == V1.MemberPhase.Ended);
        var second = await Coordinator.WaitForMembersAsync("worker-2", 1, member => member.Phase == V1.MemberPhase.Ended);

        first[0].Summary.ShouldBe("""["host:0","host:1","host:2"]""");
        (first[0].Outcome, first[1].Outcome, second[0].Outcome)
            .ShouldBe((V1.MemberOutcome.Finished, V1.MemberOutcome.Finished, V1.MemberOutcome.Finished));
    }

    [Fact]
    public async Task WhatWasPublishedIsToldAgainAfterAReconnectUnlessItsGenerationIsOver()
    {
        // No other agent sets its part, so the ranks wait.
        Start(Options("rendezvous,steps"));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group([1, 2], Plan(7, 1, 9))));
        await Coordinator.WaitAsync(Name, peer => peer.Rendezvous.Count == 1 ? peer : null);
        Coordinator.Drop(Name);

        var values = await Coordinator.WaitAsync(Name, peer => peer.Rendezvous.Count == 2 ? peer.Rendezvous : null);
        values.ShouldAllBe(value => value.JobId == "brown-abcde" && value.Generation == 7 && value.Key == "address/0");

        Coordinator.Assign(Name, assignment => assignment.Groups[0].Plan = Plan(8, 2));
        await Coordinator.WaitForGroupAsync(Name, group => group.Members[1].AppliedStep > 1);
        Coordinator.Drop(Name);
        await Coordinator.WaitAsync(Name, peer => peer.Hellos.Count == 3 ? peer : null);
        await Task.Delay(300);
        Coordinator.Of(Name).Rendezvous.Count.ShouldBe(2);
    }

    [Theory]
    [InlineData("rendezvous-large", "set the rendezvous key 'large' to 100000 bytes; allowed between workers are 65536")]
    [InlineData("rendezvous-elsewhere", "used the rendezvous key 'key' of generation 8, which it was not told to join")]
    public async Task AValueThatItMayNotSetEndsItsRank(string mode, string reason)
    {
        Start(Options(mode));
        Coordinator.Assign(Name, assignment => assignment.Groups.Add(Group(1)));

        (await Coordinator.WaitForMembersAsync(Name, 1, member => member.Phase == V1.MemberPhase.Ended))[0].Failure.Reason.ShouldBe(reason);
    }
}
