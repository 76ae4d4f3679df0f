using System.Globalization;
using Grpc.Core;
using Linformer.Coordinator.Services.Guard;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>What a page asks to be told of.</summary>
/// <param name="Text">As it was asked for.</param>
/// <param name="Kind">Such as <c>metrics</c>.</param>
/// <param name="Subject">The job's id or name; empty where there is none.</param>
/// <param name="After">What comes after this step or number is sent.</param>
/// <param name="Rank">Only this rank; null for all.</param>
/// <param name="Made">The lineage and generation of the step that the page has last; null for one that does not tell.</param>
internal sealed record TopicName(string Text, string Kind, string Subject, long After, int? Rank, (int Lineage, int Generation)? Made)
{
    /// <summary>The most topics of a stream.</summary>
    public const int Most = 32;

    /// <summary>How they are written.</summary>
    public const string Forms =
        "jobs, job:JOB, metrics:JOB:AFTER-STEP, metrics:JOB:AFTER-STEP:LINEAGE:GENERATION, samples:JOB:AFTER-STEP, logs:JOB:AFTER-NUMBER, logs:JOB:AFTER-NUMBER:RANK, workers, corpora, events:AFTER-NUMBER, summary";

    private const int LongestSubject = 128;

    /// <summary>What all who share a reader have in common: the topic without its cursor. Of one job's it is the same only once the subject is the job's id.</summary>
    public string Key => Rank is { } rank ? $"{Kind}:{Subject}:{rank}" : $"{Kind}:{Subject}";

    /// <summary>Reads a topic.</summary>
    /// <exception cref="RpcException">It is none.</exception>
    public static TopicName Parse(string text)
    {
        var parts = text.Split(':');
        return parts switch
        {
            ["jobs" or "workers" or "corpora" or "summary"] => new TopicName(text, parts[0], "", 0, null, null),
            ["events", var after] => new TopicName(text, parts[0], "", Number(text, after), null, null),
            ["job", var job] => new TopicName(text, parts[0], Job(text, job), 0, null, null),
            ["metrics" or "samples" or "logs", var job, var after] => new TopicName(text, parts[0], Job(text, job), Number(text, after), null, null),
            ["logs", var job, var after, var rank] => new TopicName(text, parts[0], Job(text, job), Number(text, after), Small(text, rank), null),
            ["metrics", var job, var after, var lineage, var generation] =>
                new TopicName(text, parts[0], Job(text, job), Number(text, after), null, (Small(text, lineage), Small(text, generation))),
            _ => throw Wrong(text),
        };
    }

    private static string Job(string text, string job) => job.Length is > 0 and <= LongestSubject ? job : throw Wrong(text);

    private static long Number(string text, string number) =>
        long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : throw Wrong(text);

    private static int Small(string text, string number) =>
        int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : throw Wrong(text);

    private static RpcException Wrong(string text) => Refusal.Invalid($"topic is {Refusal.Show(text)}; allowed: {Forms}.");
}
