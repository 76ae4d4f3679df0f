using System.Collections.Immutable;

namespace Linformer.Coordinator.Corpora;

/// <summary>A corpus, by the hash of its settings. It decides nothing itself: <see cref="ShardLeasing"/> does. It calls no other grain.</summary>
[Alias("linformer.corpus")]
public interface ICorpusGrain : IGrainWithStringKey
{
    /// <summary>
    /// A job needs the corpus. Starts a preparation, since files may have changed, unless one is under way that this job can share:
    /// one that has not yet read the files, or that this job asked for.
    /// </summary>
    /// <param name="jobId">The job.</param>
    /// <param name="settingsJson">The corpus section of its job file, as JSON.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>How it stands. It is ready for the job once it is ready in that round or a later one.</returns>
    [Alias("ensure")]
    Task<CorpusView> Ensure(string jobId, string settingsJson, CancellationToken cancellationToken);

    /// <summary>
    /// Takes what the workers report of their leases, takes back those of lost workers, and hands out new ones.
    /// </summary>
    /// <param name="workers">All workers that are alive, with the leases that they can take and those that they report.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>How it stands, with the leases that are out.</returns>
    [Alias("advance")]
    Task<CorpusView> Advance(ImmutableArray<LeaseTaker> workers, CancellationToken cancellationToken);

    /// <summary>How it stands; null when it was never asked for.</summary>
    [Alias("get")]
    Task<CorpusView?> Get(CancellationToken cancellationToken);
}

/// <summary>A live worker in the eyes of a corpus.</summary>
/// <param name="Worker">Its name.</param>
/// <param name="Capacity">How many leases it may hold.</param>
/// <param name="Leases">What it reports of those it has.</param>
[GenerateSerializer, Alias("linformer.lease-taker")]
public sealed record LeaseTaker(
    [property: Id(0)] string Worker, [property: Id(1)] int Capacity, [property: Id(2)] ImmutableArray<ReportedLease> Leases);
