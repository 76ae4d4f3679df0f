namespace Linformer.Training.Plugins;

/// <summary>
/// A task of one's own: what an assembly implements that a job file names under <c>plugin</c>. Each rank makes one, by a constructor
/// without parameters, and with it one task, which all that is known of data-parallel training is then done to.
/// </summary>
public interface ITrainingTaskFactory
{
    /// <summary>
    /// Makes the task: model, data and loss. The model's first values, and all that the task does, are a function of the seed, the settings
    /// and the numbers of samples: never of the rank, the time, or what was asked before. Before the call, torch's generator is seeded.
    /// </summary>
    /// <param name="context">What it is made from.</param>
    /// <returns>The task. All parameters of its model are trained: float32, on the context's device.</returns>
    ITrainingTask Create(PluginContext context);

    /// <summary>Writes what becomes of the job, on one rank. Without an implementation that is <see cref="PluginModel.Save"/>.</summary>
    /// <param name="task">The task, trained.</param>
    /// <param name="context">What it was made from.</param>
    /// <param name="folder">An empty folder; it gets its name, whole, when this returns.</param>
    void Save(ITrainingTask task, PluginContext context, string folder)
    {
        ArgumentNullException.ThrowIfNull(task);
        PluginModel.Save(task.Model, context, folder);
    }
}
