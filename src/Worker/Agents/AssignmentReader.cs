using System.Text.Json;
using Linformer.Data;
using Linformer.Protocol;
using Linformer.Training.Checkpoints;
using Linformer.Worker.Jobs;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>Reads what the coordinator assigns, and trusts none of it.</summary>
internal static class AssignmentReader
{
    private const int MaximumWorldSize = 100_000;
    private const int MaximumThreads = 1024;
    private const int MaximumShards = 1_000_000;

    /// <summary>A rank group as the launcher needs it.</summary>
    /// <exception cref="BadDataException">It is not possible; the message says why.</exception>
    /// <exception cref="SlotMismatchException">This worker does not have the slots.</exception>
    public static LocalRun Read(V1.RankGroup group, WorkerAgentOptions options)
    {
        Require(StorageLayout.IsFolderName(group.JobId), $"The job id '{group.JobId}' is not a folder's name.");
        Require(group is { Lineage: >= 0, Generation: >= 1 }, $"Lineage {group.Lineage} and generation {group.Generation} are not possible.");
        Require(group.WorldSize is >= 1 and <= MaximumWorldSize, $"The world size is {group.WorldSize}; allowed are 1 to {MaximumWorldSize}.");
        Require(group.Threads is >= 1 and <= MaximumThreads, $"The threads of a rank are {group.Threads}; allowed are 1 to {MaximumThreads}.");
        CheckPlaces(group, options);
        CheckJson(group.JobFile, "The job file");
        var root = Path.GetFullPath(options.StorageRoot);
        var runFolder = Inside(root, group.RunFolder, "run folder");
        return new LocalRun
        {
            Command = options.RankProgram.Command,
            Arguments = options.RankProgram.Arguments,
            WorldSize = group.WorldSize,
            Ranks = [.. group.Ranks.Select(place => place.Rank).Order()],
            ListenAddress = options.ListenAddress ?? options.Address,
            AdvertisedAddress = options.Address,
            Threads = group.Threads,
            Lineage = group.Lineage,
            Generation = group.Generation,
            JobJson = group.JobFile,
            StorageRoot = root,
            CorpusFolder = Inside(root, group.CorpusFolder, "corpus folder"),
            RunFolder = runFolder,
            ModelFolder = Inside(root, group.ModelFolder, "model folder"),
            ResumeFrom = ResumeFrom(group.StateSource),
            LogFolder = Path.Combine(runFolder, StorageLayout.LogsName),
            LogPrefix = $"g{group.Generation:0000}-",
            StopTimeout = options.StopTimeout,
        };
    }

    /// <summary>A path of the coordinator's as one of this machine.</summary>
    /// <exception cref="BadDataException">It is not relative, or leads out of the storage root.</exception>
    public static string Inside(string root, string relative, string what)
    {
        var valid = !string.IsNullOrWhiteSpace(relative)
            && !Path.IsPathRooted(relative)
            && !relative.Contains('\0', StringComparison.Ordinal)
            && !relative.Split('/').Contains("..", StringComparer.Ordinal);
        Require(valid, $"The {what} '{relative}' is not a path inside the storage root.");
        var full = Path.GetFullPath(relative, root);
        Require(full != Path.TrimEndingDirectorySeparator(root), $"The {what} is the storage root itself.");
        return full;
    }

    /// <summary>The corpus section of a job file, by the rules of job files.</summary>
    /// <exception cref="BadDataException">It is not JSON.</exception>
    /// <exception cref="JobFileException">A field is wrong.</exception>
    public static CorpusSettings CorpusSettings(string json, WorkerAgentOptions options)
    {
        CheckJson(json, "The corpus's settings");
        var job = JobFileParser.Parse($$"""{"name":"corpus","corpus":{{json}}}""", "corpus").OrThrow();
        return JobMapping.CorpusSettings(job) with { ShardBytes = options.ShardBytes };
    }

    /// <summary>The shards that a lease is for.</summary>
    /// <exception cref="BadDataException">They are not possible.</exception>
    public static (int First, int Count) Shards(V1.CorpusLease lease)
    {
        Require(
            lease is { FirstShard: >= 0 and < MaximumShards, ShardCount: >= 1 and <= MaximumShards },
            $"{lease.ShardCount} shards from {lease.FirstShard} on are not possible.");
        return (lease.FirstShard, lease.ShardCount);
    }

    private static void CheckPlaces(V1.RankGroup group, WorkerAgentOptions options)
    {
        var (ranks, slots) = (group.Ranks.Select(place => place.Rank).ToList(), group.Ranks.Select(place => place.Slot).ToList());
        Require(ranks.Count > 0, "The group has no rank for this worker.");
        Require(
            ranks.Distinct().Count() == ranks.Count && ranks.TrueForAll(rank => rank >= 0 && rank < group.WorldSize),
            $"The ranks {Shown(ranks)} are not different numbers from 0 to {group.WorldSize - 1}.");
        if (slots.Distinct().Count() != slots.Count || slots.Exists(slot => slot < 0 || slot >= options.Slots))
        {
            throw new SlotMismatchException($"The slots {Shown(slots)} are not different ones of this worker's, 0 to {options.Slots - 1}.");
        }
    }

    private static string? ResumeFrom(V1.StateSource? source)
    {
        switch (source?.KindCase ?? V1.StateSource.KindOneofCase.None)
        {
            case V1.StateSource.KindOneofCase.Fresh:
                return null;
            case V1.StateSource.KindOneofCase.NewestCheckpoint:
                return StartMessage.NewestCheckpoint;
            case V1.StateSource.KindOneofCase.Checkpoint:
                Require(CheckpointId.TryParse(source!.Checkpoint, out _), $"'{source.Checkpoint}' is not a checkpoint's name.");
                return source.Checkpoint;
            case var other:
                throw new BadDataException($"This worker cannot take a generation's state from '{other}'.");
        }
    }

    private static void CheckJson(string json, string what)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            Require(document.RootElement.ValueKind == JsonValueKind.Object, $"{what} is not a JSON object.");
        }
        catch (JsonException e)
        {
            throw new BadDataException($"{what} is not JSON: {e.Message}", e);
        }
    }

    private static string Shown(List<int> numbers) => string.Join(", ", numbers.Take(20)) + (numbers.Count > 20 ? ", …" : "");

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new BadDataException(message);
        }
    }
}

/// <summary>A group was given slots that its worker does not have, as after a restart with fewer. Elsewhere it can run.</summary>
internal sealed class SlotMismatchException(string message) : Exception(message);
