using System.Text.Json;

namespace Linformer.Coordinator.Jobs;

/// <summary>What rank 0 said at the end of a job.</summary>
internal static class JobSummary
{
    /// <summary>The steps that the job has taken; fewer than it was to take, if it stopped early.</summary>
    /// <param name="summary">JSON; null if nothing was said.</param>
    /// <returns>Null if the text does not tell.</returns>
    public static long? Steps(string? summary)
    {
        if (summary is null)
            return null;
        try
        {
            using var json = JsonDocument.Parse(summary);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("steps", out var steps) && steps.TryGetInt64(out var number)
                ? number
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
