using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>The tensors of another project's model, with an account of which have been taken.</summary>
internal sealed class SourceTensors
{
    private readonly StateDict _state;
    private readonly string _prefix;
    private readonly HashSet<string> _used;

    /// <summary>All tensors of a file.</summary>
    public SourceTensors(StateDict state)
        : this(state, string.Empty, new(StringComparer.Ordinal))
    {
    }

    private SourceTensors(StateDict state, string prefix, HashSet<string> used)
    {
        (_state, _prefix, _used) = (state, prefix, used);
        Names = [.. state.Names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Select(name => name[prefix.Length..])];
    }

    public string Path => _state.Path;

    public IReadOnlyList<string> Names { get; }

    /// <summary>Those whose names begin so, by what follows; one account is kept of all.</summary>
    public SourceTensors Part(string prefix) => new(_state, _prefix + prefix, _used);

    public bool Has(string name) => _state.Contains(_prefix + name);

    /// <summary>A dimension of a tensor.</summary>
    public int Size(string name, int dimension)
    {
        var shape = _state.Shape(_prefix + name);
        var from = dimension < 0 ? shape.Count + dimension : dimension;
        return from >= 0 && from < shape.Count && shape[from] is > 0 and <= int.MaxValue
            ? (int)shape[from]
            : throw new ModelFormatException($"{Path}: tensor '{_prefix}{name}' has the shape [{string.Join(", ", shape)}], which is not that of this format.");
    }

    /// <summary>How many dimensions a tensor has.</summary>
    public int Dimensions(string name) => _state.Shape(_prefix + name).Count;

    /// <summary>How many numbers from 0 on stand where a prefix ends.</summary>
    public int Count(Func<int, string> name)
    {
        var count = 0;
        while (Has(name(count)))
        {
            count++;
        }

        return count > 0 ? count : throw new ModelFormatException($"{Path}: there is no tensor '{_prefix}{name(0)}'.");
    }

    /// <summary>Reads a tensor, which must have a shape.</summary>
    public Tensor Take(string name, params long[] shape)
    {
        name = _prefix + name;
        _used.Add(name);
        return _state.Shape(name).SequenceEqual(shape)
            ? _state.Read(name)
            : throw new ModelFormatException($"{Path}: tensor '{name}' has the shape [{string.Join(", ", _state.Shape(name))}]; [{string.Join(", ", shape)}] is expected.");
    }

    /// <summary>Whether two tensors hold the same numbers.</summary>
    public bool AreSame(string first, string second)
    {
        (first, second) = (_prefix + first, _prefix + second);
        if (!_state.Shape(first).SequenceEqual(_state.Shape(second)))
        {
            return false;
        }

        using var scope = NewDisposeScope();
        return _state.Read(first).eq(_state.Read(second)).all().item<bool>();
    }

    /// <summary>Leaves out tensors that a model here has no use for.</summary>
    public IReadOnlyList<string> LeaveOut(Func<string, bool> which)
    {
        var left = Names.Where(name => !_used.Contains(_prefix + name) && which(name)).ToList();
        _used.UnionWith(left.Select(name => _prefix + name));
        return left;
    }

    /// <summary>Refuses a file with tensors that nothing was made of: it is not what it was taken for.</summary>
    public void CheckAllUsed(string format)
    {
        if (Names.FirstOrDefault(name => !_used.Contains(_prefix + name)) is { } strange)
        {
            throw new ModelFormatException($"{Path}: tensor '{_prefix}{strange}' is not one of a {format} model that can be read.");
        }
    }
}
