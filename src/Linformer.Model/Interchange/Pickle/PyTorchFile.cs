using System.IO.Compression;
using Linformer.Model.SafeTensors;

namespace Linformer.Model.Interchange.Pickle;

/// <summary>
/// A file of <c>torch.save</c> (<c>.pt</c>, <c>.pth</c>, <c>.bin</c>): a zip of a pickle and the storages that its tensors are views
/// of. Opening reads the pickle, which runs nothing; tensors are then read on demand. For one thread.
/// </summary>
public sealed class PyTorchFile : IDisposable
{
    private const string PickleName = "data.pkl";
    private const int LargestPickle = 32 << 20;
    private const int MostEntries = 1 << 20;
    private const int PieceLength = 1 << 20;

    private readonly FileStream _stream;
    private readonly ZipArchive _zip;
    private readonly string _prefix;

    private PyTorchFile(string path, FileStream stream)
    {
        Path = path;
        _stream = stream;
        _zip = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
        var pickle = _zip.Entries.Count <= MostEntries
            ? _zip.Entries.FirstOrDefault(entry => entry.Name == PickleName && entry.FullName.IndexOf('/', StringComparison.Ordinal) == entry.FullName.Length - PickleName.Length - 1)
            : throw new PickleException($"{path}: has {_zip.Entries.Count} parts; allowed are {MostEntries}.");
        if (pickle is null)
        {
            throw new PickleException(
                $"{path}: is a zip file without {PickleName}, so not one of torch.save. "
                + (_zip.Entries.Any(entry => entry.FullName.Contains("constants.pkl", StringComparison.Ordinal)) ? "It is a TorchScript archive; save model.state_dict() instead." : string.Empty));
        }

        _prefix = pickle.FullName[..^PickleName.Length];
        CheckByteOrder();
        if (pickle.Length > LargestPickle)
        {
            throw new PickleException($"{path}: {PickleName} has {pickle.Length} bytes; allowed are {LargestPickle}.");
        }

        var bytes = new byte[CheckedLength(pickle)];
        ReadPart(pickle, 0, bytes, whole: true);
        Root = Unpickler.Read(bytes, $"{path}, {PickleName}");
    }

    /// <summary>The file's path, as it was given.</summary>
    public string Path { get; }

    /// <summary>
    /// What was saved: null, bool, long, double, string, object?[] (a tuple), List of object?, <see cref="PickledDictionary"/>,
    /// <see cref="PickledNamespace"/> or <see cref="PickledTensor"/>. Containers may hold themselves.
    /// </summary>
    public object? Root { get; }

