using Linformer.Training;

namespace Linformer.Worker.Ranks.Tasks;

/// <summary>What a job's task is to a rank process: its model, its data and its loss, and what becomes of the model.</summary>
public interface IRankTask : IDisposable
{
    /// <summary>What the trainer trains; disposed with this.</summary>
    ITrainingTask Training { get; }

    /// <summary>Why the model is computed operator by operator; null if kernels compute it.</summary>
    string? WithoutKernels { get; }

    /// <summary>What the user should know of the task as it is; null for nothing.</summary>
    string? Note => null;

    /// <summary>Writes the values with which the job begins into the model's parameters, whatever they held.</summary>
    void GiveFirstValues();

    /// <summary>What to tell the user of the job when it is done.</summary>
    /// <param name="step">Steps taken.</param>
    /// <param name="parameters">Parameters of the model.</param>
    /// <param name="evaluation">How well the model does on the held-out part.</param>
    RankSummary Summary(long step, long parameters, EvaluationResult evaluation);

    /// <summary>Writes the model's folder.</summary>
    void Save();
}
