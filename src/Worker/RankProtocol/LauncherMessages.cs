using System.Text.Json.Serialization;
using Linformer.Training.Checkpoints;

namespace Linformer.Worker.RankProtocol;

/// <summary>What the launcher tells a rank: one JSON object per line on the rank's standard input.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(StartMessage), "start")]
[JsonDerivedType(typeof(JoinMessage), "join")]
[JsonDerivedType(typeof(StopMessage), "stop")]
[JsonDerivedType(typeof(RendezvousValueMessage), "rendezvous-value")]
public abstract record LauncherMessage;

/// <summary>The first message: what this process is to get ready for. Which rank it is, a <see cref="JoinMessage"/> says.</summary>
/// <param name="Member">The process's number within the job, never used again.</param>
/// <param name="Threads">Threads for computing; the environment already limits the native libraries to it.</param>
/// <param name="JobJson">The job with all its settings resolved, as JSON.</param>
/// <param name="StorageRoot">The folder that the job's relative paths start from.</param>
/// <param name="CorpusFolder">The folder with the job's token shards and tokenizer; empty for a job without a corpus.</param>
/// <param name="RunFolder">The job's own folder, for checkpoints and metrics.</param>
/// <param name="ModelFolder">Where the finished model goes.</param>
/// <param name="ListenAddress">Where the rank listens for the others: an IP address, a host name, or a network interface.</param>
/// <param name="AdvertisedAddress">The address under which the others reach it; null for <paramref name="ListenAddress"/>.</param>
/// <param name="CheckpointPatience">
/// For how many seconds the checkpoint with which the process stops is tried again when it cannot be written; then that is an error.
/// </param>
/// <param name="Device">Where it computes: <c>cpu</c>, or <c>cuda</c> for the one GPU that it sees.</param>
/// <param name="LogPath">The log of a process that has none yet, since it was started before there was a job; null for one that has.</param>
/// <param name="AllowPlugins">Whether it may run code of whoever submitted the job.</param>
public sealed record StartMessage(
    int Member,
    int Threads,
    string JobJson,
    string StorageRoot,
    string CorpusFolder,
    string RunFolder,
    string ModelFolder,
    string ListenAddress = "127.0.0.1",
    string? AdvertisedAddress = null,
    double CheckpointPatience = 0,
    string Device = "cpu",
    string? LogPath = null,
    bool AllowPlugins = false) : LauncherMessage;

/// <summary>
/// Be a rank of a generation. The process keeps its state from generation to generation; the newest message counts. One that is
/// in an earlier generation leaves it: at the next step boundary, together with all others of it, or at once.
/// </summary>
/// <param name="Lineage">The lineage.</param>
/// <param name="Generation">The generation; higher than any before.</param>
/// <param name="Rank">The rank in it, from 0 on; -1 for none: leave the generation before, keep the state, and wait.</param>
/// <param name="WorldSize">Its number of ranks.</param>
/// <param name="AtOnce">Whether to leave the generation before at once, since a rank of it is gone.</param>
/// <param name="MustHold">
/// Whether some rank must hold <paramref name="CommittedStep"/> or a later step, and a checkpoint will not do: otherwise the ranks go
/// on from the furthest step that one of them holds in this lineage, or else from the newest checkpoint that is whole, or else anew.
/// </param>
/// <param name="CommittedStep">The furthest committed step.</param>
/// <param name="SkippedSteps">Steps that are left out: they count, but nothing is computed. Null for none.</param>
/// <param name="LineageLimits">
/// For each change of lineage so far, the last step that was kept: checkpoints of lineage i hold for this one only up to the smallest of
/// the numbers from index i on. Null for none.
/// </param>
/// <param name="UntilStep">Leave at this step's boundary by itself and wait; null for the job's end.</param>
/// <param name="LineageOrigins">
/// For each change of lineage so far, the checkpoint that the lineage after it begins with; empty where that is the newest one. Null
/// for none.
/// </param>
public sealed record JoinMessage(
    int Lineage,
    int Generation,
    int Rank,
    int WorldSize,
    bool AtOnce = false,
    bool MustHold = false,
    long CommittedStep = 0,
    IReadOnlyList<long>? SkippedSteps = null,
    IReadOnlyList<long>? LineageLimits = null,
    long? UntilStep = null,
    IReadOnlyList<string>? LineageOrigins = null) : LauncherMessage
{
    /// <summary>Which checkpoints the generation may go on from.</summary>
    /// <exception cref="FormatException">An origin is not a checkpoint's name.</exception>
    public CheckpointLineage Checkpoints() => new(
        Lineage, LineageLimits ?? [], LineageOrigins?.Select(name => name.Length == 0 ? (CheckpointId?)null : CheckpointId.Parse(name)).ToList());
}

/// <summary>Finish the current step, write a checkpoint, exit with code 0.</summary>
public sealed record StopMessage : LauncherMessage;

/// <summary>Answers a <see cref="RendezvousGetMessage"/>, once the key has a value.</summary>
/// <param name="Request">The request's number.</param>
/// <param name="Value">The value; Base64 on the wire.</param>
public sealed record RendezvousValueMessage(long Request, byte[] Value) : LauncherMessage;
