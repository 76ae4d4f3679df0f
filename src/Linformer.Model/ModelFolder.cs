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

    /// <summary>Writes a model. The folder appears whole or not at all.</summary>
    /// <param name="folder">The folder; an older model in it is replaced.</param>
    /// <param name="model">The model.</param>
    /// <param name="tokenizerFile">The tokenizer to copy, or null.</param>
    /// <exception cref="IOException">The folder cannot be written: a full disk, no permission, or the like.</exception>
    /// <exception cref="ModelFormatException">The model cannot be put into such a file.</exception>
    public static void Save(string folder, MaskedLanguageModel model, string? tokenizerFile = null)
    {
        folder = Path.GetFullPath(folder);
        var temporary = $"{folder}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(temporary);
            File.WriteAllText(Path.Combine(temporary, ConfigFile.Name), ConfigFile.Write(model.Config));
            Weights.Write(Path.Combine(temporary, WeightsName), model.named_parameters().Select(p => (p.name, (Tensor)p.parameter)));
            if (tokenizerFile is not null)
            {
                File.Copy(tokenizerFile, Path.Combine(temporary, TokenizerName));
            }

            FlushFiles(temporary);
            Replace(folder, temporary);
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
        finally
        {
            DeleteIfThere(temporary);
        }
    }

    /// <summary>The shape of the model in a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="ModelFormatException">There is no such folder, or its config.json is not valid.</exception>
    public static LinformerConfig LoadConfig(string folder)
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

    /// <summary>Reads a model, set to evaluation.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="placement">Element type and device; float32 on the CPU by default.</param>
    /// <exception cref="ModelFormatException">A file is missing or not what it should be.</exception>
    /// <exception cref="SafeTensorsException">model.safetensors is damaged or lacks a tensor.</exception>
    public static MaskedLanguageModel Load(string folder, Placement? placement = null)
    {
        var config = LoadConfig(folder);
        CheckSize(folder, config);
        var model = new MaskedLanguageModel(config, placement);
        try
        {
            LoadWeights(folder, model);
        }
        catch
        {
            model.Dispose();
            throw;
        }

        model.eval();
        return model;
    }

    /// <summary>Reads the parameters of a folder into a model of the same shape.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="model">The model; all its parameters are overwritten.</param>
    /// <exception cref="ModelFormatException">The file has other tensors or shapes than the model.</exception>
    /// <exception cref="SafeTensorsException">The file is damaged or lacks a tensor.</exception>
    public static void LoadWeights(string folder, MaskedLanguageModel model) => LoadWeightsFile(Path.Combine(folder, WeightsName), model);

    /// <summary>Reads the parameters of a file into a model of the same shape.</summary>
    /// <param name="path">The file, wherever the folder's <see cref="WeightsName"/> leads.</param>
    /// <param name="model">The model; all its parameters are overwritten.</param>
    /// <exception cref="ModelFormatException">The file has other tensors or shapes than the model.</exception>
    /// <exception cref="SafeTensorsException">The file is damaged or lacks a tensor.</exception>
    public static void LoadWeightsFile(string path, MaskedLanguageModel model)
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
            Weights.ReadInto(file, name, parameter);
        }
    }

    // Before memory is taken for a model that the file cannot fill.
    private static void CheckSize(string folder, LinformerConfig config)
    {
        using var file = SafeTensorsFile.Open(Path.Combine(folder, WeightsName));
        var elements = file.Tensors.Sum(tensor => tensor.ByteLength / tensor.Type.Size());
        if (config.MatrixElements > elements)
        {
            throw new ModelFormatException($"{file.Path}: holds {elements} numbers, and the model that {ConfigFile.Name} describes has at least {config.MatrixElements}.");
        }
    }

    private static void FlushFiles(string folder)
    {
        foreach (var path in Directory.EnumerateFiles(folder))
        {
            using var file = File.OpenHandle(path, access: FileAccess.ReadWrite);
            RandomAccess.FlushToDisk(file);
        }

        Disk.FlushFolder(folder);
    }

    private static void Replace(string folder, string temporary)
    {
        if (!Directory.Exists(folder))
        {
            Directory.Move(temporary, folder);
        }
        else
        {
            var old = $"{folder}.{Guid.NewGuid():N}.old";
            Directory.Move(folder, old);
            Directory.Move(temporary, folder);
            DeleteIfThere(old);
        }

        Disk.FlushFolder(Path.GetDirectoryName(folder)!);
    }

    private static void DeleteIfThere(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
