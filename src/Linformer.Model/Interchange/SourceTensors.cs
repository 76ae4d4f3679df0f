using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>The tensors of another project's model, with an account of which have been taken.</summary>
/// <param name="state">The tensors.</param>
internal sealed class SourceTensors(StateDict state)
{
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);

    public string Path => state.Path;

    public IReadOnlyList<string> Names => state.Names;

    public bool Has(string name) => state.Contains(name);

    /// <summary>A dimension of a tensor.</summary>
    public int Size(string name, int dimension)
    {
        var shape = state.Shape(name);
        var from = dimension < 0 ? shape.Count + dimension : dimension;
        return from >= 0 && from < shape.Count && shape[from] is > 0 and <= int.MaxValue
            ? (int)shape[from]
            : throw new ModelFormatException($"{Path}: tensor '{name}' has the shape [{string.Join(", ", shape)}], which is not that of this format.");
    }

    /// <summary>How many dimensions a tensor has.</summary>
    public int Dimensions(string name) => state.Shape(name).Count;

    /// <summary>How many numbers from 0 on stand where a prefix ends.</summary>
    public int Count(Func<int, string> name)
    {
        var count = 0;
        while (Has(name(count)))
        {
            count++;
        }

        return count > 0 ? count : throw new ModelFormatException($"{Path}: there is no tensor '{name(0)}'.");
    }

    /// <summary>Reads a tensor, which must have a shape.</summary>
    public Tensor Take(string name, params long[] shape)
    {
        _used.Add(name);
        return state.Shape(name).SequenceEqual(shape)
            ? state.Read(name)
            : throw new ModelFormatException($"{Path}: tensor '{name}' has the shape [{string.Join(", ", state.Shape(name))}]; [{string.Join(", ", shape)}] is expected.");
    }

    /// <summary>Whether two tensors hold the same numbers.</summary>
    public bool AreSame(string first, string second)
    {
        if (!state.Shape(first).SequenceEqual(state.Shape(second)))
        {
            return false;
        }

        using var scope = NewDisposeScope();
        return state.Read(first).eq(state.Read(second)).all().item<bool>();
    }

    /// <summary>Leaves out tensors that a model here has no use for.</summary>
    public IReadOnlyList<string> LeaveOut(Func<string, bool> which)
    {
        var left = Names.Where(name => !_used.Contains(name) && which(name)).ToList();
        _used.UnionWith(left);
        return left;
    }

    /// <summary>Refuses a file with tensors that nothing was made of: it is not what it was taken for.</summary>
    public void CheckAllUsed(string format)
    {
        if (Names.FirstOrDefault(name => !_used.Contains(name)) is { } strange)
        {
            throw new ModelFormatException($"{Path}: tensor '{strange}' is not one of a {format} model that can be read.");
        }
    }
}
