namespace Linformer.Model.SafeTensors;

/// <summary>
/// One tensor to be written: name, element type, shape, and a source of its bytes (row-major, little-endian)
/// that is asked once, when the tensor's turn comes.
/// </summary>
public sealed class SafeTensorEntry
{
    // Large enough for full disk speed, small enough for a span's 31-bit length.
    private const int PieceLength = 1 << 24;

    private readonly Action<Stream> _write;

    /// <summary>A tensor whose bytes a callback writes, for data that is not in managed memory.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="type">The element type.</param>
    /// <param name="shape">The dimensions; empty for a scalar.</param>
    /// <param name="write">Writes exactly the tensor's bytes to the stream that it is given.</param>
    public SafeTensorEntry(string name, ElementType type, IReadOnlyList<long> shape, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(write);
        Name = name;
        Type = type;
        Shape = [.. shape];
        _write = write;
    }

    /// <summary>A tensor in managed memory, which must not change until it is written.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="type">The element type.</param>
    /// <param name="shape">The dimensions; empty for a scalar.</param>
    /// <param name="data">The tensor's bytes; they are not copied.</param>
    public SafeTensorEntry(string name, ElementType type, IReadOnlyList<long> shape, ReadOnlyMemory<byte> data)
        : this(name, type, shape, stream => stream.Write(data.Span))
    {
    }

    /// <summary>The tensor's name.</summary>
    public string Name { get; }

    /// <summary>The element type.</summary>
    public ElementType Type { get; }

    /// <summary>The dimensions; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>
    /// A contiguous tensor in native memory, which must stay valid until it is written.
    /// As many bytes are read as type and shape ask for; they may be more than 2 GB.
    /// </summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="type">The element type.</param>
    /// <param name="shape">The dimensions; empty for a scalar.</param>
    /// <param name="data">Where the tensor's bytes start.</param>
    public static SafeTensorEntry FromPointer(string name, ElementType type, IReadOnlyList<long> shape, nint data) =>
        new(name, type, shape, stream => WriteNative(stream, data, type.ByteLength(shape) ?? 0));

    internal void WriteTo(Stream stream) => _write(stream);

    private static unsafe void WriteNative(Stream stream, nint data, long length)
    {
        for (long done = 0; done < length; done += PieceLength)
        {
            stream.Write(new ReadOnlySpan<byte>((byte*)data + done, (int)Math.Min(PieceLength, length - done)));
        }
    }
}
