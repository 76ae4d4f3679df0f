using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Linformer.Model.SafeTensors;

/// <summary>
/// Writes safetensors files: the header's length (8 bytes, little-endian), the header (JSON, padded with spaces to a
/// multiple of 8 bytes), then the tensors without gaps. Equal tensors and metadata give equal bytes, in whatever order
/// they come: tensors are sorted by falling element size, which keeps each one aligned, then by name.
/// </summary>
public static class SafeTensorsWriter
{
    internal const string MetadataKey = "__metadata__";
    internal const int MaximumHeaderLength = 100_000_000;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// Writes a file in place; for a file that must never be seen half-written, write to a stream of one that gives that.
    /// </summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="tensors">The tensors; names must differ.</param>
    /// <param name="metadata">Free text by key, stored in the header.</param>
    /// <exception cref="SafeTensorsException">A tensor is not valid, its source gives too few or too many bytes, or the file cannot be written.</exception>
    public static void Write(string path, IReadOnlyList<SafeTensorEntry> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using var stream = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
            Write(stream, tensors, metadata);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SafeTensorsException($"{path}: cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Writes to a stream, which need not be seekable and stays open.</summary>
    /// <param name="stream">Where the bytes go.</param>
    /// <param name="tensors">The tensors; names must differ.</param>
    /// <param name="metadata">Free text by key, stored in the header.</param>
    /// <exception cref="SafeTensorsException">A tensor is not valid, or its source gives too few or too many bytes.</exception>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public static void Write(Stream stream, IReadOnlyList<SafeTensorEntry> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(tensors);
        var ordered = tensors
            .Select(tensor => (Tensor: tensor, Length: CheckedLength(tensor)))
            .OrderByDescending(item => item.Tensor.Type.Size())
            .ThenBy(item => item.Tensor.Name, StringComparer.Ordinal)
            .ToList();
        var header = Header(ordered, metadata);
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach (var (tensor, bytes) in ordered)
        {
            var part = new ExactLengthStream(stream, tensor.Name, bytes);
            tensor.WriteTo(part);
            part.Finish();
        }
    }

    private static long CheckedLength(SafeTensorEntry tensor)
    {
        if (string.Equals(tensor.Name, MetadataKey, StringComparison.Ordinal))
        {
            throw new SafeTensorsException($"A tensor cannot be named '{MetadataKey}': the format keeps that name for metadata.");
        }

        if (!Enum.IsDefined(tensor.Type))
        {
            throw new SafeTensorsException($"Tensor '{tensor.Name}': element type {tensor.Type} is not one of {ElementTypes.Allowed}.");
        }

        return tensor.Type.ByteLength(tensor.Shape) ?? throw new SafeTensorsException(
            $"Tensor '{tensor.Name}': shape [{string.Join(", ", tensor.Shape)}] of {tensor.Type} is not valid: "
            + "no dimension may be negative, and the bytes must fit 63 bits.");
    }

    private static byte[] Header(List<(SafeTensorEntry Tensor, long Length)> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata);
            long offset = 0;
            var names = new HashSet<string>(StringComparer.Ordinal);
            foreach (var (tensor, length) in tensors)
            {
                if (!names.Add(tensor.Name))
                {
                    throw new SafeTensorsException($"Two tensors are named '{tensor.Name}'; names must differ.");
                }

                if (length > long.MaxValue - offset)
                {
                    throw new SafeTensorsException($"Tensor '{tensor.Name}' makes the file longer than 63 bits can count.");
                }

                WriteTensor(json, tensor, offset, offset + length);
                offset += length;
            }

            json.WriteEndObject();
        }

        while (buffer.Length % 8 != 0)
        {
            buffer.WriteByte((byte)' ');
        }

        return buffer.Length <= MaximumHeaderLength
            ? buffer.ToArray()
            : throw new SafeTensorsException($"The header has {buffer.Length} bytes; allowed are {MaximumHeaderLength}.");
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string>? metadata)
    {
        if (metadata is null)
        {
            return;
        }

        json.WriteStartObject(MetadataKey);
        foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            json.WriteString(CheckedText(key), CheckedText(value));
        }

        json.WriteEndObject();
    }

    private static void WriteTensor(Utf8JsonWriter json, SafeTensorEntry tensor, long start, long end)
    {
        json.WriteStartObject(CheckedText(tensor.Name));
        json.WriteString("dtype", tensor.Type.ToString());
        json.WriteStartArray("shape");
        foreach (var dimension in tensor.Shape)
        {
            json.WriteNumberValue(dimension);
        }

        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(start);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    // A lone surrogate would silently become U+FFFD, and the tensor would not be found under its name.
    private static string CheckedText(string text)
    {
        try
        {
            StrictUtf8.GetByteCount(text);
            return text;
        }
        catch (EncoderFallbackException e)
        {
            throw new SafeTensorsException($"The name or metadata '{text}' is not valid Unicode: {e.Message}", e);
        }
    }
}
