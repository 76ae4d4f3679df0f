using Linformer.Protocol.V1;

namespace Linformer.Chaos.Checks;

/// <summary>A job that has ended: its last metrics and its last history entry may come just after its state.</summary>
internal static class SettledJob
{
    /// <summary>Reads it until nothing new comes.</summary>
    public static async Task<JobDetails> ReadAsync(ClusterClient client, string job, CancellationToken cancellationToken)
    {
        var (details, points) = (await client.ShowAsync(job, cancellationToken), -1);
        for (var look = 0; look < 20; look++)
        {
            await Task.Delay(250, cancellationToken);
            var now = await client.ShowAsync(job, cancellationToken);
            var count = (await client.MetricsAsync(job, 0, cancellationToken)).Count;
            var settled = now.History.Count == details.History.Count && count == points;
            (details, points) = (now, count);
            if (settled)
                break;
        }

        return details;
    }
}
