using Linformer.Worker.Local;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Agents;

/// <summary>
/// What the coordinator hears of a member that failed. It is repeated in every status, so it is bounded: a cluster of many ranks
/// that all fail must fit into a message.
/// </summary>
internal static class FailureReport
{
    private const int MaximumLine = 500;
    private const int MaximumReason = 4000;

    /// <summary>A failure.</summary>
    /// <param name="member">The member.</param>
    /// <param name="state">What was known of it.</param>
    /// <param name="reason">As a predicate, like all reasons: "could not be started: …".</param>
    /// <param name="permanent">Whether another try would end the same way.</param>
    /// <param name="worker">This worker's name.</param>
    public static V1.RankFailure Of(int member, MemberState state, string reason, bool permanent, string worker) => new()
    {
        Member = member,
        Generation = state.Generation,
        Rank = Math.Max(state.Rank, 0),
        Step = state.AppliedStep,
        Worker = worker,
        Reason = Cut.To(reason, MaximumReason),
        Permanent = permanent,
    };

    /// <summary>A failure of a process.</summary>
    public static V1.RankFailure Of(int member, MemberState state, RankEnd end, IReadOnlyList<string> lastLogLines, string worker)
    {
        var told = Of(member, state, end.Reason ?? "", end.Permanent, worker);
        (told.ExitCode, told.Signal, told.PeerLost) = (end.ExitCode, end.Signal ?? "", end.PeerLost);
        AddLines(told, lastLogLines);
        return told;
    }

    /// <summary>Replaces the last log lines.</summary>
    public static void AddLines(V1.RankFailure told, IReadOnlyList<string> lastLogLines)
    {
        told.LastLogLines.Clear();
        told.LastLogLines.AddRange(lastLogLines.Select(line => Cut.To(line, MaximumLine)));
    }
}
