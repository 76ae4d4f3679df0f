using System.Text.Json;
using Linformer.Data;
using Linformer.Model.Files;
using Linformer.Protocol;
using Linformer.Training.Checkpoints;
using Linformer.Worker.Jobs;
using Linformer.Worker.Local;
using Linformer.Worker.Machines;
using Linformer.Worker.RankProtocol;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>Reads what the coordinator assigns, and trusts none of it.</summary>
public static class AssignmentReader
{
    private const int MaximumWorldSize = 100_000;
    private const int MaximumThreads = 1024;
    private const int MaximumShards = 1_000_000;

    /// <summary>How a member's process is started.</summary>
    /// <param name="group">What is assigned.</param>
    /// <param name="member">The member.</param>
    /// <param name="options">Who this worker is.</param>
    /// <exception cref="BadDataException">It is not possible; the message says why.</exception>
    /// <exception cref="SlotMismatchException">This worker does not have the slots.</exception>
    public static RankLaunch Read(V1.RankGroup group, int member, WorkerAgentOptions options)
    {
        ArgumentNullException.ThrowIfNull(group);
        ArgumentNullException.ThrowIfNull(options);
        Require(StorageLayout.IsFolderName(group.JobId), $"The job id '{group.JobId}' is not a folder's name.");
        Require(group.Threads is >= 1 and <= MaximumThreads, $"The threads of a rank are {group.Threads}; allowed are 1 to {MaximumThreads}.");
        CheckPlaces(group, options);
        CheckJson(group.JobFile, "The job file");
        var root = Path.GetFullPath(options.StorageRoot);
        var runFolder = Inside(root, group.RunFolder, "run folder");
        _ = Inside(root, $"{group.RunFolder}/{StorageLayout.CheckpointsName}", "folder of checkpoints");
        var log = Inside(root, $"{group.RunFolder}/{StorageLayout.LogsName}/{StorageLayout.MemberLogName(member)}", "log");
        var start = new StartMessage(
            Threads: group.Threads,
            JobJson: group.JobFile,
            StorageRoot: root,
            CorpusFolder: CorpusFolder(root, group),
            RunFolder: runFolder,
            ModelFolder: Inside(root, group.ModelFolder, "model folder"),
            ListenAddress: options.ListenAddress ?? options.Address,
            AdvertisedAddress: options.Address,
            Member: member,
            CheckpointPatience: options.StopTimeout.TotalSeconds,
            Device: options.SlotDevice,
            AllowPlugins: options.AllowPlugins);
        var place = group.Members.FirstOrDefault(place => place.Member == member) ?? throw new BadDataException($"Member {member} has no place in the group.");
        return new RankLaunch(options.RankProgram.Command, options.RankProgram.Arguments, log, start)
        {
            Environment = options.Gpus.Count > 0 ? RankDevice.Environment(options.Gpus[place.Slot], start.ListenAddress) : RankDevice.NoEnvironment,
        };
    }

    /// <summary>A member's place in the newest generation.</summary>
    /// <exception cref="BadDataException">The generation is not possible; the message says why.</exception>
    public static JoinMessage Join(V1.RankGroup group, int member)
    {
        ArgumentNullException.ThrowIfNull(group);
        var plan = group.Plan ?? throw new BadDataException("The group has no generation.");
        Require(plan is { Lineage: >= 0, Generation: >= 1 }, $"Lineage {plan.Lineage} and generation {plan.Generation} are not possible.");
        Require(plan.Members.Count is >= 1 and <= MaximumWorldSize, $"The world size is {plan.Members.Count}; allowed are 1 to {MaximumWorldSize}.");
        Require(plan.Members.Distinct().Count() == plan.Members.Count, $"The members {Shown([.. plan.Members])} are not different.");
        Require(plan.CommittedStep >= 0, $"The committed step {plan.CommittedStep} is not possible.");
        Require(plan.SkippedSteps.All(step => step >= 1), $"The steps to skip are {string.Join(", ", plan.SkippedSteps.Take(20))}; they count from 1.");
        Require(
            plan.LineageLimits.Count == plan.Lineage && plan.LineageLimits.All(limit => limit >= 0),
            $"Lineage {plan.Lineage} has the limits {string.Join(", ", plan.LineageLimits.Take(20))}; one per earlier lineage is needed.");
        Require(
            plan.LineageOrigins.Count == 0 || (plan.LineageOrigins.Count == plan.Lineage && plan.LineageOrigins.All(name => name.Length == 0 || CheckpointId.TryParse(name, out _))),
            $"Lineage {plan.Lineage} has {plan.LineageOrigins.Count} checkpoints to begin with; a checkpoint's name or nothing for each earlier lineage is needed.");
        return new JoinMessage(
            plan.Lineage,
            plan.Generation,
            plan.Members.IndexOf(member),
            plan.Members.Count,
            plan.AtOnce,
            MustHold(plan.StateSource),
            plan.CommittedStep,
            plan.SkippedSteps.Count > 0 ? [.. plan.SkippedSteps] : null,
            plan.LineageLimits.Count > 0 ? [.. plan.LineageLimits] : null,
            LineageOrigins: plan.LineageOrigins.Count > 0 ? [.. plan.LineageOrigins] : null);
    }

