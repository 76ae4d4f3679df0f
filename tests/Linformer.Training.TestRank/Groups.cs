using Linformer.Training.ProcessGroups;
using Linformer.Training.ProcessGroups.Nccl;
using static TorchSharp.torch;

namespace Linformer.Training.TestRank;

/// <summary>The process group of a test's rank: over NCCL or TCP alone if LINFORMER_PROCESS_GROUP says so, else over Gloo as it is.</summary>
internal static class Groups
{
    public static QueuedProcessGroup Make(int rank, int worldSize, string folder, TimeSpan timeout)
    {
        var (store, rendezvous) = (new FileRendezvousStore(folder), TimeSpan.FromMinutes(2));
        var kind = Environment.GetEnvironmentVariable("LINFORMER_PROCESS_GROUP");
        return kind == "nccl"
            ? new NcclProcessGroup(
                rank, worldSize, generation: 1, store, new NcclOptions { Timeout = timeout, RendezvousTimeout = rendezvous, Device = CPU })
            : new GlooProcessGroup(
                rank, worldSize, generation: 1, store, new GlooOptions { Timeout = timeout, RendezvousTimeout = rendezvous, ShareMemory = kind != "tcp" });
    }
}
