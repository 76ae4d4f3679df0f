namespace Linformer.Worker.Local;

/// <summary>How a rank failed.</summary>
/// <param name="Rank">The rank.</param>
/// <param name="ExitCode">Its exit code; 128 + n after signal n.</param>
/// <param name="Signal">The signal's name, such as SIGKILL, when one ended it.</param>
/// <param name="Reason">What happened, as a predicate: "was ended by SIGKILL …".</param>
/// <param name="LastLogLines">Its last log lines of this run, at most 20.</param>
/// <param name="LogPath">Its log.</param>
/// <param name="PeerLost">Whether it only lost another rank, so that the cause is elsewhere.</param>
/// <param name="Permanent">Whether another try would end the same way.</param>
public sealed record RankFailure(
    int Rank,
    int ExitCode,
    string? Signal,
    string Reason,
    IReadOnlyList<string> LastLogLines,
    string LogPath,
    bool PeerLost = false,
    bool Permanent = false);

/// <summary>A run ended because a rank failed. The message shows the rank, why, and its last log lines.</summary>
public sealed class RankFailedException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="failure">The failure that is the cause of the others.</param>
    /// <param name="others">Ranks that failed as well, before they were killed.</param>
    public RankFailedException(RankFailure failure, IReadOnlyList<RankFailure> others)
        : base(Describe(failure, others))
    {
        Failure = failure;
        Others = others;
    }

    /// <summary>The failure that is the cause of the others.</summary>
    public RankFailure Failure { get; }

    /// <summary>Ranks that failed as well, before they were killed.</summary>
    public IReadOnlyList<RankFailure> Others { get; }

    private static string Describe(RankFailure failure, IReadOnlyList<RankFailure> others)
    {
        var lines = new List<string> { Sentence($"Rank {failure.Rank} {failure.Reason}") };
        lines.AddRange(others.Select(other => Sentence($"Then rank {other.Rank} {other.Reason}")));
        lines.Add(failure.LastLogLines.Count == 0 ? $"Its log {failure.LogPath} is empty." : $"The end of its log {failure.LogPath}:");
        lines.AddRange(failure.LastLogLines.Select(line => "  " + line));
        return string.Join('\n', lines);
    }

    // A rank's own reason may be a sentence already.
    private static string Sentence(string text) => text.EndsWith('.') ? text : text + ".";
}