    /// <summary>Opens a file and reads its pickle.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="PickleException">The file cannot be read, is damaged, or holds more than tensors and plain containers.</exception>
    public static PyTorchFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        FileStream? stream = null;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
            CheckStart(path, stream);
            var file = new PyTorchFile(path, stream);
            stream = null;
            return file;
        }
        catch (Exception e) when (IsBadFile(e))
        {
            throw new PickleException($"{path}: cannot be read: {e.Message}", e);
        }
        finally
        {
            stream?.Dispose();
        }
    }

    /// <summary>Reads a tensor.</summary>
    /// <param name="tensor">One of this file's.</param>
    /// <returns>Its elements in order, little-endian.</returns>
    /// <exception cref="PickleException">The storage is missing, damaged, or of another size than the pickle says.</exception>
    public byte[] Read(PickledTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        var size = tensor.Type.Size();
        var entry = _zip.GetEntry($"{_prefix}data/{tensor.Storage.Key}") ?? throw new PickleException($"{Path}: the storage '{tensor.Storage.Key}' is missing.");
        try
        {
            if (CheckedLength(entry) != (Int128)tensor.Storage.Elements * size)
            {
                throw new PickleException($"{Path}: the storage '{entry.FullName}' has {entry.Length} bytes; {tensor.Storage.Elements} elements of {tensor.Type} are expected.");
            }

            var length = (Int128)tensor.Extent * size;
            var bytes = length <= Array.MaxLength ? new byte[(int)length] : throw new PickleException($"{Path}: a tensor has {length} bytes; at most {Array.MaxLength} can be read.");
            ReadPart(entry, tensor.Offset * size, bytes, whole: entry.Length <= PieceLength || bytes.Length == entry.Length);
            return tensor.IsContiguous ? bytes : Gather(tensor, bytes, size);
        }
        catch (Exception e) when (IsBadFile(e))
        {
            throw new PickleException($"{Path}: the storage '{entry.FullName}' cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        _zip.Dispose();
        _stream.Dispose();
    }

    private static bool IsBadFile(Exception e) =>
        e is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException or ArgumentException or OverflowException;

    private static void CheckStart(string path, FileStream stream)
    {
        Span<byte> start = stackalloc byte[4];
        var read = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        stream.Position = 0;
        if (read == 4 && start.SequenceEqual("PK\x03\x04"u8))
        {
            return;
        }

        throw new PickleException(read >= 2 && start[0] == 0x80
            ? $"{path}: is in PyTorch's old format, from before version 1.6, which is not read. Save it anew with a newer PyTorch: "
              + "torch.save(torch.load(file, weights_only=True), file)."
            : $"{path}: is no file of torch.save, which is a zip file.");
    }

    // Elements that are not one after the other, or not in order.
    private static byte[] Gather(PickledTensor tensor, byte[] from, int size)
    {
        var to = new byte[checked((int)(tensor.Elements * size))];
        var index = new long[tensor.Shape.Count];
        var place = 0L;
        for (var done = 0; done < to.Length; done += size)
        {
            from.AsSpan((int)(place * size), size).CopyTo(to.AsSpan(done));
            for (var i = index.Length - 1; i >= 0; i--)
            {
                place += tensor.Strides[i];
                if (++index[i] < tensor.Shape[i])
                {
                    break;
                }

                place -= index[i] * tensor.Strides[i];
                index[i] = 0;
            }
        }

        return to;
    }

    private void CheckByteOrder()
    {
        if (_zip.GetEntry(_prefix + "byteorder") is not { } entry)
        {
            return;
        }

        var text = new byte[Math.Min(16, CheckedLength(entry))];
        ReadPart(entry, 0, text, whole: false);
        if (!text.AsSpan().SequenceEqual("little"u8))
        {
            throw new PickleException($"{Path}: its byte order is '{System.Text.Encoding.Latin1.GetString(text)}'; only 'little' is read.");
        }
    }

    // torch.save stores without compression, so what a part takes is never more than what the file has.
    private long CheckedLength(ZipArchiveEntry entry) => entry.Length == entry.CompressedLength && entry.Length <= _stream.Length
        ? entry.Length
        : throw new PickleException($"{Path}: the part '{entry.FullName}' is compressed or longer than the file; torch.save stores parts as they are.");

    private void ReadPart(ZipArchiveEntry entry, long offset, Span<byte> destination, bool whole)
    {
        using var stream = entry.Open();
        Span<byte> piece = whole || offset > 0 ? new byte[(int)Math.Min(PieceLength, entry.Length)] : [];
        var sum = 0u;
        for (var done = 0L; done < offset;)
        {
            var read = stream.Read(piece[..(int)Math.Min(piece.Length, offset - done)]);
            sum = read > 0 ? Crc32.Add(sum, piece[..read]) : throw new InvalidDataException("it ends too early");
            done += read;
        }

        stream.ReadExactly(destination);
        if (!whole)
        {
            return;
        }

        sum = Crc32.Add(sum, destination);
        for (var read = stream.Read(piece); read > 0; read = stream.Read(piece))
        {
            sum = Crc32.Add(sum, piece[..read]);
        }

        if (sum != entry.Crc32)
        {
            throw new InvalidDataException("it does not have the check sum that the zip file names");
        }
    }
}
