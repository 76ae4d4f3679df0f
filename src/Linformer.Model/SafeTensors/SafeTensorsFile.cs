using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Linformer.Model.SafeTensors;

/// <summary>
/// A safetensors file open for reading. Opening checks all of the header; tensors are then read on demand, from any
/// thread, with positioned reads. The file is never mapped into memory, so that cutting it short gives an exception
/// rather than a dead process.
/// </summary>
public sealed class SafeTensorsFile : IDisposable
{
    private const int LengthBytes = 8;
    private const int PieceLength = 1 << 24;

    private readonly SafeFileHandle _handle;
    private readonly Dictionary<string, SafeTensorInfo> _byName;

    private SafeTensorsFile(string path, SafeFileHandle handle, SafeTensorsHeader header)
    {
        Path = path;
        _handle = handle;
        Tensors = header.Tensors;
        Metadata = header.Metadata;
        _byName = header.Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
    }

    /// <summary>The file's path, as it was given.</summary>
    public string Path { get; }

    /// <summary>The tensors in the order of their bytes.</summary>
    public IReadOnlyList<SafeTensorInfo> Tensors { get; }

    /// <summary>The header's free text by key; empty when the file has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensor of a name.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="SafeTensorsException">There is no such tensor.</exception>
    public SafeTensorInfo this[string name] => _byName.TryGetValue(name, out var tensor)
        ? tensor
        : throw new SafeTensorsException($"{Path}: there is no tensor '{name}' among its {Tensors.Count}.");

    /// <summary>Opens a file and checks its header against the format and the file's length.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="SafeTensorsException">The file cannot be read or breaks a rule of the format.</exception>
    public static SafeTensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(path);
            var file = new SafeTensorsFile(path, handle, ReadHeader(path, handle));
            handle = null;
            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new SafeTensorsException($"{path}: cannot be read: {e.Message}", e);
        }
        finally
        {
            handle?.Dispose();
        }
    }

    /// <summary>Whether the file has a tensor of this name.</summary>
    /// <param name="name">The tensor's name.</param>
    public bool Contains(string name) => _byName.ContainsKey(name);

    /// <summary>Reads a whole tensor, of less than 2 GB, into a new array.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="SafeTensorsException">There is no such tensor, it is too long, or the file cannot be read.</exception>
    public byte[] Read(string name)
    {
        var tensor = this[name];
        if (tensor.ByteLength > Array.MaxLength)
        {
            throw new SafeTensorsException(
                $"{Path}: tensor '{name}' has {tensor.ByteLength} bytes; an array holds {Array.MaxLength}: read it in parts.");
        }

        var bytes = new byte[tensor.ByteLength];
        ReadInto(name, bytes);
        return bytes;
    }

    /// <summary>Reads a whole tensor.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="destination">Receives the bytes; its length must be the tensor's.</param>
    /// <exception cref="SafeTensorsException">There is no such tensor, the lengths differ, or the file cannot be read.</exception>
    public void ReadInto(string name, Span<byte> destination)
    {
        CheckLength(this[name], destination.Length);
        ReadInto(name, 0, destination);
    }

    /// <summary>Reads part of a tensor.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="offset">The first byte, counted from the tensor's start.</param>
    /// <param name="destination">Receives the bytes; the part must lie within the tensor.</param>
    /// <exception cref="SafeTensorsException">There is no such tensor, the part leaves it, or the file cannot be read.</exception>
    public void ReadInto(string name, long offset, Span<byte> destination)
    {
        var tensor = this[name];
        if (offset < 0 || offset > tensor.ByteLength || destination.Length > tensor.ByteLength - offset)
        {
            throw new SafeTensorsException(
                $"{Path}: tensor '{name}' has {tensor.ByteLength} bytes; {destination.Length} from {offset} on were asked for.");
        }

        try
        {
            Fill(_handle, tensor.Offset + offset, destination);
        }
        catch (IOException e)
        {
            throw new SafeTensorsException($"{Path}: tensor '{name}' cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads a whole tensor of any length into native memory.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="destination">Where the bytes go; <paramref name="length"/> bytes must be writable.</param>
    /// <param name="length">The room at the destination, which must be the tensor's length.</param>
    /// <exception cref="SafeTensorsException">There is no such tensor, the lengths differ, or the file cannot be read.</exception>
    public unsafe void ReadInto(string name, nint destination, long length)
    {
        CheckLength(this[name], length);
        for (long done = 0; done < length; done += PieceLength)
        {
            ReadInto(name, done, new Span<byte>((byte*)destination + done, (int)Math.Min(PieceLength, length - done)));
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _handle.Dispose();

    private static SafeTensorsHeader ReadHeader(string path, SafeFileHandle handle)
    {
        var fileLength = RandomAccess.GetLength(handle);
        if (fileLength < LengthBytes)
        {
            throw new SafeTensorsException($"{path}: has {fileLength} bytes; a safetensors file starts with {LengthBytes} that give the header's length.");
        }

        Span<byte> lengthBytes = stackalloc byte[LengthBytes];
        Fill(handle, 0, lengthBytes);
        var headerLength = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        var room = (ulong)Math.Min(fileLength - LengthBytes, SafeTensorsWriter.MaximumHeaderLength);
        if (headerLength > room)
        {
            throw new SafeTensorsException(
                $"{path}: the header's length is given as {headerLength}; allowed are up to {room} "
                + $"(the file has {fileLength} bytes, a header at most {SafeTensorsWriter.MaximumHeaderLength}).");
        }

        var header = new byte[headerLength];
        Fill(handle, LengthBytes, header);
        return SafeTensorsHeader.Parse(path, header, fileLength);
    }

    private static void Fill(SafeFileHandle handle, long position, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            var read = RandomAccess.Read(handle, destination, position);
            if (read == 0)
            {
                throw new EndOfStreamException($"the file ends at byte {position}, {destination.Length} bytes too early.");
            }

            position += read;
            destination = destination[read..];
        }
    }

    private void CheckLength(SafeTensorInfo tensor, long length)
    {
        if (length != tensor.ByteLength)
        {
            throw new SafeTensorsException($"{Path}: tensor '{tensor.Name}' has {tensor.ByteLength} bytes; there is room for {length}.");
        }
    }
}
