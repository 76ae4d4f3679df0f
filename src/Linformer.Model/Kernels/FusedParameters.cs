using System.Runtime.InteropServices;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>
/// Where the values and gradients of a model's parameters lie, for kernels that read and write them in place, and a
/// bfloat16 copy of the matrices where products are computed in bfloat16.
/// </summary>
/// <remarks>For one thread. Addresses and copies are taken anew by <see cref="Refresh"/>: others may have moved or changed the parameters.</remarks>
internal sealed unsafe class FusedParameters : IDisposable
{
    private const nuint CacheLine = 64;

    private readonly List<Entry> _entries = [];
    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal);
    private readonly ushort* _halves;

    /// <summary>Takes parameters; those of two and more dimensions get a bfloat16 copy if asked.</summary>
    /// <param name="parameters">The parameters, float32 on the CPU, with their names.</param>
    /// <param name="precision">Whether copies are needed.</param>
    public FusedParameters(IEnumerable<(string Name, Parameter Parameter)> parameters, Precision precision)
    {
        var elements = 0L;
        foreach (var (name, parameter) in parameters)
        {
            var copied = precision == Precision.BFloat16 && parameter.dim() > 1;
            _places.Add(name, _entries.Count);
            _entries.Add(new Entry(parameter, copied ? elements : -1));
            elements += copied ? (parameter.numel() + 31) / 32 * 32 : 0;
        }

        if (elements > 0)
        {
            _halves = (ushort*)NativeMemory.AlignedAlloc((nuint)elements * sizeof(ushort), CacheLine);
        }
    }

    /// <summary>Whether the model has a parameter of that name.</summary>
    public bool Has(string name) => _places.ContainsKey(name);

    /// <summary>The parameter of that name.</summary>
    public Parameter this[string name] => _entries[_places[name]].Parameter;

    /// <summary>Finds values and gradients again, and makes new copies of the values. A missing gradient is made, of zeros, if asked.</summary>
    /// <param name="withGradients">Whether gradients are going to be written.</param>
    public void Refresh(bool withGradients)
    {
        using var scope = NewDisposeScope();
        foreach (var entry in _entries)
        {
            entry.Value = Memory.Of(entry.Parameter);
            if (withGradients)
            {
                entry.Parameter.grad ??= zeros_like(entry.Parameter).DetachFromDisposeScope();
                entry.Gradient = Memory.Of(entry.Parameter.grad);
            }

            if (entry.Offset >= 0)
            {
                KernelException.Check(KernelMethods.ToBFloat16((float*)entry.Value, _halves + entry.Offset, entry.Parameter.numel(), out var error), error);
            }
        }
    }

    /// <summary>The float32 values of a parameter; 0 if the model has none of that name.</summary>
    public nint Value(string name) => _places.TryGetValue(name, out var place) ? _entries[place].Value : 0;

    /// <summary>The bfloat16 copy of a parameter's values; 0 if there is none.</summary>
    public nint Half(string name) =>
        _places.TryGetValue(name, out var place) && _entries[place].Offset >= 0 ? (nint)(_halves + _entries[place].Offset) : 0;

    /// <summary>The gradient of a parameter; 0 if the model has none of that name.</summary>
    public nint Gradient(string name) => _places.TryGetValue(name, out var place) ? _entries[place].Gradient : 0;

    /// <inheritdoc/>
    public void Dispose() => NativeMemory.AlignedFree(_halves);

    private sealed class Entry(Parameter parameter, long offset)
    {
        public Parameter Parameter { get; } = parameter;

        /// <summary>Of the copy; negative where there is none.</summary>
        public long Offset { get; } = offset;

        public nint Value { get; set; }

        public nint Gradient { get; set; }
    }
}
