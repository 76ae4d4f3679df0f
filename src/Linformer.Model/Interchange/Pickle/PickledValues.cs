using Linformer.Model.SafeTensors;

namespace Linformer.Model.Interchange.Pickle;

/// <summary>A tensor of a PyTorch file: a view of one of its storages. Checked to lie within it.</summary>
/// <param name="Storage">The storage.</param>
/// <param name="Offset">The first element, counted from the storage's start.</param>
/// <param name="Shape">The dimensions; empty for a scalar.</param>
/// <param name="Strides">How many elements apart neighbours are, by dimension.</param>
public sealed record PickledTensor(PickledStorage Storage, long Offset, IReadOnlyList<long> Shape, IReadOnlyList<long> Strides)
{
    /// <summary>The element type.</summary>
    public ElementType Type => Storage.Type;

    /// <summary>Elements of the tensor.</summary>
    public long Elements => Shape.Aggregate(1L, (product, dimension) => product * dimension);

    /// <summary>Elements of the storage from the first that the tensor has to the last.</summary>
    internal long Extent => Elements == 0 ? 0 : 1 + Shape.Zip(Strides, (dimension, stride) => (dimension - 1) * stride).Sum();

    /// <summary>Whether the elements lie one after the other, in order.</summary>
    internal bool IsContiguous
    {
        get
        {
            var expected = 1L;
            for (var i = Shape.Count - 1; i >= 0; i--)
            {
                if (Shape[i] != 1 && Strides[i] != expected)
                {
                    return false;
                }

                expected *= Shape[i];
            }

            return true;
        }
    }
}

/// <summary>The memory that one or more tensors of a PyTorch file are views of.</summary>
/// <param name="Type">The element type.</param>
/// <param name="Key">Its name in the file, below <c>data/</c>.</param>
/// <param name="Elements">How many elements it has.</param>
public sealed record PickledStorage(ElementType Type, string Key, long Elements);

/// <summary>A dictionary of a PyTorch file, in the order of the file.</summary>
public sealed class PickledDictionary
{
    private readonly Dictionary<object, int> _places = [];
    private readonly List<KeyValuePair<object, object?>> _items = [];

    /// <summary>The items in order. Keys are texts, whole numbers or truth values.</summary>
    public IReadOnlyList<KeyValuePair<object, object?>> Items => _items;

    /// <summary>The value of a key, or null when there is none.</summary>
    /// <param name="key">The key.</param>
    public object? this[string key] => _places.TryGetValue(key, out var place) ? _items[place].Value : null;

    internal void Set(object key, object? value)
    {
        if (_places.TryGetValue(key, out var place))
        {
            _items[place] = new KeyValuePair<object, object?>(key, value);
        }
        else
        {
            _places.Add(key, _items.Count);
            _items.Add(new KeyValuePair<object, object?>(key, value));
        }
    }
}

/// <summary>An <c>argparse.Namespace</c> of a PyTorch file: nothing but its fields.</summary>
/// <param name="Fields">The fields.</param>
public sealed record PickledNamespace(PickledDictionary Fields);
