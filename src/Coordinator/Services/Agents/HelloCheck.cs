using System.Text.RegularExpressions;
using Linformer.Coordinator.Services.Guard;
using Linformer.Coordinator.Workers;
using Linformer.Protocol.Wire;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Agents;

/// <summary>Checks how an agent introduces itself.</summary>
internal static partial class HelloCheck
{
    private const int MaxText = 256;
    private const int MaxGpuText = 128;

    /// <summary>Who the agent is.</summary>
    /// <param name="hello">What it says.</param>
    /// <param name="epoch">This coordinator's epoch.</param>
    /// <exception cref="Grpc.Core.RpcException">It is refused; the message says why, and what is allowed.</exception>
    public static WorkerIdentity Check(Proto.Hello hello, long epoch)
    {
        if (!ProtocolVersion.IsSpoken(hello.ProtocolVersion))
        {
            throw Refusal.Precondition(
                $"The agent speaks protocol version {hello.ProtocolVersion}; this coordinator speaks {ProtocolVersion.Spoken}. Use the same release on both sides, or one that is next to it.");
        }
        if (!LabelPattern().IsMatch(hello.Name))
        {
            throw Refusal.Invalid(
                $"The worker's name {Refusal.Show(hello.Name)} is not a DNS label: 1 to 63 lower-case letters, digits and hyphens, no hyphen at either end.");
        }
        if (hello.InstanceId.Length == 0)
            throw Refusal.Invalid("instance_id is empty; it is chosen anew at each start of an agent.");
        Refusal.CheckText("instance_id", hello.InstanceId, MaxText);
        Refusal.CheckText("version", hello.Version, MaxText);
        Refusal.CheckText("host", hello.Host, MaxText);
        Refusal.CheckText("address", hello.Address, MaxText);
        if (hello.SeenEpoch > epoch)
        {
            throw Refusal.Unavailable(
                $"The agent has obeyed a coordinator of epoch {hello.SeenEpoch}; this one's is {epoch}, so it is out of date. Start it on the newest database.");
        }
        return new WorkerIdentity
        {
            Name = hello.Name,
            InstanceId = hello.InstanceId,
            Version = hello.Version,
            Host = hello.Host,
            ProcessId = hello.ProcessId,
            Address = hello.Address,
            AllowsPlugins = hello.AllowsPlugins,
            Slots = [.. Slots(hello).OrderBy(slot => slot.Number)],
        };
    }

    private static IEnumerable<WorkerSlot> Slots(Proto.Hello hello)
    {
        if (hello.Slots.Count is 0 or > WireLimits.MaxSlots)
            throw Refusal.Invalid($"The worker '{hello.Name}' offers {hello.Slots.Count:#,0} slots; 1 to {WireLimits.MaxSlots:#,0} are allowed.");
        var numbers = new HashSet<int>();
        foreach (var slot in hello.Slots)
        {
            if (slot.Number < 0)
                throw Refusal.Invalid($"The worker '{hello.Name}' has a slot {slot.Number}; numbers from 0 on are allowed.");
            if (!numbers.Add(slot.Number))
                throw Refusal.Invalid($"The worker '{hello.Name}' has slot {slot.Number} twice; each number is allowed once.");
            if (slot.Device is not ("cpu" or "cuda"))
                throw Refusal.Invalid($"Slot {slot.Number} of worker '{hello.Name}' has the device {Refusal.Show(slot.Device)}; allowed are 'cpu' and 'cuda'.");
            if (slot.MemoryBytes < 0)
                throw Refusal.Invalid($"Slot {slot.Number} of worker '{hello.Name}' has {slot.MemoryBytes} bytes of memory; at least 0 are possible.");
            yield return new WorkerSlot(slot.Number, slot.Device, slot.Gpu is { } gpu ? Gpu(slot, gpu, hello.Name) : null, slot.Bfloat16, slot.MemoryBytes);
        }
    }

    private static WorkerGpu Gpu(Proto.SlotOffer slot, Proto.Gpu gpu, string worker)
    {
        if (slot.Device != "cuda")
            throw Refusal.Invalid($"Slot {slot.Number} of worker '{worker}' has a GPU and the device '{slot.Device}'; a GPU's slot is 'cuda'.");
        Refusal.CheckText("gpu.uuid", gpu.Uuid, MaxGpuText);
        Refusal.CheckText("gpu.name", gpu.Name, MaxGpuText);
        if (gpu.MemoryBytes < 0)
            throw Refusal.Invalid($"The GPU of slot {slot.Number} of worker '{worker}' has {gpu.MemoryBytes} bytes of memory; at least 0 are possible.");
        return new WorkerGpu(gpu.Uuid, gpu.Name, gpu.MemoryBytes);
    }

    [GeneratedRegex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex LabelPattern();
}
