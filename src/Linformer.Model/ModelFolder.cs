using Linformer.Model.Files;
using Linformer.Model.Layers;
using Linformer.Model.SafeTensors;
using static TorchSharp.torch;

namespace Linformer.Model;

/// <summary>A finished model on disk: <c>config.json</c>, <c>model.safetensors</c> and, if it has one, <c>tokenizer.json</c>.</summary>
public static class ModelFolder
{
    /// <summary>The file with the parameters, keyed by their logical names.</summary>
    public const string WeightsName = "model.safetensors";

    /// <summary>The file with the tokenizer.</summary>
    public const string TokenizerName = "tokenizer.json";

    /// <summary>Writes a masked language model. The folder appears whole or not at all.</summary>
    /// <param name="folder">The folder; an older model in it is replaced.</param>
    /// <param name="model">The model.</param>
    /// <param name="tokenizerFile">The tokenizer to copy, or null.</param>
    /// <exception cref="IOException">The folder cannot be written: a full disk, no permission, or the like.</exception>
    /// <exception cref="ModelFormatException">The model cannot be put into such a file.</exception>
    public static void Save(string folder, MaskedLanguageModel model, string? tokenizerFile = null) =>
        Save(folder, model, new ModelDescription(ModelKind.MaskedLanguage, model.Config), tokenizerFile);

