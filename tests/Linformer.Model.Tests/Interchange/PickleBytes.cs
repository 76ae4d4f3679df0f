using System.IO.Compression;
using System.Text;

namespace Linformer.Model.Tests.Interchange;

/// <summary>PyTorch files that are put together by hand.</summary>
internal static class PickleBytes
{
    /// <summary>A pickle of protocol 2: each character is a byte.</summary>
    public static byte[] Pickle(string operations) => Encoding.Latin1.GetBytes("\u0080\u0002" + operations);

    /// <summary>A text as a pickle has it.</summary>
    public static string Text(string text) => $"X{(char)text.Length}\0\0\0{text}";

    /// <summary>A tensor, given what is within the parentheses.</summary>
    public static string Tensor(string offset, string shape, string strides, string elements = "K\u0004") =>
        $"ctorch._utils\n_rebuild_tensor_v2\n((X\u0007\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\00X\u0003\0\0\0cpu{elements}tQ{offset}{shape}{strides}\u0089ccollections\nOrderedDict\n)RtR";

    /// <summary>A file with a pickle and the storage '0' of four floats.</summary>
    public static byte[] File(byte[] pickle, CompressionLevel level = CompressionLevel.NoCompression, string? byteOrder = null, int storageBytes = 16)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add("data.pkl", pickle);
            if (byteOrder is not null)
            {
                Add("byteorder", Encoding.ASCII.GetBytes(byteOrder));
            }

            Add("data/0", [.. Enumerable.Range(0, storageBytes).Select(i => (byte)i)]);
            Add("version", "3\n"u8.ToArray());

            void Add(string name, byte[] bytes)
            {
                using var part = zip.CreateEntry("archive/" + name, level).Open();
                part.Write(bytes);
            }
        }

        return stream.ToArray();
    }
}
