using System.Collections.Immutable;
using Linformer.Coordinator.Scheduling;
using Linformer.Coordinator.Storage;
using Microsoft.Extensions.Logging;

namespace Linformer.Coordinator.Corpora;

/// <summary>Holds a corpus's state and does what <see cref="ShardLeasing"/> decides.</summary>
public sealed class CorpusGrain(
    [PersistentState("corpus", "coordinator")] IPersistentState<CorpusState> stored,
    IRosterStore roster,
    IEventLog events,
    ClusterTiming timing,
    TimeProvider time,
    ILogger<CorpusGrain> logger) : Grain, ICorpusGrain
{
    private PreparationStand? _progress;
    private LeaseWatch _watch = new(timing.PreparationPatience);

    /// <inheritdoc/>
    public async Task<CorpusView> Ensure(string asker, string settingsJson, CancellationToken cancellationToken)
    {
        var corpusId = this.GetPrimaryKeyString();
        if (stored.State.Round == 0)
            await roster.AddCorpusAsync(corpusId, CancellationToken.None);
        await WriteAsync(ShardLeasing.Ensure(stored.State, corpusId, asker, settingsJson, time.GetUtcNow()));
        return View();
    }

    /// <inheritdoc/>
    public async Task<CorpusView> Advance(ImmutableArray<LeaseTaker> workers, CancellationToken cancellationToken)
    {
        var before = stored.State;
        _watch = _watch.Look(before, workers, time.GetElapsedTime(0));
        await WriteAsync(ShardLeasing.Advance(before, workers, time.GetUtcNow(), _watch));
        LogFailures(before, workers);
        _progress = ShardLeasing.Progress(stored.State, workers);
        return View();
    }

    /// <inheritdoc/>
    public Task<CorpusView?> Get(CancellationToken cancellationToken) => Task.FromResult(ShardLeasing.View(stored.State, _progress));

    private void LogFailures(CorpusState before, ImmutableArray<LeaseTaker> workers)
    {
        var held = before.Leases.Select(granted => granted.Lease.LeaseId).ToHashSet(StringComparer.Ordinal);
        foreach (var taker in workers)
        {
            foreach (var lease in taker.Leases.Where(lease => lease.Condition == LeaseCondition.Failed && held.Contains(lease.LeaseId)))
            {
                logger.LogWarning(
                    "Corpus {CorpusId}: worker {Worker} failed with lease {LeaseId}: {Error}", before.CorpusId, taker.Worker, lease.LeaseId, lease.Error);
            }
        }
        foreach (var lease in before.Leases.Except(stored.State.Leases).Select(granted => granted.Lease).Where(lease => _watch.IsStuck(lease.LeaseId)))
        {
            logger.LogWarning(
                "Corpus {CorpusId}: worker {Worker} made no progress with lease {LeaseId} for {Minutes} min; others take over",
                before.CorpusId, lease.Worker, lease.LeaseId, timing.PreparationPatience.TotalMinutes);
        }
    }

    private void Note(CorpusState state)
    {
        var told = new EventRow { At = state.UpdatedAt, Kind = EventKind.Corpus, Subject = state.CorpusId, Name = state.CorpusId, What = "" };
        switch (state.Stage)
        {
            case CorpusStage.Planning:
                events.Note(told with { What = "planning begun", Why = state.Round > 1 ? $"round {state.Round}" : "" });
                break;
            case CorpusStage.Ready:
                events.Note(told with { What = "ready", Why = state.Ready is { Totals: var totals } ? $"{totals.Documents:#,0} documents, {totals.Tokens:#,0} tokens, {totals.Shards:#,0} {(totals.Shards == 1 ? "shard" : "shards")}" : "" });
                break;
            case CorpusStage.Failed:
                events.Note(told with { What = "failed", Why = state.Error, Severity = EventSeverity.Error });
                break;
        }
    }

    private CorpusView View() =>
        ShardLeasing.View(stored.State, _progress) ?? throw new InvalidOperationException($"Corpus {this.GetPrimaryKeyString()} was never asked for.");

    private async Task WriteAsync(CorpusState after)
    {
        var before = stored.State;
        if (ReferenceEquals(after, before))
            return;
        stored.State = after;
        try
        {
            await stored.WriteStateAsync();
        }
        catch
        {
            // Whether it was written is not known: the next activation reads what is.
            stored.State = before;
            DeactivateOnIdle();
            throw;
        }
        if (after.Stage != before.Stage || after.Round != before.Round)
        {
            logger.LogInformation(
                "Corpus {CorpusId}, round {Round}: {Stage} {Error}", after.CorpusId, after.Round, after.Stage, after.Error);
            Note(after);
        }
    }
}
