using Linformer.Training;
using Linformer.Training.Plugins;
using static TorchSharp.torch;

namespace Linformer.Worker.Ranks.Tasks.Plugins;

/// <summary>Looks whether ranks can train a plug-in's model together, before they do.</summary>
internal static class PluginChecks
{
    private const int Named = 5;

    /// <summary>Looks at the model.</summary>
    /// <param name="task">The task.</param>
    /// <param name="device">Where it should be.</param>
    /// <param name="shown">The assembly as the job file names it.</param>
    /// <exception cref="PluginException">It cannot be trained.</exception>
    public static void CheckModel(ITrainingTask task, Device device, string shown)
    {
        var parameters = task.Model.named_parameters().ToList();
        if (parameters.Count == 0)
        {
            throw new PluginException($"{shown}: the model has no parameters. Register them: fields of the module, before RegisterComponents is called.");
        }

        if (task.TrainingSequences < 1)
        {
            throw new PluginException($"{shown}: the task has {task.TrainingSequences} training samples; at least one is needed.");
        }

        // Told before the first step rather than at the first evaluation.
        _ = task.HeldOutSequences;
        foreach (var (name, parameter) in parameters)
        {
            if (parameter.dtype != ScalarType.Float32 || parameter.device_type != device.type)
            {
                throw new PluginException($"{shown}: parameter {name} is {parameter.dtype} on {parameter.device_type}; Float32 on {device.type} is needed.");
            }

            if (!parameter.requires_grad)
            {
                throw new PluginException($"{shown}: parameter {name} takes no gradient. Register what is not trained as a buffer.");
            }
        }
    }

    /// <summary>Computes the first micro-batch, and forgets it.</summary>
    /// <param name="task">The task; its parameters have no gradients before, and those of the micro-batch after.</param>
    /// <param name="options">How the job trains.</param>
    /// <param name="shown">The assembly as the job file names it.</param>
    /// <returns>What its author should know; null for nothing.</returns>
    /// <exception cref="PluginException">It fails, or changes what ranks do not bring together.</exception>
    public static string? Try(ITrainingTask task, TrainingOptions options, string shown)
    {
        using var scope = NewDisposeScope();
        var buffers = task.Model.named_buffers().Select(buffer => (Name: buffer.name, Now: buffer.buffer, Before: buffer.buffer.clone())).ToList();
        task.Model.train();
        task.TrainingLoss(0, options.MicroBatch).Sum?.backward();
        foreach (var (name, now, before) in buffers)
        {
            if (!now.cpu().contiguous().bytes.SequenceEqual(before.cpu().contiguous().bytes))
            {
                throw new PluginException($"{shown}: the buffer {name} changes while the model trains. Only parameters are brought together over the ranks, and kept in checkpoints: use a layer without running statistics, such as LayerNorm.");
            }
        }

        var without = task.Model.named_parameters().Where(p => p.parameter.grad is null).Select(p => p.name).ToList();
        var more = without.Count > Named ? $" and {without.Count - Named} more" : "";
        return without.Count == 0 ? null : $"The loss of the first samples depends on no value of {string.Join(", ", without.Take(Named))}{more}; such a parameter is trained by its weight decay alone.";
    }
}
