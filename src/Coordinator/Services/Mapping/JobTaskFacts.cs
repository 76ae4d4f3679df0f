using System.Text;
using System.Text.Json;

namespace Linformer.Coordinator.Services.Mapping;

/// <summary>What a job's list entry tells of its file.</summary>
/// <param name="Task">The task as job files name it; empty for what is no job file of today.</param>
/// <param name="DocumentsPerStep">Of inference, the documents in a step, over all ranks; 0 for others.</param>
internal readonly record struct JobTaskFacts(string Task, long DocumentsPerStep)
{
    private const string Inference = "inference";

    /// <summary>Reads them; of most jobs, only the beginning of the file.</summary>
    /// <param name="jobJson">The job with all settings resolved.</param>
    public static JobTaskFacts Of(string jobJson)
    {
        try
        {
            var bytes = Encoding.UTF8.GetBytes(jobJson);
            var task = TaskOf(bytes);
            return task == Inference ? new JobTaskFacts(task, Documents(bytes)) : new JobTaskFacts(task, 0);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            return new JobTaskFacts("", 0);
        }
    }

    private static string TaskOf(byte[] json)
    {
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1)
            {
                var isTask = reader.ValueTextEquals("task"u8);
                reader.Read();
                if (isTask)
                    return reader.GetString() ?? "";
                reader.Skip();
            }
        }
        return "";
    }

    private static long Documents(byte[] json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.TryGetProperty(Inference, out var section) && section.TryGetProperty("shardDocuments", out var shard)
            && document.RootElement.TryGetProperty("training", out var training) && training.TryGetProperty("globalBatch", out var files)
            ? shard.GetInt64() * files.GetInt64()
            : 0;
    }
}
