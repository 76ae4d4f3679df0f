using System.Collections.Immutable;

namespace Linformer.Coordinator.Rendezvous;

/// <summary>
/// How the ranks of a job's newest generation find each other, by the job's id: what they publish, in memory. Agents send their
/// values again after a reconnect, so nothing is stored.
/// </summary>
[Alias("linformer.rendezvous")]
public interface IRendezvousGrain : IGrainWithStringKey
{
    /// <summary>A rank has published a value. The same value again, and one of an older generation, change nothing.</summary>
    /// <exception cref="ArgumentException">The key or the value is too large, or there are too many.</exception>
    [Alias("set")]
    Task Set(int lineage, int generation, RendezvousEntry entry, CancellationToken cancellationToken);

    /// <summary>
    /// The values after a cursor, in the order in which they came; waits for some seconds at most for the next. Those of an older
    /// generation are gone.
    /// </summary>
    /// <param name="lineage">The lineage.</param>
    /// <param name="generation">The generation.</param>
    /// <param name="cursor">Of the page before; empty for the beginning.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    [Alias("read-after"), Orleans.Concurrency.AlwaysInterleave]
    Task<RendezvousPage> ReadAfter(int lineage, int generation, string cursor, CancellationToken cancellationToken);
}

/// <summary>A value that a rank has published.</summary>
/// <param name="Worker">The rank's worker.</param>
/// <param name="Key">Its key, at most 512 characters.</param>
/// <param name="Value">Its value, at most 64 KiB.</param>
[GenerateSerializer, Immutable, Alias("linformer.rendezvous-entry")]
public sealed record RendezvousEntry([property: Id(0)] string Worker, [property: Id(1)] string Key, [property: Id(2)] ImmutableArray<byte> Value);

/// <summary>Some of the values.</summary>
/// <param name="Cursor">For the next page.</param>
/// <param name="Entries">The values; none when the wait was in vain.</param>
[GenerateSerializer, Immutable, Alias("linformer.rendezvous-page")]
public sealed record RendezvousPage([property: Id(0)] string Cursor, [property: Id(1)] ImmutableArray<RendezvousEntry> Entries);
