using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Model.Interchange.Pickle;
using Linformer.Model.SafeTensors;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>
/// The named tensors of another project's model: a safetensors file, one that is cut into several, or a file of <c>torch.save</c>.
/// Tensors are read on demand. For one thread.
/// </summary>
public sealed class StateDict : IDisposable
{
    private const string IndexSuffix = ".index.json";
    private const int LargestIndex = 64 << 20;

    // Where training programs put the state dict in what they save.
    private static readonly string[] Places = ["model", "state_dict", "model_state_dict", "net", "weights"];

    // What a wrapper of the model puts before each name: data parallelism, torch.compile, and modules with the model in a field.
    private static readonly string[] Wrappers = ["module.", "_orig_mod.", "model."];

    private readonly List<IDisposable> _files = [];
    private readonly Dictionary<string, (IReadOnlyList<long> Shape, Func<Tensor> Read)> _tensors = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];

    private StateDict(string path) => Path = path;

    /// <summary>The file's path, as it was given.</summary>
    public string Path { get; }

    /// <summary>The tensors' names, in the order of the file.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>The arguments of the program that trained it, where the file has them (fairseq's <c>args</c> or <c>cfg.model</c>); otherwise empty.</summary>
    public JsonObject Arguments { get; private set; } = [];

    /// <summary>Opens a file; what it holds is told by its first bytes, not by its name.</summary>
    /// <param name="path">A safetensors file, its <c>.index.json</c>, or a zip file of <c>torch.save</c>.</param>
    /// <exception cref="ModelFormatException">The file cannot be read or holds no named tensors.</exception>
    /// <exception cref="SafeTensorsException">A safetensors file is damaged.</exception>
    /// <exception cref="PickleException">A file of torch.save is damaged, or holds more than tensors and plain containers.</exception>
    public static StateDict Open(string path)
    {
        var state = new StateDict(path);
        try
        {
            if (path.EndsWith(IndexSuffix, StringComparison.Ordinal))
            {
                state.AddIndex(path);
            }
            else if (IsSafeTensors(path))
            {
                state.Add(SafeTensorsFile.Open(path));
            }
            else
            {
                state.Add(PyTorchFile.Open(path));
            }

            return state._names.Count > 0 ? state : throw new ModelFormatException($"{path}: holds no tensors.");
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    /// <summary>Whether there is a tensor of this name.</summary>
    /// <param name="name">The tensor's name.</param>
    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>The dimensions of a tensor.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="ModelFormatException">There is no such tensor.</exception>
    public IReadOnlyList<long> Shape(string name) => Find(name).Shape;

    /// <summary>Reads a tensor as float32 on the CPU.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="ModelFormatException">There is no such tensor.</exception>
    /// <exception cref="SafeTensorsException">It cannot be read.</exception>
    /// <exception cref="PickleException">It cannot be read.</exception>
    public Tensor Read(string name)
    {
        using var tensor = Find(name).Read();
        return tensor.to_type(ScalarType.Float32, copy: true);
    }

    /// <summary>Closes the files.</summary>
    public void Dispose() => _files.ForEach(file => file.Dispose());

    private static bool IsSafeTensors(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            Span<byte> start = stackalloc byte[9];
            return file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && start[8] == '{';
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFormatException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static JsonNode? ToJson(object? value, int depth = 0) => value switch
    {
        _ when depth > 8 => null,
        bool flag => flag,
        long number => number,
        double number => double.IsFinite(number) ? number : null,
        string text => text,
        object?[] items => new JsonArray([.. items.Select(item => ToJson(item, depth + 1))]),
        List<object?> items => new JsonArray([.. items.Select(item => ToJson(item, depth + 1))]),
        PickledDictionary dictionary => new JsonObject(dictionary.Items.Where(item => item.Key is string).Select(item => KeyValuePair.Create((string)item.Key, ToJson(item.Value, depth + 1)))),
        PickledNamespace space => ToJson(space.Fields, depth),
        _ => null,
    };

    private (IReadOnlyList<long> Shape, Func<Tensor> Read) Find(string name) => _tensors.TryGetValue(name, out var tensor)
        ? tensor
        : throw new ModelFormatException($"{Path}: there is no tensor '{name}' among its {_names.Count}.");

    private void Add(string name, IReadOnlyList<long> shape, Func<Tensor> read)
    {
        _names.Add(_tensors.TryAdd(name, (shape, read)) ? name : throw new ModelFormatException($"{Path}: the tensor '{name}' is there twice."));
    }

    private void Add(SafeTensorsFile file)
    {
        _files.Add(file);
        foreach (var tensor in file.Tensors)
        {
            Add(tensor.Name, tensor.Shape, () => Weights.Read(file, tensor.Name));
        }
    }

    private void Add(PyTorchFile file)
    {
        _files.Add(file);
        var root = file.Root as PickledDictionary ?? throw new ModelFormatException($"{Path}: holds no state dict; save model.state_dict().");
        if (root["args"] is PickledNamespace arguments)
        {
            Arguments = (JsonObject)ToJson(arguments)!;
        }
        else if (root["cfg"] is PickledDictionary configuration && ToJson(configuration["model"]) is JsonObject model)
        {
            Arguments = model;
        }

        var place = Places.FirstOrDefault(key => root[key] is PickledDictionary inner && inner.Items.Any(item => item.Value is PickledTensor));
        var state = place is null ? root : (PickledDictionary)root[place]!;
        var tensors = state.Items.Where(item => item is { Key: string, Value: PickledTensor }).ToList();
        var cut = WrapperLength(tensors.ConvertAll(item => (string)item.Key));
        foreach (var (key, value) in tensors)
        {
            var tensor = (PickledTensor)value!;
            Add(((string)key)[cut..], tensor.Shape, () => Weights.FromBytes(tensor.Type, tensor.Shape, file.Read(tensor)));
        }
    }

    // How long what all names begin with is.
    private static int WrapperLength(List<string> names)
    {
        var cut = 0;
        while (names.Count > 0 && Wrappers.FirstOrDefault(wrapper => names.TrueForAll(name => name.AsSpan(cut).StartsWith(wrapper, StringComparison.Ordinal))) is { } found)
        {
            cut += found.Length;
        }

        return cut;
    }

    private void AddIndex(string path)
    {
        try
        {
            if (new FileInfo(path).Length > LargestIndex)
            {
                throw new ModelFormatException($"{path}: has more than {LargestIndex >> 20} MiB.");
            }

            var map = JsonNode.Parse(File.ReadAllBytes(path))?["weight_map"]?.AsObject() ?? throw new ModelFormatException($"{path}: has no \"weight_map\".");
            var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
            foreach (var name in map.Select(item => item.Value?.GetValue<string>() ?? string.Empty).Distinct(StringComparer.Ordinal))
            {
                // The index comes from elsewhere, and is not to point outside of its folder.
                Add(name == System.IO.Path.GetFileName(name) && name.Length > 0
                    ? SafeTensorsFile.Open(System.IO.Path.Combine(folder, name))
                    : throw new ModelFormatException($"{path}: '{name}' is no name of a file beside it."));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new ModelFormatException($"{path}: cannot be read: {e.Message}", e);
        }
    }
}
