using Linformer.Worker.Machines;
using Linformer.Worker.Tests.Agents;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Machines;

/// <summary>The double reads settings of the whole process, so its tests run one after the other, and nothing else meanwhile.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class NvmlCollection
{
    public const string Name = "NVML";
}

/// <summary>A machine with GPUs, until the tests of the class are over: later ones of this process are on one without.</summary>
public sealed class GpuMachine : IDisposable
{
    public GpuMachine() => NcclDouble.Double.Use();

    public void Dispose() => NcclDouble.Double.Leave();
}

[Collection(NvmlCollection.Name)]
public sealed class NvmlTests : AgentFixture, IClassFixture<GpuMachine>
{
    [Fact]
    public void TheGpusOfTheMachineAreFound()
    {
        using var two = NcclDouble.Double.With("NCCL_DOUBLE_GPUS", "2");
        using var nvml = Nvml.Open();
        nvml.Gpus().ShouldBe(
        [
            new Gpu("GPU-00000000-1111-2222-3333-000000000000", "Double of a GPU", 24L << 30, Bfloat16: true),
            new Gpu("GPU-00000000-1111-2222-3333-000000000001", "Double of a GPU", 24L << 30, Bfloat16: true),
        ]);
    }

    [Fact]
    public void AGpuOfAnotherContainerIsLeftOut()
    {
        using var two = NcclDouble.Double.With("NCCL_DOUBLE_GPUS", "2");
        using var forbidden = NcclDouble.Double.With("NCCL_DOUBLE_FORBIDDEN_GPU", "0");
        using var nvml = Nvml.Open();
        nvml.Gpus().ShouldHaveSingleItem().Uuid.ShouldEndWith("-000000000001");
    }

    [Fact]
    public void AReadingTellsMemoryTemperatureAndUtilization()
    {
        using var memory = NcclDouble.Double.With("NCCL_DOUBLE_MEMORY_USED", "123456789012");
        using var temperature = NcclDouble.Double.With("NCCL_DOUBLE_TEMPERATURE", "71");
        using var utilization = NcclDouble.Double.With("NCCL_DOUBLE_UTILIZATION", "98");
        using var nvml = Nvml.Open();
        var uuid = nvml.Gpus()[0].Uuid;
        nvml.Read(uuid).ShouldBe(new GpuReading(123456789012, 71, 98));
        nvml.Read("GPU-of-another-machine").ShouldBeNull();

        using (NcclDouble.Double.With("NCCL_DOUBLE_FAIL", "nvmlDeviceGetTemperature=3"))
        {
            nvml.Read(uuid).ShouldBe(new GpuReading(123456789012, 0, 98));
        }

        using (NcclDouble.Double.With("NCCL_DOUBLE_FAIL", "nvmlDeviceGetMemoryInfo=15"))
        {
            nvml.Read(uuid).ShouldBeNull();
        }
    }

    [Fact]
    public void AGpuThatDoesNotTellItsMemoryIsAGpu()
    {
        using var without = NcclDouble.Double.With("NCCL_DOUBLE_FAIL", "nvmlDeviceGetMemoryInfo=3");
        using var nvml = Nvml.Open();
        var gpu = nvml.Gpus().ShouldHaveSingleItem();
        gpu.MemoryBytes.ShouldBe(0);
        nvml.Read(gpu.Uuid).ShouldBe(new GpuReading(0, 40, 0));
    }

    [Theory]
    [InlineData("75", false)]
    [InlineData("80", true)]
    [InlineData("89", true)]
    [InlineData("120", true)]
    public void AGpuHasBfloat16FromComputeCapability8On(string capability, bool expected)
    {
        using var chosen = NcclDouble.Double.With("NCCL_DOUBLE_CAPABILITY", capability);
        using var nvml = Nvml.Open();
        nvml.Gpus().ShouldHaveSingleItem().Bfloat16.ShouldBe(expected);

        using var silent = NcclDouble.Double.With("NCCL_DOUBLE_FAIL", "nvmlDeviceGetCudaComputeCapability=999");
        nvml.Gpus().ShouldHaveSingleItem().Bfloat16.ShouldBeFalse();
    }

