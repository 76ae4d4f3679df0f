using System.Text;
using Linformer.Data;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Training.Checkpoints;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks.Tasks;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks;

/// <summary>What a rank process loads before it is warm: the job, its data, its model, and the trainer of all three.</summary>
public sealed class LoadedJob : IDisposable
{
    private readonly StartMessage _start;
    private readonly RankTaskContext _context;
    private readonly IRankTask _task;

    /// <summary>Loads it.</summary>
    /// <param name="start">The process's orders.</param>
    /// <param name="device">Where model and optimizer live.</param>
    /// <param name="adjust">Changes how it trains, for measurements; null for what the job says.</param>
    /// <exception cref="BadDataException">The corpus is too small or damaged.</exception>
    public LoadedJob(StartMessage start, Device device, Func<TrainingOptions, TrainingOptions>? adjust = null)
    {
        _start = start;
        var job = JobFileParser.Parse(Encoding.UTF8.GetBytes(start.JobJson), "job", cuda: true).OrThrow();
        Options = JobMapping.TrainingOptions(job);
        Options = adjust?.Invoke(Options) ?? Options;
        _context = new RankTaskContext(job, start, Options, device) { Advanced = () => Trainer?.Advanced() };
        _task = RankTasks.Create(_context);
        _task.GiveFirstValues();
        Trainer = new Trainer(_task.Training, Options);
        _task.Training.Model.train();
    }

    /// <summary>How it trains.</summary>
    public TrainingOptions Options { get; }

    /// <summary>Why the model is computed operator by operator; null if kernels compute it.</summary>
    public string? WithoutKernels => _task.WithoutKernels;

    /// <summary>What the user should know of the task as it is; null for nothing.</summary>
    public string? Note
    {
        get
        {
            var notes = ((string?[])[_task.Note, _context.Resized, _context.HeadAnew]).OfType<string>().ToList();
            return notes.Count == 0 ? null : string.Join(' ', notes);
        }
    }

    /// <summary>The trainer, in no process group yet.</summary>
    public Trainer Trainer { get; }

    /// <summary>Parameters of the model.</summary>
    public long Parameters => Trainer.Parameters.Slices.Sum(slice => slice.Length);

    /// <summary>Sequences of one epoch.</summary>
    public long TrainingSequences => _task.Training.TrainingSequences;

    /// <summary>Sequences that are held out.</summary>
    public long HeldOutSequences => _task.Training.HeldOutSequences;

    /// <summary>Puts the trainer before its first step, whatever it held.</summary>
    public void StartAnew()
    {
        _task.GiveFirstValues();
        Trainer.ClearMoments();
        Trainer.ContinueFrom(TrainerState.Initial);
    }

    /// <summary>What to tell the user of a job that is done.</summary>
    /// <param name="evaluation">How well the model does on the held-out sequences.</param>
    /// <param name="bestStep">The step of the model, where the best one is kept rather than the last; null otherwise.</param>
    public RankSummary Summary(EvaluationResult evaluation, long? bestStep) => _task.Summary(Trainer.Step, Parameters, evaluation) with { BestStep = bestStep };

    /// <summary>Writes the model's folder and the history of the ranks that have trained it.</summary>
    /// <param name="best">The checkpoint, verified, whose model is written; null for the present one. What the trainer holds stays.</param>
    public void Save(CheckpointInfo? best = null)
    {
        if (best is null)
        {
            _task.Save();
        }
        else
        {
            SaveOf(best);
        }

        Trainer.State.World.Save(Path.Combine(_start.RunFolder, StorageLayout.HistoryName));
    }

    private void SaveOf(CheckpointInfo best)
    {
        using var noGrad = no_grad();
        using var present = Trainer.Parameters.Values.clone();
        try
        {
            TrainerCheckpoint.ReadParameters(best, Trainer);
            _task.Save();
        }
        finally
        {
            Trainer.Parameters.Values.copy_(present);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Trainer.Dispose();
        _task.Dispose();
    }
}
