using Linformer.Data;
using Linformer.Protocol;
using Linformer.Training.Plugins;
using Linformer.Worker.Ranks.Tasks.Inference;
using Linformer.Worker.Ranks.Tasks.Plugins;

namespace Linformer.Worker.Ranks.Tasks;

/// <summary>Which class does what a job file calls its task.</summary>
internal static class RankTasks
{
    /// <summary>Loads the job's data and builds its model.</summary>
    /// <param name="context">What it is built from.</param>
    /// <exception cref="BadDataException">The data are too few or damaged.</exception>
    /// <exception cref="PluginException">A task of the user's own cannot be made.</exception>
    public static IRankTask Create(RankTaskContext context) => context.Job.Task switch
    {
        JobTask.MaskedLm => new MaskedLanguageRankTask(context),
        JobTask.CausalLm => new CausalLanguageRankTask(context),
        JobTask.Classification => new ClassificationRankTask(context),
        JobTask.SequenceToSequence => new SequenceToSequenceRankTask(context),
        JobTask.Inference => new InferenceRankTask(context),
        JobTask.Plugin => new PluginRankTask(context),
        var task => throw new BadDataException($"This version does not know the task {task}."),
    };
}
