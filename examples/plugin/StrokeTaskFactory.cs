using Linformer.Training;
using Linformer.Training.Plugins;

namespace Strokes;

/// <summary>What <c>plugin.settings</c> of the job file may say.</summary>
/// <param name="Hidden">Width of the network.</param>
/// <param name="TrainingPictures">Pictures of an epoch.</param>
/// <param name="HeldOutPictures">Pictures that the network is measured on.</param>
/// <param name="Noise">How much of a picture is noise, from 0 on.</param>
public sealed record StrokeSettings(int Hidden = 64, long TrainingPictures = 20_000, long HeldOutPictures = 500, double Noise = 0.5);

/// <summary>What a worker looks for in the assembly.</summary>
public sealed class StrokeTaskFactory : ITrainingTaskFactory
{
    /// <inheritdoc/>
    public ITrainingTask Create(PluginContext context)
    {
        var settings = context.SettingsAs<StrokeSettings>();
        if (settings is not { Hidden: > 0, TrainingPictures: > 0, HeldOutPictures: >= 0, Noise: >= 0 })
        {
            throw new PluginException($"plugin.settings: hidden ({settings.Hidden}) and trainingPictures ({settings.TrainingPictures}) must be above 0, heldOutPictures ({settings.HeldOutPictures}) and noise ({settings.Noise}) at least 0.");
        }

        return new StrokeTask(context, settings);
    }
}
