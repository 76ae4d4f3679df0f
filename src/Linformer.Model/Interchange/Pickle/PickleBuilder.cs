namespace Linformer.Model.Interchange.Pickle;

/// <summary>Makes the data that a pickle describes by calls of the few functions that it may name.</summary>
/// <param name="bad">Makes the exception of what is not allowed.</param>
internal sealed class PickleBuilder(Func<string, PickleException> bad)
{
    private const int MostDimensions = 32;

    // PyTorch counts in as many bits.
    private static readonly Int128 MostElements = long.MaxValue;

    private readonly Dictionary<string, PickledStorage> _storages = new(StringComparer.Ordinal);

    public void SetItems(PickledDictionary dictionary, object?[] items)
    {
        if (items.Length % 2 != 0)
        {
            throw bad("a key of a dictionary has no value");
        }

        for (var i = 0; i < items.Length; i += 2)
        {
            dictionary.Set(items[i] is string or long or bool ? items[i]! : throw bad("a key of a dictionary is neither a text nor a whole number"), items[i + 1]);
        }
    }

    /// <summary>A storage, named by its type, key, device and number of elements.</summary>
    public PickledStorage Storage(object? id)
    {
        if (id is not object?[] { Length: 5 } parts
            || parts is not ["storage", NamedGlobal { Kind: PickleGlobal.Storage } type, string key, string, long and >= 0])
        {
            throw bad("a storage is not named as torch.save does: ('storage', type, key, device, elements)");
        }

        var storage = new PickledStorage(type.Type, key, (long)parts[4]!);
        if (_storages.TryGetValue(key, out var known) && known != storage)
        {
            throw bad($"the storage '{key}' is named with two types or sizes");
        }

        return _storages[key] = storage;
    }

    /// <summary>The result of calling a global.</summary>
    public object Call(object? function, object? arguments)
    {
        if (function is not NamedGlobal global || arguments is not object?[] given)
        {
            throw bad("something is called that is no function of PyTorch's files");
        }

        return (global.Kind, given) switch
        {
            (PickleGlobal.OrderedDictionary, []) => new PickledDictionary(),
            (PickleGlobal.OrderedDictionary, [List<object?> pairs]) => Pairs(pairs),
            (PickleGlobal.RebuildTensor, [PickledStorage storage, long offset, object?[] shape, object?[] strides, ..]) => Tensor(storage, offset, shape, strides),
            (PickleGlobal.RebuildParameter, [PickledTensor tensor, ..]) => tensor,
            (PickleGlobal.Size, [object?[] shape]) => Numbers(shape).Cast<object?>().ToArray(),
            _ => throw bad($"{global.Kind} is called with other arguments than torch.save gives it"),
        };
    }

    /// <summary>A new object of a class.</summary>
    public object New(object? type, object? arguments) =>
        type is NamedGlobal { Kind: PickleGlobal.Namespace } && arguments is object?[] { Length: 0 }
            ? new PickledNamespace(new PickledDictionary())
            : throw bad("an object is made that is no part of a state dict");

    /// <summary>Gives an object its fields: a namespace keeps them, and what a module leaves on its state dict is left out.</summary>
    public void SetState(object? target, object? state)
    {
        if (state is not PickledDictionary fields || target is not (PickledDictionary or PickledNamespace))
        {
            throw bad("an object other than a dictionary or a namespace is given a state");
        }

        if (target is PickledNamespace space)
        {
            foreach (var (key, value) in fields.Items)
            {
                space.Fields.Set(key, value);
            }
        }
    }

    private PickledDictionary Pairs(List<object?> pairs)
    {
        var dictionary = new PickledDictionary();
        foreach (var pair in pairs)
        {
            var items = pair switch
            {
                object?[] { Length: 2 } tuple => tuple,
                List<object?> { Count: 2 } list => [.. list],
                _ => throw bad("an item of a dictionary is no pair"),
            };
            SetItems(dictionary, items);
        }

        return dictionary;
    }

    private long[] Numbers(object?[] values)
    {
        if (values.Length > MostDimensions)
        {
            throw bad($"a tensor has {values.Length} dimensions; allowed are {MostDimensions}");
        }

        return Array.ConvertAll(values, value => value is long and >= 0 ? (long)value : throw bad("a dimension or stride is not a whole number from 0 on"));
    }

    private PickledTensor Tensor(PickledStorage storage, long offset, object?[] shapeValues, object?[] strideValues)
    {
        var (shape, strides) = (Numbers(shapeValues), Numbers(strideValues));
        if (shape.Length != strides.Length || offset < 0)
        {
            throw bad("a tensor has another number of strides than of dimensions, or starts before its storage");
        }

        Int128 elements = 1;
        Int128 last = offset;
        for (var i = 0; i < shape.Length; i++)
        {
            elements *= shape[i];
            last += shape[i] == 0 ? 0 : ((Int128)shape[i] - 1) * strides[i];
            if (elements > MostElements || last > MostElements)
            {
                throw bad($"a tensor of [{string.Join(", ", shape)}] has more elements than 63 bits can count");
            }
        }

        if (elements > 0 && last >= storage.Elements)
        {
            throw bad($"a tensor of [{string.Join(", ", shape)}] leaves its storage '{storage.Key}' of {storage.Elements} elements");
        }

        // Such tensors are a few bytes that claim to be any number; state dicts have none.
        return elements <= storage.Elements
            ? new PickledTensor(storage, offset, shape, strides)
            : throw bad($"a tensor of [{string.Join(", ", shape)}] repeats the {storage.Elements} elements of its storage; save it with .contiguous()");
    }
}
