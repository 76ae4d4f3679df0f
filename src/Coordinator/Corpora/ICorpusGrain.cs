using System.Collections.Immutable;

namespace Linformer.Coordinator.Corpora;

/// <summary>A corpus, by the hash of its settings. It decides nothing itself: <see cref="ShardLeasing"/> does. It calls no other grain.</summary>
[Alias("linformer.corpus")]
public interface ICorpusGrain : IGrainWithStringKey
{
    /// <summary>
    /// A job needs the corpus. Starts a preparation, since files may have changed, unless one is under way: one that has not yet read
    /// the files is shared, and after any other the next one starts. Asking again changes nothing.
    /// </summary>
    /// <param name="asker">Who asks: <see cref="Jobs.JobView.CorpusAsker"/>.</param>
    /// <param name="settingsJson">The settings that decide the corpus; see <see cref="CorpusKey"/>.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>How it stands; <see cref="CorpusView.For"/> tells whether it is ready for the asker.</returns>
    [Alias("ensure")]
    Task<CorpusView> Ensure(string asker, string settingsJson, CancellationToken cancellationToken);

    /// <summary>
    /// Takes what the workers report of their leases, takes back those of lost workers, and hands out new ones.
    /// </summary>
    /// <param name="workers">All workers that are not lost, with the leases that they can take and those that they report.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>How it stands, with the leases that are out.</returns>
    /// <exception cref="InvalidOperationException">The corpus was never asked for.</exception>
    [Alias("advance")]
    Task<CorpusView> Advance(ImmutableArray<LeaseTaker> workers, CancellationToken cancellationToken);

    /// <summary>How it stands; null when it was never asked for.</summary>
    [Alias("get")]
    Task<CorpusView?> Get(CancellationToken cancellationToken);
}

/// <summary>A worker in the eyes of a corpus.</summary>
/// <param name="Worker">Its name.</param>
/// <param name="Capacity">How many leases of this corpus it may hold.</param>
/// <param name="Leases">What it reports of those it has.</param>
/// <param name="Missing">Leases that it should have by its newest assignment, but does not.</param>
[GenerateSerializer, Immutable, Alias("linformer.lease-taker")]
public sealed record LeaseTaker(
    [property: Id(0)] string Worker,
    [property: Id(1)] int Capacity,
    [property: Id(2)] ImmutableArray<ReportedLease> Leases,
    [property: Id(3)] ImmutableArray<string> Missing);