    [Fact]
    public void WhatIsWrongIsSaid()
    {
        using (NcclDouble.Double.With("NCCL_DOUBLE_FAIL", "nvmlInit_v2=9"))
        {
            Should.Throw<GpuException>(Nvml.Open).Message.ShouldBe("nvmlInit_v2: Driver Not Loaded (NVML 9). Check the driver with nvidia-smi.");
        }

        try
        {
            Environment.SetEnvironmentVariable("LINFORMER_NVML_LIBRARY", "/nowhere/libnvidia-ml.so.1");
            Should.Throw<GpuException>(Nvml.Open).Message.ShouldStartWith("NVML cannot be loaded: ");
            Environment.SetEnvironmentVariable("LINFORMER_NVML_LIBRARY", "libc.so.6");
            Should.Throw<GpuException>(Nvml.Open).Message.ShouldBe("NVML lacks nvmlInit_v2: NVIDIA's driver is too old.");
        }
        finally
        {
            NcclDouble.Double.Use();
        }
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public async Task AnAgentOffersItsGpusAndTellsWhatHasChangedOfThem()
    {
        using var two = NcclDouble.Double.With("NCCL_DOUBLE_GPUS", "2");
        using var cool = NcclDouble.Double.With("NCCL_DOUBLE_TEMPERATURE", "40");
        Start(WithGpus(TimeSpan.FromMilliseconds(50)));

        var hello = await Coordinator.WaitAsync("worker-1", peer => peer.Hellos.LastOrDefault());
        hello.Slots.Select(slot => (slot.Number, slot.Device, slot.Gpu.Uuid, slot.Gpu.Name)).ShouldBe(
        [
            (0, "cuda", "GPU-00000000-1111-2222-3333-000000000000", "Double of a GPU"),
            (1, "cuda", "GPU-00000000-1111-2222-3333-000000000001", "Double of a GPU"),
        ]);
        hello.Slots.ShouldAllBe(slot => slot.Bfloat16 && slot.MemoryBytes == 24L << 30);
        await Coordinator.WaitAsync("worker-1", peer => Temperatures(peer) is [40, 41] ? peer : null);

        using (NcclDouble.Double.With("NCCL_DOUBLE_TEMPERATURE", "63"))
        {
            await Coordinator.WaitAsync("worker-1", peer => Temperatures(peer) is [63, 64] ? peer : null);
            lock (Coordinator.Of("worker-1"))
            {
                // Each reading was told once.
                Coordinator.Of("worker-1").Statuses.SelectMany(status => status.GpuReadings).Count(reading => reading.Key == 0).ShouldBe(2);
            }

            // A coordinator that was away may know nothing of earlier readings.
            Coordinator.Drop("worker-1");
            await Coordinator.WaitAsync("worker-1", peer => peer.Hellos.Count == 2 && peer.Statuses.Count(status => status.GpuReadings.ContainsKey(0)) == 3 ? peer : null);
        }
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public async Task ARankSeesTheGpuOfItsSlotAndNoOther()
    {
        using var two = NcclDouble.Double.With("NCCL_DOUBLE_GPUS", "2");
        var script = Path.Combine(Folder, "rank.sh");
        await File.WriteAllTextAsync(script, "echo gpu $CUDA_VISIBLE_DEVICES >&2; head -n 1 >&2; exit 1");
        Start(WithGpus(TimeSpan.FromSeconds(5)) with { RankProgram = ("/bin/sh", [script]) });

        var group = Group([1], Plan(1, 1));
        group.Members[0].Slot = 1;
        Coordinator.Assign("worker-1", assignment => assignment.Groups.Add(group));

        var ended = (await Coordinator.WaitForMembersAsync("worker-1", 1, member => member.Phase == V1.MemberPhase.Ended))[0];
        ended.Failure.LastLogLines[0].ShouldBe("gpu GPU-00000000-1111-2222-3333-000000000001");
        ended.Failure.LastLogLines[1].ShouldContain("\"device\":\"cuda\"");
    }

    private Worker.Agents.WorkerAgentOptions WithGpus(TimeSpan interval)
    {
        using var nvml = Nvml.Open();
        return Options("sleep") with { Gpus = nvml.Gpus(), GpuInterval = interval };
    }

    // By slot, the newest.
    private static List<int> Temperatures(FakeCoordinator.Peer peer) =>
    [
        .. peer.Statuses.SelectMany(status => status.GpuReadings).GroupBy(reading => reading.Key).OrderBy(readings => readings.Key)
            .Select(readings => readings.Last().Value.Temperature),
    ];
}
