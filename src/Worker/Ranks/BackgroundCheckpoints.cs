using Linformer.Training;
using Linformer.Training.Checkpoints;
using Linformer.Worker.RankProtocol;
using Serilog;

namespace Linformer.Worker.Ranks;

/// <summary>
/// Writes checkpoints while training goes on: one at a time, each from a copy of the state. One that cannot be written
/// is a warning, since training can go on and the one before is still there.
/// </summary>
internal sealed class BackgroundCheckpoints(
    CheckpointStore store, StartMessage start, RankControl control, ILogger log, TrainingOptions options) : IDisposable
{
    private Task? _writing;

    /// <summary>Copies the trainer's state and starts to write it, once the one before is written.</summary>
    /// <param name="trainer">The trainer, between two steps.</param>
    public void Write(Trainer trainer)
    {
        FinishWriting(mustBeWritten: false);
        var copy = TrainerCheckpoint.Take(trainer, options.GlobalBatch);
        _writing = WriteAsync(copy);
    }

    /// <summary>Waits until the checkpoint that is being written is on disk.</summary>
    /// <param name="mustBeWritten">Whether training ends here, so that a checkpoint that cannot be written is an error.</param>
    /// <exception cref="CheckpointException">It could not be written.</exception>
    public void FinishWriting(bool mustBeWritten)
    {
        try
        {
            // The training thread waits on purpose: it has nothing else to do, and nothing waits for it in turn.
            _writing?.GetAwaiter().GetResult();
        }
        catch (CheckpointException e) when (!mustBeWritten)
        {
            log.Warning("A checkpoint could not be written; training goes on: {Reason}", e.Message);
            control.ReportWarning($"A checkpoint could not be written; training goes on. {e.Message}");
        }
        finally
        {
            _writing = null;
        }
    }

    public void Dispose() => FinishWriting(mustBeWritten: false);

    private IReadOnlyList<CheckpointId> DeleteOlder()
    {
        try
        {
            return store.Retain(options.KeepCheckpoints);
        }
        catch (CheckpointException e)
        {
            log.Warning("Older checkpoints could not be deleted: {Reason}", e.Message);
            control.ReportWarning($"Older checkpoints could not be deleted. {e.Message}");
            return [];
        }
    }

    private async Task WriteAsync(TrainerCheckpoint copy)
    {
        using (copy)
        {
            var info = await copy.WriteAsync(store, start.Lineage, start.Generation, start.JobJson);
            log.ForContext("Step", info.Id.Step).Information("Checkpoint {Checkpoint} is on disk", info.Id);
            var deleted = DeleteOlder().Select(id => id.ToString()).ToList();
            control.ReportCheckpointed(info.Id.ToString(), info.Folder, info.Id.Step, info.Files.Sum(file => file.Size), deleted.Count > 0 ? deleted : null);
        }
    }
}
