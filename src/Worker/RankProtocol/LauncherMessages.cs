using System.Text.Json.Serialization;

namespace Linformer.Worker.RankProtocol;

/// <summary>What the launcher tells a rank: one JSON object per line on the rank's standard input.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(StartMessage), "start")]
[JsonDerivedType(typeof(StopMessage), "stop")]
[JsonDerivedType(typeof(RendezvousValueMessage), "rendezvous-value")]
public abstract record LauncherMessage;

/// <summary>The first message: what this process is to do.</summary>
/// <param name="Rank">This process's rank, from 0 on.</param>
/// <param name="WorldSize">The number of ranks.</param>
/// <param name="Lineage">The lineage that checkpoints belong to.</param>
/// <param name="Generation">The generation that the ranks form.</param>
/// <param name="Threads">Threads for computing; the environment already limits the native libraries to it.</param>
/// <param name="JobJson">The job with all its settings resolved, as JSON.</param>
/// <param name="StorageRoot">The folder that the job's relative paths start from.</param>
/// <param name="CorpusFolder">The folder with the job's token shards and tokenizer.</param>
/// <param name="RunFolder">The job's own folder, for checkpoints and metrics.</param>
/// <param name="ModelFolder">Where the finished model goes.</param>
/// <param name="ResumeFrom">
/// The name of the checkpoint to go on from; <see cref="NewestCheckpoint"/> to let rank 0 choose for all; null to start anew.
/// </param>
/// <param name="ListenAddress">Where the rank listens for the others: an IP address, a host name, or a network interface.</param>
/// <param name="AdvertisedAddress">The address under which the others reach it; null for <paramref name="ListenAddress"/>.</param>
public sealed record StartMessage(
    int Rank,
    int WorldSize,
    int Lineage,
    int Generation,
    int Threads,
    string JobJson,
    string StorageRoot,
    string CorpusFolder,
    string RunFolder,
    string ModelFolder,
    string? ResumeFrom = null,
    string ListenAddress = "127.0.0.1",
    string? AdvertisedAddress = null) : LauncherMessage
{
    /// <summary>
    /// Stands for the newest checkpoint of the run folder that is whole, or a new start when there is none: rank 0 finds it
    /// and tells the others through the rendezvous, so that all go on from the same one.
    /// </summary>
    public const string NewestCheckpoint = "newest";
}

/// <summary>Finish the current step, write a checkpoint, exit with code 0.</summary>
public sealed record StopMessage : LauncherMessage;

/// <summary>Answers a <see cref="RendezvousGetMessage"/>, once the key has a value.</summary>
/// <param name="Request">The request's number.</param>
/// <param name="Value">The value; Base64 on the wire.</param>
public sealed record RendezvousValueMessage(long Request, byte[] Value) : LauncherMessage;
