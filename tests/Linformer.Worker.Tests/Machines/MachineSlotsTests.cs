using Linformer.Protocol;
using Linformer.Worker.Machines;

namespace Linformer.Worker.Tests.Machines;

public class MachineSlotsTests
{
    private static readonly Gpu[] Two = [new("GPU-a1", "a GPU", 1 << 30), new("GPU-b2", "a GPU", 1 << 30)];

    [Fact]
    public void GPUsAreTakenWhereThereAreAnyAndTheBuildCanUseThem()
    {
        Choose(DeviceKind.Auto, null).ShouldBe((2, "GPU-a1 GPU-b2", ""));
        Choose(DeviceKind.Auto, 1).ShouldBe((1, "GPU-a1", ""));
        Choose(DeviceKind.Cuda, null).ShouldBe((2, "GPU-a1 GPU-b2", ""));
        Choose(DeviceKind.Cpu, null).ShouldBe((1, "", ""));
        Choose(DeviceKind.Cpu, 3).ShouldBe((3, "", ""));
    }

    [Fact]
    public void WithoutAGpuTheSlotsAreTheCpus()
    {
        MachineSlots.Choose(DeviceKind.Auto, 2, supported: true, () => []).ShouldBe(new MachineSlots(2, []), new SameSlots());
        var note = MachineSlots.Choose(DeviceKind.Auto, null, supported: true, () => throw new GpuException("NVML cannot be loaded.")).Note;
        note.ShouldBe("The slots are shares of the CPU: NVML cannot be loaded.");
        // Without support nobody expects any.
        MachineSlots.Choose(DeviceKind.Auto, null, supported: false, () => throw new GpuException("NVML cannot be loaded.")).Note.ShouldBeEmpty();
    }

    [Fact]
    public void GPUsThatTheBuildCannotUseAreSaid()
    {
        var slots = MachineSlots.Choose(DeviceKind.Auto, null, supported: false, () => Two);
        (slots.Count, slots.Gpus.Count).ShouldBe((1, 0));
        slots.Note.ShouldBe("This machine has 2 GPUs, which are not used: this build has no GPU support: ./linformer build --feed nuget --torch cuda makes one that has.");
        Refused(DeviceKind.Cuda, null, supported: false, Two).ShouldStartWith("GPUs are asked for; this build has no GPU support");
    }

    [Fact]
    public void MoreSlotsThanGPUsAreRefused()
    {
        Refused(DeviceKind.Cuda, 3, supported: true, Two).ShouldBe("3 ranks need a GPU each; this machine has 2.");
        Refused(DeviceKind.Auto, 3, supported: true, Two).ShouldBe("3 ranks need a GPU each; this machine has 2.");
        Refused(DeviceKind.Cuda, null, supported: true, []).ShouldBe("There is no GPU that may be used. Check nvidia-smi and CUDA_VISIBLE_DEVICES.");
    }

    [Theory]
    [InlineData(null, "GPU-a1 GPU-b2")]
    [InlineData("", "")]
    [InlineData("1", "GPU-b2")]
    [InlineData("1,0", "GPU-b2 GPU-a1")]
    [InlineData("GPU-b", "GPU-b2")]
    [InlineData("GPU-", "")] // Both begin so.
    [InlineData("0,7,1", "GPU-a1")] // Nothing counts behind one that is none.
    [InlineData("0,0", "GPU-a1")]
    [InlineData("-1", "")]
    [InlineData("NoDevFiles", "")]
    public void TheVisibleOnesAreThoseThatTheVariableNames(string? variable, string expected)
        => string.Join(' ', VisibleDevices.Of(Two, variable).Select(gpu => gpu.Uuid)).ShouldBe(expected);

    [Fact]
    public void ARankSeesItsGpuAndUsesTheNetworkOfItsAddress()
    {
        RankDevice.Environment(Two[1], "127.0.0.1").ShouldBe(
            new Dictionary<string, string>(StringComparer.Ordinal) { ["CUDA_VISIBLE_DEVICES"] = "GPU-b2", ["NCCL_SOCKET_IFNAME"] = "=lo" }, ignoreOrder: true);
        RankDevice.Environment(Two[1], "lo")["NCCL_SOCKET_IFNAME"].ShouldBe("=lo");
        RankDevice.Environment(Two[1], "some-host.example").Keys.ShouldBe(["CUDA_VISIBLE_DEVICES"]);
    }

    private static (int, string, string) Choose(DeviceKind device, int? count)
    {
        var slots = MachineSlots.Choose(device, count, supported: true, () => Two);
        return (slots.Count, string.Join(' ', slots.Gpus.Select(gpu => gpu.Uuid)), slots.Note);
    }

    private static string Refused(DeviceKind device, int? count, bool supported, IReadOnlyList<Gpu> gpus) =>
        Should.Throw<GpuException>(() => MachineSlots.Choose(device, count, supported, () => gpus)).Message;

    private sealed class SameSlots : IEqualityComparer<MachineSlots>
    {
        public bool Equals(MachineSlots? x, MachineSlots? y) => x!.Count == y!.Count && x.Gpus.SequenceEqual(y.Gpus) && x.Note == y.Note;

        public int GetHashCode(MachineSlots obj) => obj.Count;
    }
}
