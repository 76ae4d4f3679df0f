using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Data;
using Linformer.Model.Files;
using Linformer.Protocol;

namespace Linformer.Worker.Jobs;

/// <summary>What is remembered of a job between runs on this machine.</summary>
/// <param name="Generation">The last generation that was started.</param>
/// <param name="CorpusFingerprint">What the token shards were made from.</param>
/// <param name="Job">The job with all its settings resolved.</param>
/// <param name="Lineage">The lineage that it is in; it grows each time training goes back.</param>
/// <param name="LineageLimits">For each change of lineage, the last step that was kept; null for none.</param>
/// <param name="SkippedSteps">Steps that this lineage leaves out; null for none.</param>
public sealed record RunRecord(
    int Generation,
    string CorpusFingerprint,
    JsonNode Job,
    int Lineage = 0,
    IReadOnlyList<long>? LineageLimits = null,
    IReadOnlyList<long>? SkippedSteps = null)
{
    // The rest decides which numbers come out of a step, so a resumed job must keep it. A job may be made longer, though
    // that changes the learning rate; the warm-up goes with it, since by default it is a share of the steps. Early stopping only
    // ends it. What is kept as the best must stay: by another measure its checkpoint may be deleted already.
    private static readonly string[] MayChange =
    [
        "priority", "ranks", "training.steps", "training.warmupSteps", "training.evaluateEvery", "training.checkpointEvery",
        "training.earlyStopping", "training.keepCheckpoints", "training.onBadLoss", "training.shardOptimizer",
    ];

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
    };

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>The record of a run that starts.</summary>
    /// <param name="generation">Its generation.</param>
    /// <param name="corpusFingerprint">What the token shards were made from.</param>
    /// <param name="job">The job.</param>
    public static RunRecord Of(int generation, string corpusFingerprint, JobFile job) =>
        new(generation, corpusFingerprint, JsonNode.Parse(job.ToJson())!);

    /// <summary>Reads a record; null when there is none.</summary>
    /// <param name="path">Its file.</param>
    /// <exception cref="BadDataException">The file is damaged.</exception>
    public static RunRecord? Load(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            var text = File.ReadAllText(path);
            using (var document = JsonDocument.Parse(text, Strict))
            {
                CheckValues(document.RootElement);
            }

            return JsonSerializer.Deserialize<RunRecord>(text, Options) is { Job: JsonObject, CorpusFingerprint: not null } record
                ? record.Lineage == (record.LineageLimits?.Count ?? 0)
                    ? record
                    : throw new BadDataException($"{path}: is not a run record: lineage {record.Lineage} has {record.LineageLimits?.Count ?? 0} limits.")
                : throw new BadDataException($"{path}: is not a run record: a field is missing.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new BadDataException($"{path}: is not a run record: {e.Message}", e);
        }
    }

    /// <summary>Writes the record, whole or not at all.</summary>
    /// <param name="path">Its file.</param>
    public void Save(string path) => AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, Options));

    /// <summary>What holds after training has gone back from a step: the next lineage, which leaves the step out.</summary>
    /// <param name="badStep">The step.</param>
    public RunRecord GoneBackFrom(long badStep) => this with
    {
        Generation = Generation + 1,
        Lineage = Lineage + 1,
        LineageLimits = [.. LineageLimits ?? [], badStep - 1],
        SkippedSteps = [.. SkippedSteps ?? [], badStep],
    };

    /// <summary>The settings in which another job differs, of those that must not change when a job is resumed. What it leaves open does not differ.</summary>
    /// <param name="job">The other job.</param>
    /// <returns>A sentence for each, such as <c>training.seed was 1 and is 2</c>.</returns>
    public IReadOnlyList<string> ChangesOf(JobFile job)
    {
        var changes = new List<string>();
        if (ParsedJob() is { } before)
        {
            // A field that the version which wrote the record did not know had what is its default now.
            Compare("", JsonNode.Parse(JobResolution.KeepOf(before, before).ToJson()), JsonNode.Parse(JobResolution.KeepOf(job, before).ToJson()), changes);
        }
        else
        {
            Compare("", Job, JsonNode.Parse(job.ToJson()), changes);
        }

        return changes;
    }

    /// <summary>The job that was recorded; null when it is none by the rules of this version.</summary>
    public JobFile? ParsedJob() => JobFileParser.Parse(Job.ToJsonString(), "run.json", cuda: true).Job;

    // An escape such as \ud800 that is no character would be found only by whoever reads the text, and so would impossible numbers.
    private static void CheckValues(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    _ = property.Name;
                    CheckValues(property.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                {
                    CheckValues(item);
                }

                break;
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Number when !element.TryGetDouble(out var number) || !double.IsFinite(number) || HasLongExponent(element.GetRawText()):
                throw new JsonException("a number is out of range.");
        }
    }

    // Numbers are compared digit by digit, and not at all with such exponents.
    private static bool HasLongExponent(string number) => number.IndexOfAny(['e', 'E']) is var exponent and >= 0 && number.Length - exponent > 5;

    private static void Compare(string path, JsonNode? before, JsonNode? now, List<string> changes)
    {
        if (Array.IndexOf(MayChange, path) >= 0 || JsonNode.DeepEquals(before, now))
        {
            return;
        }

        if (before is JsonObject left && now is JsonObject right)
        {
            foreach (var name in left.Select(p => p.Key).Union(right.Select(p => p.Key), StringComparer.Ordinal))
            {
                Compare(path.Length == 0 ? name : $"{path}.{name}", left[name], right[name], changes);
            }

            return;
        }

        changes.Add($"{path} was {Shown(before)} and is {Shown(now)}");
    }

    private static string Shown(JsonNode? node) => node?.ToJsonString() ?? "not set";
}
