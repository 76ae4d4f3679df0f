using System.Globalization;

namespace Linformer.Worker.Jobs;

/// <summary>What lies where below a storage root.</summary>
/// <param name="Root">The storage root.</param>
public sealed record StorageLayout(string Root)
{
    /// <summary>The folder of checkpoints in the folder of a job.</summary>
    public const string CheckpointsName = "checkpoints";

    /// <summary>The folder of logs in the folder of a job.</summary>
    public const string LogsName = "logs";

    /// <summary>The file in the folder of a job that is done which says how many ranks computed each step.</summary>
    public const string HistoryName = "history.json";

    /// <summary>The file in the folder of a job that was trained without a coordinator, with what is remembered of it between runs.</summary>
    public const string RunRecordName = "run.json";

    /// <summary>The file in the folder of a job with a task of its user's that says which files its plug-in is.</summary>
    public const string PluginFilesName = "plugin-files.json";

    /// <summary>The file in a cluster's storage root that says which storage it is.</summary>
    public const string StorageIdName = "storage-id";

    /// <summary>Trained tokenizers and token shards, by fingerprint; safe to delete, they are made again.</summary>
    public string Cache => Path.Combine(Root, "cache");

    /// <summary>The folder of a job.</summary>
    /// <param name="job">The job's name.</param>
    public string Run(string job) => Path.Combine(Root, "jobs", job);

    /// <summary>The folder of a job's checkpoints.</summary>
    /// <param name="job">The job's name.</param>
    public string Checkpoints(string job) => Path.Combine(Run(job), CheckpointsName);

    /// <summary>The folder of a job's logs, a file per rank.</summary>
    /// <param name="job">The job's name.</param>
    public string Logs(string job) => Path.Combine(Run(job), LogsName);

    /// <summary>A line of JSON per step.</summary>
    /// <param name="job">The job's name.</param>
    public string Metrics(string job) => Path.Combine(Run(job), "metrics.jsonl");

    /// <summary>What is remembered of a job between runs.</summary>
    /// <param name="job">The job's name.</param>
    public string RunRecord(string job) => Path.Combine(Run(job), RunRecordName);

    /// <summary>Locked while the job is trained.</summary>
    /// <param name="job">The job's name.</param>
    public string RunLock(string job) => Path.Combine(Run(job), "lock");

    /// <summary>The folder of the finished model.</summary>
    /// <param name="job">The job's name.</param>
    public string Model(string job) => Path.Combine(Root, "models", job);

    /// <summary>The file of a member's log, in the folder of a job's logs.</summary>
    /// <param name="member">The member.</param>
    public static string MemberLogName(int member) => string.Create(CultureInfo.InvariantCulture, $"m{member:0000}.log");

    /// <summary>Whether a text can be the name of a job's folder: letters, digits, <c>-</c>, <c>_</c> and inner dots.</summary>
    /// <param name="text">The text.</param>
    public static bool IsFolderName(string text) =>
        text.Length is > 0 and <= 200
        && text[0] != '.'
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}
