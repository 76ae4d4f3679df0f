using System.Net.NetworkInformation;
using Linformer.Training.ProcessGroups;
using Linformer.Training.ProcessGroups.Nccl;
using Linformer.Worker.Machines;
using Linformer.Worker.RankProtocol;
using TorchSharp;

namespace Linformer.Worker.Ranks;

/// <summary>The device that a rank computes on, and the process groups of its generations: over NCCL on a GPU, else over Gloo.</summary>
internal sealed class RankGroups
{
    private const string Variable = "LINFORMER_PROCESS_GROUP";

    // A collective lasts as long as the slowest rank computes, or as rank 0 reads or writes a checkpoint or a model of any size. That
    // ranks live, others see to: agents find those that hang, the connections of those that end are cut, and an order to leave at
    // once ends the wait.
    private static readonly TimeSpan CollectiveTimeout = TimeSpan.FromHours(2);
    private static readonly TimeSpan RendezvousTimeout = TimeSpan.FromSeconds(30);

    private readonly StartMessage _start;
    private readonly RankControl _control;
    private readonly bool _nccl;

    /// <summary>Finds out what the rank can use; takes no GPU yet.</summary>
    /// <exception cref="GpuException">There is no such device.</exception>
    /// <exception cref="NcclUnavailableException">NCCL is needed and cannot be used.</exception>
    /// <exception cref="ArgumentException">The device or the kind of group is none.</exception>
    public RankGroups(StartMessage start, RankControl control)
    {
        (_start, _control) = (start, control);
        Device = DeviceOf(start.Device);
        _nccl = Environment.GetEnvironmentVariable(Variable) switch
        {
            null or "" => Device.type == DeviceType.CUDA,
            "nccl" => true,
            "gloo" when Device.type == DeviceType.CUDA => throw new ArgumentException($"{Variable} is 'gloo', which has no collectives for tensors on a GPU; leave it out, or train with device: cpu."),
            "gloo" => false,
            var other => throw new ArgumentException($"{Variable} is '{other}'; allowed are gloo and nccl."),
        };
        Description = _nccl ? $"NCCL {NcclProcessGroup.CheckAvailable()}" : "Gloo";
    }

    /// <summary>Where model and optimizer live.</summary>
    public torch.Device Device { get; }

    /// <summary>What the ranks speak with, for the log.</summary>
    public string Description { get; }

    /// <summary>The group of a generation; its rendezvous has begun.</summary>
    /// <exception cref="ProcessGroupException">It cannot be made now; another generation may have more luck.</exception>
    /// <exception cref="NcclUnavailableException">The GPU, which could be used when the process began, cannot: it has failed.</exception>
    public IProcessGroup Make(JoinMessage join)
    {
        if (join.WorldSize == 1)
        {
            return new SingleProcessGroup(join.Generation, Device);
        }

        var store = new ControlPipeRendezvous(_control, join.Generation);
        try
        {
            return _nccl
                ? new NcclProcessGroup(join.Rank, join.WorldSize, join.Generation, store, NcclOptions())
                : new GlooProcessGroup(join.Rank, join.WorldSize, join.Generation, store, GlooOptions());
        }
        catch (Exception e) when (e is ArgumentException or NetworkInformationException)
        {
            // A name that is not resolved now, a port or descriptor that is not free.
            var reason = e is ArgumentException { ParamName: { } name } ? e.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : e.Message;
            var operation = new ProcessGroupOperation("rendezvous", Bytes: 0, join.Rank, join.WorldSize, join.Generation);
            throw new ProcessGroupException(_nccl ? reason : $"cannot listen for the other ranks: {reason}", operation, peer: null, e);
        }
    }

    private static torch.Device DeviceOf(string device) => device switch
    {
        RankDevice.Cpu => torch.CPU,
        RankDevice.Cuda when torch.cuda.is_available() => new torch.Device(DeviceType.CUDA, 0),
        RankDevice.Cuda when GpuSupport.IsBuiltIn => throw new GpuException("torch can use no GPU: check nvidia-smi, CUDA_VISIBLE_DEVICES and the version of the driver."),
        RankDevice.Cuda => throw new GpuException($"{GpuSupport.Missing}."),
        _ => throw new ArgumentException($"The device is '{device}'; allowed are {RankDevice.Cpu} and {RankDevice.Cuda}."),
    };

    private NcclOptions NcclOptions() => new()
    {
        Timeout = CollectiveTimeout,
        RendezvousTimeout = RendezvousTimeout,
        Device = Device,
    };

    private GlooOptions GlooOptions() => new()
    {
        Timeout = CollectiveTimeout,
        RendezvousTimeout = RendezvousTimeout,
        BindAddress = _start.ListenAddress,
        AdvertisedAddress = _start.AdvertisedAddress,
    };
}
