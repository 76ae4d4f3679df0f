using System.Text.Encodings.Web;
using System.Text.Json;
using Linformer.Model;
using static TorchSharp.torch;

namespace Linformer.Training.Plugins;

/// <summary>What becomes of a job with a task of one's own, unless the task says otherwise: two files.</summary>
public static class PluginModel
{
    /// <summary>The file with the parameters, by the names that the model gives them.</summary>
    public const string WeightsName = ModelFolder.WeightsName;

    /// <summary>The file that says what the parameters are of: settings and seed, as JSON.</summary>
    public const string DescriptionName = "plugin.json";

    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes the files.</summary>
    /// <param name="model">The model.</param>
    /// <param name="context">What it was made from.</param>
    /// <param name="folder">The folder, which exists.</param>
    /// <exception cref="IOException">They cannot be written.</exception>
    public static void Save(nn.Module model, PluginContext context, string folder)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(context);
        Weights.Write(Path.Combine(folder, WeightsName), model.named_parameters().Select(p => (p.name, (Tensor)p.parameter)));
        var description = new { format = 1, settings = context.Settings, seed = context.Seed, steps = context.Training.Steps };
        File.WriteAllText(Path.Combine(folder, DescriptionName), JsonSerializer.Serialize(description, Options) + "\n");
    }
}
