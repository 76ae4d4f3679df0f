using Linformer.Coordinator.Jobs;

namespace Linformer.Coordinator.Storage;

/// <summary>The append-only history of jobs.</summary>
public interface IHistoryStore
{
    /// <summary>Appends entries; one whose number is there already is left as it is. Each is an event, too.</summary>
    Task AppendAsync(string jobId, IReadOnlyList<JobHistoryEntry> entries, CancellationToken cancellationToken);

    /// <summary>Entries after a number, in order.</summary>
    Task<IReadOnlyList<JobHistoryEntry>> ReadAfterAsync(string jobId, long sequence, int maximum, CancellationToken cancellationToken);
}
