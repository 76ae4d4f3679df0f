namespace Linformer.Coordinator.Storage;

/// <summary>A call that changed something, or would have.</summary>
/// <param name="Sequence">Grows; 0 before it is recorded.</param>
/// <param name="At">When it was answered.</param>
/// <param name="User">Who called; empty where nobody was recognised.</param>
/// <param name="Role">As what.</param>
/// <param name="TokenId">The public name of what the caller showed.</param>
/// <param name="Peer">The address that it came from.</param>
/// <param name="Method">Such as <c>/linformer.v1.Jobs/Cancel</c>.</param>
/// <param name="Target">What was to be changed.</param>
/// <param name="Outcome">"ok", or the status and why.</param>
public sealed record AuditRow(
    long Sequence, DateTimeOffset At, string User, string Role, string TokenId, string Peer, string Method, string Target, string Outcome);

/// <summary>The audit log. Rows are added, and neither changed nor deleted.</summary>
public interface IAuditStore
{
    /// <summary>Adds a row. It is there twice if the connection breaks while it is recorded: better than not at all.</summary>
    Task AppendAsync(AuditRow row, CancellationToken cancellationToken);

    /// <summary>Rows after one, oldest first.</summary>
    /// <param name="sequence">Only later ones.</param>
    /// <param name="user">Only this user's; empty for all.</param>
    /// <param name="maximum">At most so many.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<IReadOnlyList<AuditRow>> ReadAfterAsync(long sequence, string user, int maximum, CancellationToken cancellationToken);

    /// <summary>The newest rows, oldest first.</summary>
    /// <param name="user">Only this user's; empty for all.</param>
    /// <param name="maximum">At most so many.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<IReadOnlyList<AuditRow>> NewestAsync(string user, int maximum, CancellationToken cancellationToken);
}
