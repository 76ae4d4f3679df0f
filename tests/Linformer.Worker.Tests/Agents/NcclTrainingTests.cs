using Linformer.Model.SafeTensors;
using Linformer.Protocol;
using Linformer.Worker.Local;
using Linformer.Worker.Machines;
using Linformer.Worker.Ranks;
using Linformer.Worker.Tests.Local;
using Serilog.Core;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>Real ranks over the double of NCCL: the same binding, host memory.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class NcclTrainingTests : AgentJobFixture
{
    [Fact]
    public async Task ThreeRanksGetTheWeightsThatGlooGives()
    {
        var job = SmallJob.Create(Folder, "steps: 20, evaluateEvery: 10, checkpointEvery: 10");
        await TrainAsync(job with { Name = "gloo" }, (TestRank, [RankProgram.Argument]));
        await TrainAsync(job with { Name = "nccl" }, OverNccl());
        await TrainAsync(job with { Name = "short", Training = job.Training with { Steps = 1, WarmupSteps = 1, EvaluateEvery = 1, CheckpointEvery = 1 } }, (TestRank, [RankProgram.Argument]));

        File.ReadAllText(Path.Combine(Folder, "jobs/nccl/logs/rank-0.log")).ShouldContain(" is ready on cpu with NCCL 2.27.3: ");
        File.ReadAllText(Path.Combine(Folder, "jobs/gloo/logs/rank-0.log")).ShouldContain(" is ready on cpu with Gloo: ");
        var (gloo, nccl, early) = (Weights("gloo"), Weights("nccl"), Weights("short"));
        nccl.Length.ShouldBe(gloo.Length);
        // The two sum three numbers in another order, which rounds the sum by up to 2^-23 of it. The optimizer divides a gradient by
        // its own size, so a weight whose gradient is mostly rounding may go another way: what all of them differ by is small
        // against what all of them have moved.
        var moved = Distance(gloo, early);
        var between = Distance(gloo, nccl);
        moved.ShouldBeGreaterThan(0.01);
        between.ShouldBeLessThan(moved * 1e-5);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ARankThatIsKilledCostsNoStepAndTheJobGetsToItsEnd(bool silent)
    {
        MakeJob("steps: 1000000, evaluateEvery: 1000000, checkpointEvery: 1000000");
        // A collective takes a while, so that the kill comes in the middle of one.
        string[] settings = ["NCCL_DOUBLE_DELAY_MS=20", .. silent ? ["NCCL_DOUBLE_SILENT_PEERS=1"] : Array.Empty<string>()];
        for (var worker = 1; worker <= 3; worker++)
        {
            Start(Options("", $"worker-{worker}", 1) with { RankProgram = OverNccl(settings) });
        }

        Assign(Plan(1, 1, 2, 3), 1, 2, 3);
        await WaitForStepAsync(3);
        var victim = (await Coordinator.WaitForMembersAsync("worker-2", 1, member => member.ProcessId > 0))[0].ProcessId;

        Signal("KILL", victim);

        await Coordinator.WaitForGroupAsync("worker-2", group => group.Members[0].Phase == V1.MemberPhase.Ended);
        if (!silent)
        {
            foreach (var name in new[] { "worker-1", "worker-3" })
            {
                var left = (await Coordinator.WaitForMembersAsync(name, 1, member => member.Phase == V1.MemberPhase.Waiting))[0];
                left.HoldsState.ShouldBeTrue();
                left.Why.ShouldContain("remote process exited or there was a network error");
            }
        }

        // Where the library hears nothing of the loss, this order is what ends the wait.
        var applied = Steps().Max();
        Replan(Survivors(2, applied, 1, 3));
        await WaitForStepAsync(applied + 3);
        Coordinator.Assign("worker-1", assignment => assignment.Groups[0].Goal = V1.GroupGoal.Stop);
        (await EndAsync("worker-1", 1)).Outcome.ShouldBe(V1.MemberOutcome.Stopped);
        (await EndAsync("worker-3", 3)).Outcome.ShouldBe(V1.MemberOutcome.Stopped);
        Steps().Distinct().ShouldBe(Enumerable.Range(1, (int)Steps().Max()).Select(step => (long)step));
        await FinishAsync(Steps().Max() + 3);
    }

    [Fact]
    public async Task WithoutAGpuInTheBuildARankSaysSo()
    {
        MakeJob("steps: 10");
        var gpu = new Gpu("GPU-1", "a GPU", 1);
        Start(Options(RankProgram.Argument, "worker-1", 1) with { Gpus = [gpu] });
        Assign(Plan(1, 1), 1);

        var ended = await EndAsync("worker-1", 1);

        ended.Outcome.ShouldBe(V1.MemberOutcome.Failed);
        ended.Failure.Reason.ShouldContain("this build has no GPU support: ./linformer build --feed nuget --torch cuda");
        ended.Failure.Permanent.ShouldBeFalse();
    }

    [Theory]
    [InlineData("LINFORMER_PROCESS_GROUP=mpi", "LINFORMER_PROCESS_GROUP is 'mpi'; allowed are gloo and nccl.")]
    [InlineData("NCCL_DOUBLE_VERSION=22501", "NCCL is of version 2.25.1; at least 2.26.2 is needed.")]
    [InlineData("NCCL_DOUBLE_GPUS=0", "no GPU can be used: no CUDA-capable device is detected (CUDA 100)")]
    [InlineData("LINFORMER_NCCL_LIBRARY=/nowhere/libnccl.so.2", "NCCL cannot be loaded: /nowhere/libnccl.so.2")]
    public async Task WhatIsMissingIsTheReasonOfTheFailure(string setting, string reason)
    {
        MakeJob("steps: 10");
        Start(Options("", "worker-1", 1) with { RankProgram = OverNccl(setting) });
        Assign(Plan(1, 1), 1);

        (await EndAsync("worker-1", 1)).Failure.Reason.ShouldContain(reason);
    }

    [Theory]
    [InlineData("cudaEventQuery=700", "the GPU has failed, and this process cannot use it any more: cudaEventQuery: an illegal memory access was encountered (CUDA 700)")]
    [InlineData("cudaStreamCreateWithFlags=700", "GPU 0 cannot be used: cudaStreamCreateWithFlags: an illegal memory access was encountered (CUDA 700)")]
    public async Task AGpuThatFailsEndsItsRankAndNoOther(string failure, string reason)
    {
        MakeJob("steps: 1000000, evaluateEvery: 1000000, checkpointEvery: 1000000");
        Start(Options("", "worker-1", 1) with { RankProgram = OverNccl() });
        Start(Options("", "worker-2", 1) with { RankProgram = OverNccl($"NCCL_DOUBLE_FAIL={failure}") });
        Assign(Plan(1, 1, 2), 1, 2);

        var ended = await EndAsync("worker-2", 2);
        ended.Outcome.ShouldBe(V1.MemberOutcome.Failed);
        ended.Failure.Reason.ShouldContain(reason);
        ended.Failure.Permanent.ShouldBeFalse();

        // The other one goes on alone.
        var alone = Plan(2, 1);
        alone.AtOnce = true;
        Replan(alone);
        await WaitForStepAsync(3);
    }

    // The state of those who stopped is in a checkpoint.
    private async Task FinishAsync(long steps)
    {
        Job = Job with { Training = Job.Training with { Steps = (int)steps } };
        foreach (var name in new[] { "worker-1", "worker-2", "worker-3" })
        {
            Coordinator.Assign(name, assignment => assignment.Groups.Clear());
        }

        Assign(Plan(3, 4, 5, 6), 4, 5, 6);
        (await EndAsync("worker-3", 6)).Outcome.ShouldBe(V1.MemberOutcome.Finished);
        var first = await EndAsync("worker-1", 4);
        first.Outcome.ShouldBe(V1.MemberOutcome.Finished, first.ToString());
        RankSummary.FromJson(first.Summary).Steps.ShouldBe(steps);
    }

    private static V1.GenerationPlan Survivors(int generation, long committed, params int[] members)
    {
        var plan = Plan(generation, members);
        (plan.StateSource, plan.AtOnce, plan.CommittedStep) = (new V1.StateSource { Survivors = true }, true, committed);
        return plan;
    }

    private static (string Command, IReadOnlyList<string> Arguments) OverNccl(params string[] settings) => (
        "/usr/bin/env",
        [.. NcclDouble.Double.Variables.Select(variable => $"{variable.Key}={variable.Value}"), "LINFORMER_PROCESS_GROUP=nccl", .. settings, TestRank, RankProgram.Argument]);

    private Task<LocalTrainingResult> TrainAsync(JobFile job, (string Command, IReadOnlyList<string> Arguments) program) => new LocalTraining(
        new LocalTrainingOptions { RankProgram = program, StorageRoot = Folder, Ranks = 3 }, new SilentObserver(), Logger.None).RunAsync(job, CancellationToken.None);

    private float[] Weights(string job)
    {
        using var file = SafeTensorsFile.Open(Path.Combine(Folder, "models", job, "model.safetensors"));
        return [.. file.Tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal).SelectMany(tensor =>
        {
            var values = new float[tensor.Shape.Aggregate(1L, (all, size) => all * size)];
            file.ReadInto(tensor.Name, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
            return values;
        })];
    }

    private static double Distance(float[] a, float[] b) => Math.Sqrt(a.Zip(b, (x, y) => ((double)x - y) * ((double)x - y)).Sum());
}
