using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Linformer.Model.SafeTensors;

namespace Linformer.Model.Interchange.Pickle;

/// <summary>Writes a state dict as <c>torch.save</c> does, for <c>torch.load</c>. Equal tensors give equal bytes.</summary>
public static class PyTorchWriter
{
    private const string Prefix = "archive/";

    // The earliest that zip files know.
    private static readonly DateTimeOffset Epoch = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Writes a file.</summary>
    /// <param name="stream">Where it goes; it must be seekable, and stays open.</param>
    /// <param name="tensors">The tensors, in the order of the state dict; names must differ.</param>
    /// <exception cref="SafeTensorsException">A source of a tensor gives too few or too many bytes.</exception>
    /// <exception cref="ArgumentException">A shape is not possible, or two tensors have one name.</exception>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public static void Write(Stream stream, IReadOnlyList<SafeTensorEntry> tensors)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(tensors);
        if (tensors.DistinctBy(tensor => tensor.Name).Count() != tensors.Count)
        {
            throw new ArgumentException("Two tensors have the same name.", nameof(tensors));
        }

        using var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        Add(zip, "data.pkl", part => part.Write(Pickle(tensors)));
        for (var i = 0; i < tensors.Count; i++)
        {
            var tensor = tensors[i];
            Add(zip, $"data/{i}", part =>
            {
                var exact = new ExactLengthStream(part, tensor.Name, ByteLength(tensor));
                tensor.WriteTo(exact);
                exact.Finish();
            });
        }

        Add(zip, "version", part => part.Write("3\n"u8));
    }

    private static long ByteLength(SafeTensorEntry tensor) => tensor.Type.ByteLength(tensor.Shape)
        ?? throw new ArgumentException($"Tensor '{tensor.Name}' has the shape [{string.Join(", ", tensor.Shape)}], which is not possible.");

    private static void Add(ZipArchive zip, string name, Action<Stream> write)
    {
        var entry = zip.CreateEntry(Prefix + name, CompressionLevel.NoCompression);
        entry.LastWriteTime = Epoch;
        using var part = entry.Open();
        write(part);
    }

    private static byte[] Pickle(IReadOnlyList<SafeTensorEntry> tensors)
    {
        using var pickle = new MemoryStream();
        pickle.Write([0x80, 2]);
        Global(pickle, "collections", "OrderedDict");
        pickle.Write(")R("u8);
        for (var i = 0; i < tensors.Count; i++)
        {
            Text(pickle, tensors[i].Name);
            WriteTensor(pickle, tensors[i], i);
        }

        pickle.Write("u."u8);
        return pickle.ToArray();
    }

    // _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)
    private static void WriteTensor(MemoryStream pickle, SafeTensorEntry tensor, int index)
    {
        Global(pickle, "torch._utils", "_rebuild_tensor_v2");
        pickle.Write("(("u8);
        Text(pickle, "storage");
        Global(pickle, "torch", NamedGlobal.StorageName(tensor.Type));
        Text(pickle, $"{index}");
        Text(pickle, "cpu");
        Number(pickle, ByteLength(tensor) / tensor.Type.Size());
        pickle.Write("tQ"u8);
        Number(pickle, 0);
        var strides = new long[tensor.Shape.Count];
        var stride = 1L;
        for (var i = strides.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= Math.Max(1, tensor.Shape[i]);
        }

        Numbers(pickle, tensor.Shape);
        Numbers(pickle, strides);
        pickle.WriteByte(0x89); // false
        Global(pickle, "collections", "OrderedDict");
        pickle.Write(")RtR"u8);
    }

    private static void Numbers(MemoryStream pickle, IReadOnlyList<long> values)
    {
        pickle.WriteByte((byte)'(');
        foreach (var value in values)
        {
            Number(pickle, value);
        }

        pickle.WriteByte((byte)'t');
    }

    private static void Global(MemoryStream pickle, string module, string name) => pickle.Write(Encoding.UTF8.GetBytes($"c{module}\n{name}\n"));

    private static void Text(MemoryStream pickle, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        pickle.WriteByte((byte)'X');
        pickle.Write(length);
        pickle.Write(bytes);
    }

    private static void Number(MemoryStream pickle, long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        pickle.Write([0x8a, 8]);
        pickle.Write(bytes);
    }
}
