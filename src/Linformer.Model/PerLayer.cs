using System.Collections;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Linformer.Model;

/// <summary>A whole number for each layer, the first layer's first. Equal to another that holds the same numbers.</summary>
[CollectionBuilder(typeof(PerLayer), nameof(Of))]
public sealed class PerLayer : IReadOnlyList<int>, IEquatable<PerLayer>
{
    private readonly ImmutableArray<int> _values;

    private PerLayer(ImmutableArray<int> values) => _values = values;

    /// <inheritdoc/>
    public int Count => _values.Length;

    /// <inheritdoc/>
    public int this[int index] => _values[index];

    /// <summary>The given numbers.</summary>
    /// <param name="values">One for each layer.</param>
    public static PerLayer Of(ReadOnlySpan<int> values) => new([.. values]);

    /// <inheritdoc/>
    public bool Equals(PerLayer? other) => other is not null && _values.SequenceEqual(other._values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PerLayer);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var value in _values)
        {
            hash.Add(value);
        }

        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public override string ToString() => $"[{string.Join(", ", _values)}]";

    /// <inheritdoc/>
    public IEnumerator<int> GetEnumerator() => ((IEnumerable<int>)_values).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
