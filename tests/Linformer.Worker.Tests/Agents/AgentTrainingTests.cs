using System.Globalization;
using Linformer.Worker.Ranks;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>Agents with real ranks.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class AgentTrainingTests : AgentJobFixture
{
    [Fact]
    public async Task TwoAgentsTrainOneJobStopAndGoOnFromTheNewestCheckpoint()
    {
        MakeJob("steps: 100000, evaluateEvery: 1000000, checkpointEvery: 1000000");
        Start(Options(RankProgram.Argument, "worker-1", 1));
        Start(Options(RankProgram.Argument, "worker-2", 1));

        Assign(Plan(1, 1, 2), 1, 2);
        await WaitForStepAsync(3);
        await CheckSamplesAsync("worker-1", rank: 0);
        await CheckSamplesAsync("worker-2", rank: 1);
        Coordinator.Assign("worker-2", assignment => assignment.Groups[0].Goal = V1.GroupGoal.Stop);
        (await EndAsync("worker-1", 1)).Outcome.ShouldBe(V1.MemberOutcome.Stopped);
        (await EndAsync("worker-2", 2)).Outcome.ShouldBe(V1.MemberOutcome.Stopped);
        var checkpoint = (await Coordinator.WaitAsync("worker-1", peer => peer.Telemetry.Values.LastOrDefault(item => item.Checkpoint is not null))).Checkpoint;
        checkpoint.Bytes.ShouldBeGreaterThan(1000);
        Directory.Exists(Path.Combine(Folder, "jobs/tiny-abcde/checkpoints", checkpoint.Name)).ShouldBeTrue();

        Job = Job with { Training = Job.Training with { Steps = (int)checkpoint.Step + 2 } };
        Coordinator.Assign("worker-2", assignment => assignment.Groups.Clear());
        Assign(Plan(2, 3, 4), 3, 4);
        var first = await EndAsync("worker-1", 3);
        (await EndAsync("worker-2", 4)).Outcome.ShouldBe(V1.MemberOutcome.Finished);

        first.Outcome.ShouldBe(V1.MemberOutcome.Finished, first.ToString());
        var summary = RankSummary.FromJson(first.Summary);
        (summary.Steps, summary.ModelFolder).ShouldBe((checkpoint.Step + 2, "models/tiny-abcde"));
        var again = await Coordinator.WaitAsync("worker-1", peer => peer.Metrics.Where(item => item.Generation == 2).ToList() is { Count: >= 2 } metrics ? metrics : null);
        again.Select(item => item.Metric.Step).ShouldBe([checkpoint.Step + 1, checkpoint.Step + 2]);
        // Less than a second, and told at the end.
        var last = (await Coordinator.WaitAsync("worker-1", peer => peer.Samples.LastOrDefault(item => item.Generation == 2))).Sample;
        (last.Step, last.Steps, last.Member).ShouldBe((checkpoint.Step + 2, 2, 3));
        File.Exists(Path.Combine(Folder, "models/tiny-abcde/model.safetensors")).ShouldBeTrue();
        File.ReadAllText(Path.Combine(Folder, "jobs/tiny-abcde/logs/m0003.log"))
            .ShouldContain($" [tiny-abcde m3 l0 g2 r0 s{checkpoint.Step + 2}] Done after step {checkpoint.Step + 2}");
    }

    // Of the first two samples, of which the second begins where the first has ended.
    private async Task CheckSamplesAsync(string worker, int rank)
    {
        var items = await Coordinator.WaitAsync(worker, peer => peer.Samples.Take(2).ToList() is { Count: 2 } two ? two : null);
        items.ShouldAllBe(item => item.Generation == 1 && item.Rank == rank && item.Sample.Rank == rank && item.Sample.Member == rank + 1);
        var (first, second) = (items[0].Sample, items[1].Sample);
        second.Step.ShouldBe(first.Step + second.Steps);
        double[] phases =
        [
            second.DataMilliseconds, second.ForwardMilliseconds, second.BackwardMilliseconds, second.ReduceMilliseconds, second.UpdateMilliseconds, second.OtherMilliseconds,
        ];
        phases.ShouldAllBe(milliseconds => milliseconds > 0);
        (phases.Sum() * second.Steps).ShouldBeGreaterThanOrEqualTo(999);
        var process = Coordinator.Of(worker).Status!.Groups[0].Members[0].ProcessId;
        var pages = long.Parse((await File.ReadAllTextAsync($"/proc/{process}/statm")).Split(' ')[1], CultureInfo.InvariantCulture);
        ((double)second.MemoryBytes).ShouldBe(pages * Environment.SystemPageSize, 0.5 * second.MemoryBytes);
        second.PeakMemoryBytes.ShouldBeGreaterThanOrEqualTo(second.MemoryBytes);
        using var measured = new Measurements(worker);
        measured.Read();
        measured[$"shown linformer.worker.rank.memory job=tiny-abcde rank={rank}"].ShouldNotBeNull().ShouldBeGreaterThan(1 << 20);
    }

    [Fact]
    public async Task ALostRankCostsNoStepAndItsReplacementTakesOverTheState()
    {
        MakeJob("steps: 1000000, evaluateEvery: 1000000, checkpointEvery: 1000000");
        Start(Options(RankProgram.Argument, "worker-1", 1));
        Start(Options(RankProgram.Argument, "worker-2", 2));
        Assign(Plan(1, 2, 1), 1, 2);
        await WaitForStepAsync(5);
        // The replacement gets warm meanwhile.
        Coordinator.Assign("worker-2", assignment => assignment.Groups[0].Members.Add(new V1.MemberPlace { Member = 3, Slot = 1 }));
        var members = (await Coordinator.WaitForGroupAsync("worker-2", group => group.Members.Count == 2 && group.Members[1].Phase == V1.MemberPhase.Waiting)).Members;

        Signal("KILL", members[0].ProcessId);

        await Coordinator.WaitForGroupAsync("worker-2", group => group.Members[0].Phase == V1.MemberPhase.Ended);
        var survivor = (await Coordinator.WaitForMembersAsync("worker-1", 1, member => member.Phase == V1.MemberPhase.Waiting))[0];
        (survivor.HoldsState, survivor.Why.Length > 0).ShouldBe((true, true));
        var plan = Plan(2, 1);
        (plan.StateSource, plan.AtOnce, plan.CommittedStep) = (new V1.StateSource { Survivors = true }, true, survivor.AppliedStep);
        Replan(plan);
        await WaitForStepAsync(survivor.AppliedStep + 3);
        var both = Plan(3, 1, 3);
        (both.StateSource, both.CommittedStep) = (new V1.StateSource { Survivors = true }, survivor.AppliedStep + 3);
        Replan(both);
        await Coordinator.WaitForGroupAsync("worker-2", group => group.Members[1] is { Phase: V1.MemberPhase.Training, Generation: 3, HoldsState: true });
        var last = Steps().Max() + 5;
        await WaitForStepAsync(last);

        Steps().Distinct().ShouldBe(Enumerable.Range(1, (int)Steps().Max()).Select(step => (long)step));
    }

    [Fact]
    public async Task AJobThatCannotBeTrainedFailsForGood()
    {
        MakeJob("steps: 10");
        Start(Options(RankProgram.Argument, "worker-1", 1));
        Coordinator.Assign("worker-1", assignment => assignment.Groups.Add(Of(Plan(1, 1), """{"name":"tiny","steps":1}""", 1)));

        var ended = await EndAsync("worker-1", 1);

        ended.Failure.Permanent.ShouldBeTrue();
        ended.Failure.Reason.ShouldContain("steps");
        File.ReadAllText(Path.Combine(Folder, "jobs/tiny-abcde/logs/m0001.log")).ShouldContain(" Training failed: ");
    }
}
