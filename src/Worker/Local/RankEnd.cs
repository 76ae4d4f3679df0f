namespace Linformer.Worker.Local;

/// <summary>How a rank's process ended.</summary>
internal enum RankOutcome
{
    /// <summary>It has done all of the job.</summary>
    Finished,

    /// <summary>It stopped before, because it or another rank was asked to.</summary>
    Stopped,

    /// <summary>It could not go on, or was killed for what it did or did not do.</summary>
    Failed,

    /// <summary>Its parent killed it because it was no longer needed.</summary>
    Killed,
}

/// <summary>A rank's process has ended.</summary>
/// <param name="Outcome">How.</param>
/// <param name="ExitCode">Its exit code; 128 + n after signal n.</param>
/// <param name="Signal">The signal's name, such as SIGKILL, when one ended it.</param>
/// <param name="Reason">Of a failure: what happened, as a predicate.</param>
/// <param name="PeerLost">Of a failure: whether it only lost another rank.</param>
/// <param name="Permanent">Of a failure: whether another try would end the same way.</param>
/// <param name="Summary">What it said when it had done all of the job, as JSON.</param>
internal sealed record RankEnd(
    RankOutcome Outcome,
    int ExitCode,
    string? Signal = null,
    string? Reason = null,
    bool PeerLost = false,
    bool Permanent = false,
    string? Summary = null);