    /// <summary>A path of the coordinator's as one of this machine.</summary>
    /// <returns>The path, symbolic links below the storage root resolved.</returns>
    /// <exception cref="BadDataException">It is not relative, or leads out of the storage root, links included.</exception>
    /// <exception cref="IOException">Links lead in a circle.</exception>
    public static string Inside(string root, string relative, string what)
    {
        Require(!string.IsNullOrWhiteSpace(relative), $"The {what} '{relative}' is not a path inside the storage root.");
        try
        {
            return ConfinedPath.Resolve(root, relative);
        }
        catch (PathEscapeException e)
        {
            throw new BadDataException($"The {what} '{relative}' is not a path inside the storage root. {e.Message}", e);
        }
    }

    /// <summary>The corpus section of a job file, by the rules of job files.</summary>
    /// <exception cref="BadDataException">It is not JSON.</exception>
    /// <exception cref="JobFileException">A field is wrong.</exception>
    public static CorpusSettings CorpusSettings(string json, WorkerAgentOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        CheckJson(json, "The corpus's settings");
        var job = JobFileParser.Parse($$"""{"name":"corpus","corpus":{{json}}}""", "corpus").OrThrow();
        return JobMapping.CorpusSettings(job) with { ShardBytes = options.ShardBytes };
    }

    /// <summary>The shards that a lease is for.</summary>
    /// <exception cref="BadDataException">They are not possible.</exception>
    public static (int First, int Count) Shards(V1.CorpusLease lease)
    {
        ArgumentNullException.ThrowIfNull(lease);
        Require(
            lease is { FirstShard: >= 0 and < MaximumShards, ShardCount: >= 1 and <= MaximumShards },
            $"{lease.ShardCount} shards from {lease.FirstShard} on are not possible.");
        return (lease.FirstShard, lease.ShardCount);
    }

    // Empty where the job has no corpus, and only there: a rank would look for its shards in whatever folder it was started in.
    private static string CorpusFolder(string root, V1.RankGroup group)
    {
        if (group.CorpusFolder.Length > 0)
        {
            return Inside(root, group.CorpusFolder, "corpus folder");
        }

        var result = JobFileParser.Parse(group.JobFile, "The job file", cuda: true);
        var job = result.Job ?? throw new BadDataException($"There is no corpus folder, and whether the job needs one cannot be told. {result.Errors[0]}");
        return job.HasCorpus ? throw new BadDataException($"There is no corpus folder, and the job has a corpus, of {job.Corpus.Files[0]}.") : "";
    }

    private static void CheckPlaces(V1.RankGroup group, WorkerAgentOptions options)
    {
        var (members, slots) = (group.Members.Select(place => place.Member).ToList(), group.Members.Select(place => place.Slot).ToList());
        Require(
            members.Distinct().Count() == members.Count && members.TrueForAll(member => member >= 1),
            $"The members {Shown(members)} are not different numbers from 1 on.");
        if (slots.Distinct().Count() != slots.Count || slots.Exists(slot => slot < 0 || slot >= options.Slots))
        {
            throw new SlotMismatchException($"The slots {Shown(slots)} are not different ones of this worker's, 0 to {options.Slots - 1}.");
        }
    }

    private static bool MustHold(V1.StateSource? source) => (source?.KindCase ?? V1.StateSource.KindOneofCase.None) switch
    {
        V1.StateSource.KindOneofCase.NewestCheckpoint => false,
        V1.StateSource.KindOneofCase.Survivors => true,
        var other => throw new BadDataException($"This worker cannot take a generation's state from '{other}'."),
    };

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
public sealed class SlotMismatchException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Names the slots that were given and those that there are.</param>
    public SlotMismatchException(string message)
        : base(message)
    {
    }
}
