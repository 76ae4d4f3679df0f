using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Model.Decoding;
using Linformer.Model.Interchange.Formats;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>Models from other projects, and to them.</summary>
public static class ModelFormats
{
    private const string ConfigName = "config.json";

    // In the order in which Hugging Face looks for them.
    private static readonly string[] FileNames = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];

    private static readonly IModelFormat[] All =
    [
        new BertFormat(isRoberta: true), new BertFormat(isRoberta: false), new LucidrainsFormat(), new Tatp22Format(), new FairseqFormat(),
    ];

    /// <summary>The formats' names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(format => format.Name)];

    /// <summary>Reads a model of another project.</summary>
    /// <param name="format">One of <see cref="Names"/>.</param>
    /// <param name="path">A file of tensors, or a folder in Hugging Face's layout, whose config.json gives options.</param>
    /// <param name="options">The arguments of that project's constructor, where its files do not have them; they come before what a file says. Null for none.</param>
    /// <exception cref="ModelFormatException">The file is of another project, or the model has something that models here do not; names it.</exception>
    /// <exception cref="SafeTensors.SafeTensorsException">A safetensors file is damaged.</exception>
    /// <exception cref="Pickle.PickleException">A file of torch.save is damaged, or holds more than tensors and plain containers.</exception>
    public static ImportedModel Import(string format, string path, JsonObject? options = null)
    {
        var chosen = Find(format);
        using var state = StateDict.Open(WeightsOf(path));
        if (!chosen.LooksLike(state))
        {
            var guess = All.FirstOrDefault(other => other.LooksLike(state))?.Name;
            var looks = guess is null ? "like none of the known formats" : $"like {guess}";
            throw new ModelFormatException($"{state.Path}: is no {format} model; its tensors look {looks} (the first is '{state.Names[0]}').");
        }

        using var noGrad = no_grad();
        try
        {
            var imported = chosen.Import(new SourceTensors(state), new FormatOptions(Merge(state.Arguments, ConfigOf(path), options), "The options of the model"));
            Check(imported.Description);
            return imported;
        }
        catch (ArgumentException e)
        {
            throw new ModelFormatException($"{state.Path}: the model cannot be built here: {e.Message}", e);
        }
    }

    /// <summary>Puts a model into the form of another project.</summary>
    /// <param name="format">One of <see cref="Names"/>.</param>
    /// <param name="model">The model, which stays as it is.</param>
    /// <exception cref="ModelFormatException">The model has something that the project does not, or lacks something that it always has; names it.</exception>
    public static ExportedModel Export(string format, MaskedLanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Export(format, model, new ModelDescription(ModelKind.MaskedLanguage, model.Config));
    }

    /// <summary>Puts a model of any kind into the form of another project.</summary>
    /// <param name="format">One of <see cref="Names"/>.</param>
    /// <param name="model">The model, which stays as it is.</param>
    /// <param name="description">From what it was built.</param>
    /// <exception cref="ModelFormatException">The project has no such models, or the model has something that the project does not; names it.</exception>
    public static ExportedModel Export(string format, nn.Module model, ModelDescription description)
    {
        var chosen = Find(format);
        if (!chosen.Kinds.Contains(description.Kind))
        {
            var allowed = string.Join(", ", chosen.Kinds.Select(ConfigFile.NameOf));
            throw new ModelFormatException($"The model is for {ConfigFile.NameOf(description.Kind)}; for {format}, models for {allowed} can be written.");
        }

        using var noGrad = no_grad();
        return chosen.Export(new ExportSource(model, description, format));
    }

    private static void Check(ModelDescription model)
    {
        model.Config.Validate();
        if (model.Kind == ModelKind.OpenDecoder)
        {
            OpenDecoder.Check(model.Config);
        }
        else if (model.Kind == ModelKind.OpenSequenceToSequence)
        {
            OpenSequenceToSequenceModel.Check(model.Config, model.Decoder!);
        }
    }

    private static IModelFormat Find(string name) => Array.Find(All, format => format.Name == name)
        ?? throw new ModelFormatException($"There is no format '{name}'; there are {string.Join(", ", Names)}.");

    private static string WeightsOf(string path)
    {
        if (!Directory.Exists(path))
        {
            return path;
        }

        return FileNames.Select(name => Path.Combine(path, name)).FirstOrDefault(File.Exists)
            ?? throw new ModelFormatException($"{path}: the folder has none of {string.Join(", ", FileNames)}.");
    }

    private static JsonObject? ConfigOf(string path)
    {
        var file = Path.Combine(Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!, ConfigName);
        return File.Exists(file) ? ReadOptions(file) : null;
    }

    /// <summary>Reads options from a file with a JSON object.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ModelFormatException">The file cannot be read, or is no JSON object.</exception>
    public static JsonObject ReadOptions(string path)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllBytes(path)) as JsonObject ?? throw new ModelFormatException($"{path}: a JSON object is expected.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or ArgumentException)
        {
            throw new ModelFormatException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static JsonObject Merge(params JsonObject?[] sources)
    {
        var merged = new JsonObject();
        foreach (var (name, value) in sources.OfType<JsonObject>().SelectMany(source => source))
        {
            // Read anew, so that a number is one of any type, wherever it comes from.
            merged[name] = value is null ? null : JsonNode.Parse(value.ToJsonString());
        }

        return merged;
    }
}
