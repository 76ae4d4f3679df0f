using Linformer.Model.SafeTensors;
using static TorchSharp.torch;

namespace Linformer.Model;

/// <summary>Tensors to and from safetensors files.</summary>
public static class Weights
{
    /// <summary>A tensor as an entry of a safetensors file. It must live, unchanged, until the file is written.</summary>
    /// <param name="name">Name in the file.</param>
    /// <param name="tensor">A contiguous tensor on the CPU.</param>
    public static SafeTensorEntry Entry(string name, Tensor tensor) =>
        new(name, TypeInFile(tensor.dtype), tensor.shape, stream => stream.Write(tensor.bytes));

    /// <summary>Writes tensors to a file; those elsewhere are copied to the CPU first.</summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="tensors">Tensors by name.</param>
    /// <exception cref="SafeTensorsException">The file cannot be written.</exception>
    public static void Write(string path, IEnumerable<(string Name, Tensor Tensor)> tensors)
    {
        using var scope = NewDisposeScope();
        var onCpu = tensors.Select(t => (t.Name, Tensor: t.Tensor.detach().cpu().contiguous())).ToList();
        SafeTensorsWriter.Write(path, onCpu.ConvertAll(t => Entry(t.Name, t.Tensor)));
    }

    /// <summary>Reads one tensor, in the type that the file has.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The tensor's name in it.</param>
    /// <exception cref="SafeTensorsException">There is no such tensor, or it cannot be read.</exception>
    public static Tensor Read(SafeTensorsFile file, string name)
    {
        var info = file[name];
        var tensor = empty([.. info.Shape], dtype: TypeInMemory(info.Type));
        file.ReadInto(name, tensor.bytes);
        return tensor;
    }

    /// <summary>A tensor of given bytes.</summary>
    /// <param name="type">The element type.</param>
    /// <param name="shape">The dimensions.</param>
    /// <param name="bytes">The elements in order, little-endian: as many bytes as type and shape ask for.</param>
    internal static Tensor FromBytes(ElementType type, IReadOnlyList<long> shape, byte[] bytes)
    {
        var tensor = empty([.. shape], dtype: TypeInMemory(type));
        bytes.CopyTo(tensor.bytes);
        return tensor;
    }

    /// <summary>Reads a tensor into one that is there, with the conversion of type that it takes.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The tensor's name in it.</param>
    /// <param name="destination">What is overwritten.</param>
    /// <exception cref="ModelFormatException">The file has another shape.</exception>
    /// <exception cref="SafeTensorsException">There is no such tensor, or it cannot be read.</exception>
    public static void ReadInto(SafeTensorsFile file, string name, Tensor destination)
    {
        if (!file[name].Shape.SequenceEqual(destination.shape))
        {
            throw new ModelFormatException($"{file.Path}: tensor '{name}' has shape [{string.Join(", ", file[name].Shape)}]; [{string.Join(", ", destination.shape)}] is expected.");
        }

        using var noGrad = no_grad();
        using var tensor = Read(file, name);
        destination.copy_(tensor);
    }

    private static ElementType TypeInFile(ScalarType type) => type switch
    {
        ScalarType.Float64 => ElementType.F64,
        ScalarType.Float32 => ElementType.F32,
        ScalarType.Float16 => ElementType.F16,
        ScalarType.BFloat16 => ElementType.BF16,
        ScalarType.Int64 => ElementType.I64,
        ScalarType.Int32 => ElementType.I32,
        ScalarType.Int16 => ElementType.I16,
        ScalarType.Int8 => ElementType.I8,
        ScalarType.Byte => ElementType.U8,
        ScalarType.Bool => ElementType.BOOL,
        _ => throw new ArgumentException($"Tensors of {type} cannot be written.", nameof(type)),
    };

    private static ScalarType TypeInMemory(ElementType type) => type switch
    {
        ElementType.F64 => ScalarType.Float64,
        ElementType.F32 => ScalarType.Float32,
        ElementType.F16 => ScalarType.Float16,
        ElementType.BF16 => ScalarType.BFloat16,
        ElementType.I64 => ScalarType.Int64,
        ElementType.I32 => ScalarType.Int32,
        ElementType.I16 => ScalarType.Int16,
        ElementType.I8 => ScalarType.Int8,
        ElementType.U8 => ScalarType.Byte,
        _ => ScalarType.Bool,
    };
}
