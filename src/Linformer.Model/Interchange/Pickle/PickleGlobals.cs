using Linformer.Model.SafeTensors;

namespace Linformer.Model.Interchange.Pickle;

/// <summary>What a pickle may name. Nothing of Python is run: each is a kind of data that the reader knows.</summary>
internal enum PickleGlobal
{
    OrderedDictionary,
    RebuildTensor,
    RebuildParameter,
    Size,
    Namespace,
    Storage,
}

/// <summary>A name that a pickle gave, found among those that are allowed.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Type">The element type of a storage.</param>
internal sealed record NamedGlobal(PickleGlobal Kind, ElementType Type = default)
{
    private static readonly Dictionary<string, NamedGlobal> Allowed = new(StringComparer.Ordinal)
    {
        ["collections.OrderedDict"] = new(PickleGlobal.OrderedDictionary),
        ["torch._utils._rebuild_tensor_v2"] = new(PickleGlobal.RebuildTensor),
        ["torch._utils._rebuild_parameter"] = new(PickleGlobal.RebuildParameter),
        ["torch.Size"] = new(PickleGlobal.Size),
        ["argparse.Namespace"] = new(PickleGlobal.Namespace),
        ["torch.DoubleStorage"] = new(PickleGlobal.Storage, ElementType.F64),
        ["torch.FloatStorage"] = new(PickleGlobal.Storage, ElementType.F32),
        ["torch.HalfStorage"] = new(PickleGlobal.Storage, ElementType.F16),
        ["torch.BFloat16Storage"] = new(PickleGlobal.Storage, ElementType.BF16),
        ["torch.LongStorage"] = new(PickleGlobal.Storage, ElementType.I64),
        ["torch.IntStorage"] = new(PickleGlobal.Storage, ElementType.I32),
        ["torch.ShortStorage"] = new(PickleGlobal.Storage, ElementType.I16),
        ["torch.CharStorage"] = new(PickleGlobal.Storage, ElementType.I8),
        ["torch.ByteStorage"] = new(PickleGlobal.Storage, ElementType.U8),
        ["torch.BoolStorage"] = new(PickleGlobal.Storage, ElementType.BOOL),
    };

    /// <summary>The global of a name; null when it is not allowed.</summary>
    public static NamedGlobal? Find(string module, string name) => Allowed.GetValueOrDefault($"{module}.{name}");

    /// <summary>The name of the class of a storage, in the module torch.</summary>
    public static string StorageName(ElementType type) =>
        Allowed.First(pair => pair.Value.Kind == PickleGlobal.Storage && pair.Value.Type == type).Key["torch.".Length..];
}
