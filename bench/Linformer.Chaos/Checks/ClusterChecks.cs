using Linformer.Chaos.Processes;

namespace Linformer.Chaos.Checks;

/// <summary>What must hold of a cluster's processes.</summary>
public static class ClusterChecks
{
    /// <summary>
    /// After the job: coordinator and workers have not ended by themselves, no rank is left; then they are told to end and
    /// do, and nothing is left of them.
    /// </summary>
    /// <param name="cluster">A cluster whose jobs have all ended.</param>
    /// <param name="patience">How long ranks may take to end, and then the others.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>What does not hold, a sentence each.</returns>
    public static async Task<IReadOnlyList<string>> NothingLeftAsync(ChaosCluster cluster, TimeSpan patience, CancellationToken cancellationToken)
    {
        var findings = new List<string>();
        if (cluster.Coordinator.HasExited)
            findings.Add($"The coordinator has ended by itself; see {cluster.Coordinator.LogFile}");
        for (var worker = 1; worker <= cluster.Workers; worker++)
        {
            if (cluster.Worker(worker).HasExited)
                findings.Add($"The agent of {ChaosCluster.NameOf(worker)} has ended by itself; see {cluster.Worker(worker).LogFile}");
        }

        int[] own = [cluster.Coordinator.Id, .. Enumerable.Range(1, cluster.Workers).Select(worker => cluster.Worker(worker).Id)];
        findings.AddRange(await LeftAsync(cluster, own, patience, "after the job", cancellationToken));
        findings.AddRange((await cluster.StopAsync(patience)).Select(name => $"{name} did not end on SIGTERM within {patience.TotalSeconds:0} s."));
        findings.AddRange(await LeftAsync(cluster, [], TimeSpan.FromSeconds(2), "after the cluster", cancellationToken));
        return findings;
    }

    /// <summary>The coordinator refused nothing that an agent reported: what is refused is lost.</summary>
    public static IEnumerable<string> NothingRefused(ChaosCluster cluster) =>
        File.ReadLines(cluster.Coordinator.LogFile).Where(line => line.Contains("telemetry items", StringComparison.Ordinal) && line.Contains("refused", StringComparison.Ordinal))
            .Take(1).Select(line => $"The coordinator refused telemetry: {line}");

    private static async Task<IEnumerable<string>> LeftAsync(
        ChaosCluster cluster, int[] own, TimeSpan patience, string when, CancellationToken cancellationToken)
    {
        var limit = DateTime.UtcNow + patience;
        while (true)
        {
            // Beside what is still to run, rank processes may wait for a job.
            var left = cluster.Processes().Except(own).Where(id => own.Length == 0 || !ProcessTable.IsSilent(id)).ToList();
            if (left.Count == 0 || DateTime.UtcNow > limit)
                return left.Select(id => $"Process {id} is left over {when}: {ProcessTable.CommandLine(id)}");
            await Task.Delay(100, cancellationToken);
        }
    }
}
