using Linformer.Training.ProcessGroups;
using Linformer.Training.ProcessGroups.Nccl;
using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups.Nccl;

/// <summary>The double reads settings of the whole process, so tests that use it run one after the other.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class NcclCollection
{
    public const string Name = "NCCL";
}

/// <summary>Runs the ranks of a group over the double of NCCL as threads of this process.</summary>
internal static class NcclRanks
{
    private static long _generation;

    static NcclRanks() => NcclDouble.Double.Use();

    public static NcclOptions Options { get; } = new() { Device = torch.CPU, Timeout = Ranks.Patience, RendezvousTimeout = Ranks.Patience };

    /// <summary>Runs a body for every rank of a new group, and throws what any of them throws.</summary>
    public static void Run(int worldSize, Action<NcclProcessGroup> body, NcclOptions? options = null)
        => Array.Find(Try(worldSize, body, options), error => error is not null).ShouldBeNull();

    /// <summary>Runs a body for every rank of a new group, and gives what each has thrown.</summary>
    public static Exception?[] Try(int worldSize, Action<NcclProcessGroup> body, NcclOptions? options = null)
    {
        var store = new InMemoryRendezvousStore();
        var generation = Interlocked.Increment(ref _generation);
        var errors = Ranks.Parallel(worldSize, rank =>
        {
            using var group = new NcclProcessGroup(rank, worldSize, generation, store, options ?? Options);
            body(group);
        });
        NcclDouble.Double.Refused().ShouldBeEmpty();
        return errors;
    }
}
