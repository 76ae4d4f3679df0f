using System.Diagnostics;
using Linformer.Training;
using Linformer.Training.Checkpoints;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Sharding;
using Linformer.Worker.RankProtocol;
using Serilog;

namespace Linformer.Worker.Ranks;

/// <summary>
/// Writes checkpoints while training goes on: one at a time, each from a copy of the state. One that cannot be written
/// is a warning, since training can go on and the one before is still there.
/// </summary>
internal sealed class BackgroundCheckpoints(
    CheckpointStore store, StorageMark mark, StartMessage start, RankControl control, Pulse pulse, ILogger log, TrainingOptions options) : IDisposable
{
    private volatile int _lineage;
    private Task? _writing;
    private CheckpointId? _newest;
    private long? _lastTries;

    /// <summary>
    /// The process has been told of a generation. From then on a checkpoint of an earlier lineage, still being written, no longer
    /// decides which older ones go: the new lineage may begin with one of them.
    /// </summary>
    /// <param name="join">The generation.</param>
    public void Joins(JoinMessage join) => _lineage = join.Lineage;

    /// <summary>Copies the trainer's state and starts to write it, once the one before is written.</summary>
    /// <param name="trainer">The trainer, between two steps.</param>
    /// <param name="join">The generation that has taken the step.</param>
    /// <param name="confirmed">
    /// Completes when all ranks have applied the step. If some have not, they go on from the one before, and this one is in no
    /// checkpoint. Null when it is known that all have.
    /// </param>
    /// <param name="gathered">All moments, where each rank has its own part; null where this one has all.</param>
    public void Write(Trainer trainer, JoinMessage join, IWork? confirmed, Moments? gathered = null)
    {
        var id = new CheckpointId(join.Lineage, join.Generation, trainer.Step);
        if (id == _newest)
        {
            return;
        }

        FinishWriting();
        _newest = id;
        var best = options.KeepBest is { } measure ? trainer.State.Evaluations.Best(measure)?.Step : null;
        var copy = TrainerCheckpoint.Take(trainer, options.GlobalBatch, gathered);
        _writing = WriteAsync(copy, id, confirmed, join.Checkpoints(), best);
    }

    /// <summary>Writes the state with which the process stops, unless the store has it or what came after it.</summary>
    /// <param name="trainer">The trainer, between two steps.</param>
    /// <param name="join">The generation that has taken the step.</param>
    /// <param name="gathered">All moments, where each rank has its own part; null where this one has all.</param>
    /// <returns>False when it could not be written, of which a warning tells, and should be tried again in a while.</returns>
    /// <exception cref="CheckpointException">It could not be written, and has been tried for long enough.</exception>
    public bool WriteLast(Trainer trainer, JoinMessage join, Moments? gathered = null)
    {
        var id = new CheckpointId(join.Lineage, join.Generation, trainer.Step);
        try
        {
            FinishWriting();
            if (!HasWritten(id))
            {
                _newest = null;
                Write(trainer, join, confirmed: null, gathered);
                Wait();
            }

            return true;
        }
        catch (CheckpointException e)
        {
            _newest = null;
            if (HasWritten(id))
            {
                // Another one that holds the same state was faster.
                return true;
            }

            _lastTries ??= Stopwatch.GetTimestamp();
            if (Stopwatch.GetElapsedTime(_lastTries.Value).TotalSeconds >= start.CheckpointPatience)
            {
                throw;
            }

            log.Warning("The checkpoint to stop with could not be written and is tried again: {Reason}", e.Message);
            control.ReportWarning($"The checkpoint to stop with could not be written; it is tried again, and the state of step {id.Step} stays in memory until then. {e.Message}");
            return false;
        }
    }

    private bool HasWritten(CheckpointId id)
    {
        try
        {
            return Newest() >= id;
        }
        catch (CheckpointException)
        {
            return false;
        }
    }

    /// <summary>The newest generation that has written a checkpoint, if it has replaced this one; else null.</summary>
    /// <exception cref="CheckpointException">The store cannot be read.</exception>
    public int? ReplacedBy(JoinMessage join) =>
        Newest() is { } newest && (newest.Lineage, newest.Generation).CompareTo((join.Lineage, join.Generation)) > 0 ? newest.Generation : null;

    /// <summary>The checkpoint of a step, for the model that is kept; null with a warning if there is none that is whole.</summary>
    /// <param name="step">The step.</param>
    /// <param name="join">The generation that finishes the job.</param>
    public CheckpointInfo? Find(long step, JoinMessage join)
    {
        var reason = "it was not written";
        try
        {
            foreach (var id in join.Checkpoints().InOrder(store.List()).Where(id => id.Step == step))
            {
                return store.OpenVerified(id);
            }
        }
        catch (CheckpointException e)
        {
            reason = e.Message;
        }

        log.Warning("The best model, that of step {Step}, cannot be read: {Reason}", step, reason);
        control.ReportWarning($"The best model, that of step {step}, is not there any more, so the last one is kept: {reason}.");
        return null;
    }

    /// <summary>Waits until the checkpoint that is being written is on disk; that it cannot be written is a warning.</summary>
    public void FinishWriting()
    {
        try
        {
            Wait();
        }
        catch (CheckpointException e)
        {
            _newest = null;
            log.Warning("A checkpoint could not be written; training goes on: {Reason}", e.Message);
            control.ReportWarning($"A checkpoint could not be written; training goes on. {e.Message}");
        }
    }

    public void Dispose() => FinishWriting();

    private CheckpointId? Newest() => store.List() is [.., var newest] ? newest : null;

    private void Wait()
    {
        try
        {
            // The training thread waits on purpose: it has nothing else to do, and nothing waits for it in turn.
            pulse.Wait(() => _writing?.GetAwaiter().GetResult());
        }
        finally
        {
            _writing = null;
        }
    }

    private static bool HasSucceeded(IWork work)
    {
        try
        {
            work.Wait();
            return true;
        }
        catch (ProcessGroupException)
        {
            return false;
        }
    }

    private IReadOnlyList<CheckpointId> DeleteOlder(CheckpointId written, CheckpointLineage lineage, long? best)
    {
        if (written.Lineage < _lineage)
        {
            return [];
        }

        try
        {
            // A generation that has been replaced and does not know it yet may still write, but what to keep is not its business.
            if (Newest() is { } newest && (newest.Lineage, newest.Generation).CompareTo((written.Lineage, written.Generation)) > 0)
            {
                log.Warning("Older checkpoints stay: {Checkpoint} is of a newer generation", newest);
                control.ReportWarning($"Older checkpoints stay: checkpoint {newest} is of a newer generation than generation {written.Generation}, which has written {written}.");
                return [];
            }

            return store.Retain(options.KeepCheckpoints, lineage, best);
        }
        catch (CheckpointException e)
        {
            log.Warning("Older checkpoints could not be deleted: {Reason}", e.Message);
            control.ReportWarning($"Older checkpoints could not be deleted. {e.Message}");
            return [];
        }
    }

    private void CheckStorage()
    {
        try
        {
            mark.Check();
        }
        catch (IOException e)
        {
            throw new CheckpointException($"{store.Folder}: {e.Message}.", e);
        }
    }

    private async Task WriteAsync(TrainerCheckpoint copy, CheckpointId id, IWork? confirmed, CheckpointLineage lineage, long? best)
    {
        using (copy)
        {
            if (confirmed is not null && !await Task.Run(() => HasSucceeded(confirmed)))
            {
                return;
            }

            await Task.Run(CheckStorage);
            var info = await copy.WriteAsync(store, id.Lineage, id.Generation, start.JobJson);
            log.ForContext("Step", id.Step).Information("Checkpoint {Checkpoint} is on disk", id);
            var deleted = DeleteOlder(id, lineage, best).Select(older => older.ToString()).ToList();
            control.ReportCheckpointed(id.ToString(), info.Folder, id.Step, info.Files.Sum(file => file.Size), deleted.Count > 0 ? deleted : null);
        }
    }
}
