using Linformer.Worker.Local;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>
/// What the coordinator hears of ranks that failed. It is repeated in every status, so it is bounded: a cluster of many ranks
/// that all fail must fit into a message.
/// </summary>
internal static class FailureReport
{
    private const int MaximumFailures = 8;
    private const int MaximumLine = 500;
    private const int MaximumReason = 4000;

    /// <summary>The ranks that failed in a run, the cause first.</summary>
    public static V1.RankFailure[] Of(RankFailedException failed, int generation, string worker) =>
        [.. failed.Others.Prepend(failed.Failure).Take(MaximumFailures).Select(failure => Of(failure, generation, worker))];

    /// <summary>A failure that no rank has told.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="reason">As a predicate, like all reasons: "could not be started: …".</param>
    /// <param name="permanent">Whether another try would end the same way.</param>
    /// <param name="generation">The generation.</param>
    /// <param name="worker">This worker's name.</param>
    public static V1.RankFailure Of(int rank, string reason, bool permanent, int generation, string worker) => new()
    {
        Generation = generation,
        Rank = rank,
        Worker = worker,
        Reason = Cut.To(reason, MaximumReason),
        Permanent = permanent,
    };

    private static V1.RankFailure Of(RankFailure failure, int generation, string worker)
    {
        var told = Of(failure.Rank, failure.Reason, failure.Permanent, generation, worker);
        (told.ExitCode, told.Signal, told.PeerLost) = (failure.ExitCode, failure.Signal ?? "", failure.PeerLost);
        told.LastLogLines.AddRange(failure.LastLogLines.Select(line => Cut.To(line, MaximumLine)));
        return told;
    }
}