    /// <summary>Writes a model of any kind. The folder appears whole or not at all.</summary>
    /// <param name="folder">The folder; an older model in it is replaced.</param>
    /// <param name="model">The model.</param>
    /// <param name="description">From what it can be built again.</param>
    /// <param name="tokenizerFile">The tokenizer to copy, or null.</param>
    /// <exception cref="IOException">The folder cannot be written: a full disk, no permission, or the like.</exception>
    /// <exception cref="ModelFormatException">The model cannot be put into such a file.</exception>
    public static void Save(string folder, nn.Module model, ModelDescription description, string? tokenizerFile = null)
    {
        try
        {
            WholeFolder.Write(folder, temporary =>
            {
                File.WriteAllText(Path.Combine(temporary, ConfigFile.Name), ConfigFile.Write(description));
                Weights.Write(Path.Combine(temporary, WeightsName), model.named_parameters().Select(p => (p.name, (Tensor)p.parameter)));
                if (tokenizerFile is not null)
                {
                    File.Copy(tokenizerFile, Path.Combine(temporary, TokenizerName));
                }
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SafeTensorsException { InnerException: IOException or UnauthorizedAccessException })
        {
            // It may go well another time, unlike what is wrong with the model itself.
            throw new IOException($"{folder}: the model cannot be written: {e.Message}", e);
        }
        catch (SafeTensorsException e)
        {
            throw new ModelFormatException($"{folder}: the model cannot be written: {e.Message}", e);
        }
    }

    /// <summary>What kind of model is in a folder, and its shape.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="ModelFormatException">There is no such folder, or its config.json is not valid.</exception>
    public static ModelDescription Describe(string folder)
    {
        var path = Path.Combine(folder, ConfigFile.Name);
        try
        {
            return ConfigFile.Read(File.ReadAllText(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFormatException($"{folder} is not a model folder: {e.Message} A model folder holds {ConfigFile.Name}, {WeightsName} and {TokenizerName}.", e);
        }
    }

    /// <summary>The shape of the encoder of the model in a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="ModelFormatException">There is no such folder, or its config.json is not valid.</exception>
    public static LinformerConfig LoadConfig(string folder) => Describe(folder).Config;

    /// <summary>Reads a masked language model, set to evaluation.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="placement">Element type and device; float32 on the CPU by default.</param>
    /// <exception cref="ModelFormatException">A file is missing or not what it should be, or the model is of another kind.</exception>
    /// <exception cref="SafeTensorsException">model.safetensors is damaged or lacks a tensor.</exception>
    public static MaskedLanguageModel Load(string folder, Placement? placement = null) =>
        Load(folder, ModelKind.MaskedLanguage, description => new MaskedLanguageModel(description.Config, placement));

    /// <summary>Reads a model of a kind, set to evaluation.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="kind">What it has to be.</param>
    /// <param name="build">Makes the model of which the parameters are then read.</param>
    /// <exception cref="ModelFormatException">A file is missing or not what it should be, or the model is of another kind.</exception>
    /// <exception cref="SafeTensorsException">model.safetensors is damaged or lacks a tensor.</exception>
    public static TModel Load<TModel>(string folder, ModelKind kind, Func<ModelDescription, TModel> build)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(build);
        var description = Describe(folder);
        if (description.Kind != kind)
        {
            throw new ModelFormatException($"{Path.Combine(folder, ConfigFile.Name)}: the model is for {ConfigFile.NameOf(description.Kind)}; one for {ConfigFile.NameOf(kind)} is needed.");
        }

        CheckSize(folder, description);
        var model = Built(folder, description, build);
        try
        {
            LoadWeightsFile(Path.Combine(folder, WeightsName), model);
        }
        catch
        {
            model.Dispose();
            throw;
        }

        model.eval();
        return model;
    }

    /// <summary>Reads the parameters of a file into a model of the same shape.</summary>
    /// <param name="path">The file, wherever the folder's <see cref="WeightsName"/> leads.</param>
    /// <param name="model">The model; all its parameters are overwritten.</param>
    /// <exception cref="ModelFormatException">The file has other tensors or shapes than the model.</exception>
    /// <exception cref="SafeTensorsException">The file is damaged or lacks a tensor.</exception>
    public static void LoadWeightsFile(string path, nn.Module model) => ReadAll(path, model, Weights.ReadInto);

    /// <summary>Reads the parameters of a file into a model that may have another sequence length n; see <see cref="ProjectionResize"/>.</summary>
    /// <param name="path">The file, wherever the folder's <see cref="WeightsName"/> leads.</param>
    /// <param name="model">The model; all its parameters are overwritten.</param>
    /// <returns>What was resized.</returns>
    /// <exception cref="ModelFormatException">The file has other tensors than the model, or shapes that differ in more than n.</exception>
    /// <exception cref="SafeTensorsException">The file is damaged or lacks a tensor.</exception>
    public static IReadOnlyList<ResizedTensor> LoadResizedWeightsFile(string path, nn.Module model)
    {
        var resized = new List<ResizedTensor>();
        ReadAll(path, model, (file, name, parameter) =>
        {
            if (ProjectionResize.ReadInto(file, name, parameter) is { } one)
            {
                resized.Add(one);
            }
        });
        return resized;
    }

    // What is valid by itself may still be none of this kind.
    private static TModel Built<TModel>(string folder, ModelDescription description, Func<ModelDescription, TModel> build)
    {
        try
        {
            return build(description);
        }
        catch (ArgumentException e)
        {
            throw new ModelFormatException($"{Path.Combine(folder, ConfigFile.Name)}: {e.Message}", e);
        }
    }

    private static void ReadAll(string path, nn.Module model, Action<SafeTensorsFile, string, Tensor> readInto)
    {
        using var file = SafeTensorsFile.Open(path);
        var parameters = model.named_parameters().ToDictionary(p => p.name, p => p.parameter, StringComparer.Ordinal);
        var strange = file.Tensors.FirstOrDefault(t => !parameters.ContainsKey(t.Name));
        if (strange is not null)
        {
            throw new ModelFormatException($"{file.Path}: tensor '{strange.Name}' is not one of the model that {ConfigFile.Name} describes.");
        }

        foreach (var (name, parameter) in parameters)
        {
            readInto(file, name, parameter);
        }
    }

    // Before memory is taken for a model that the file cannot fill.
    private static void CheckSize(string folder, ModelDescription description)
    {
        using var file = SafeTensorsFile.Open(Path.Combine(folder, WeightsName));
        var elements = file.Tensors.Sum(tensor => tensor.ByteLength / tensor.Type.Size());
        var needed = description.Config.MatrixElements + (description.Decoder?.MatrixElements ?? 0);
        if (needed > elements)
        {
            throw new ModelFormatException($"{file.Path}: holds {elements} numbers, and the model that {ConfigFile.Name} describes has at least {needed}.");
        }
    }
}
