using System.Text;

namespace Linformer.Protocol;

/// <summary>Reads job files: YAML or JSON, validated as a whole, so that one run shows everything that is wrong.</summary>
public static class JobFileParser
{
    /// <summary>The largest job file that is read, in bytes.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>Reads and validates a file. A file that cannot be read is an error of the result, too.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cuda">Whether this build can compute on a GPU.</param>
    public static JobFileResult Load(string path, bool cuda = false)
    {
        // One byte more than allowed is enough to know; the file may be a device without an end.
        var bytes = new byte[MaxBytes + 1];
        int length;
        try
        {
            using var stream = File.OpenRead(path);
            length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return Fail(path, "there is no such file");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return Fail(path, Directory.Exists(path) ? "is a folder; a job file is needed" : $"cannot be read: {exception.Message}");
        }
        return Parse(bytes.AsSpan(0, length), path, cuda);
    }

    /// <summary>Validates the bytes of a job file, which must be UTF-8.</summary>
    /// <param name="utf8">The file's bytes.</param>
    /// <param name="fileName">Name for the messages.</param>
    /// <param name="cuda">Whether this build can compute on a GPU.</param>
    public static JobFileResult Parse(ReadOnlySpan<byte> utf8, string fileName, bool cuda = false)
    {
        if (utf8.Length > MaxBytes)
            return TooLarge(fileName);
        if (utf8.StartsWith<byte>([0xFF, 0xFE]) || utf8.StartsWith<byte>([0xFE, 0xFF]))
            return Fail(fileName, "is UTF-16; save it as UTF-8");
        try
        {
            return Parse(new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(utf8), fileName, cuda);
        }
        catch (DecoderFallbackException exception)
        {
            var line = 1 + utf8[..exception.Index].Count((byte)'\n');
            var column = exception.Index - utf8[..exception.Index].LastIndexOf((byte)'\n');
            return Fail(fileName, $"is not valid UTF-8 (byte 0x{utf8[exception.Index]:x2})", line, column);
        }
    }

    /// <summary>Validates the text of a job file.</summary>
    /// <param name="text">YAML or JSON.</param>
    /// <param name="fileName">Name for the messages.</param>
    /// <param name="cuda">Whether this build can compute on a GPU.</param>
    public static JobFileResult Parse(string text, string fileName, bool cuda = false)
    {
        if (text.Length > MaxBytes)
            return TooLarge(fileName);
        try
        {
            return YamlTree.Read(text.TrimStart('\uFEFF')) switch
            {
                YamlMapping mapping => JobFileBinder.Bind(mapping, fileName, cuda),
                null or YamlScalar { Text: "" } => Fail(fileName, "is empty; a job file has at least name and corpus.files"),
                var other => Fail(fileName, "is not a job file: it must be a mapping of fields, such as 'name: …'", other.Line, other.Column),
            };
        }
        catch (YamlTreeException exception)
        {
            return Fail(fileName, exception.Message, exception.Line, exception.Column);
        }
    }

    private static JobFileResult TooLarge(string fileName) => Fail(fileName, $"is larger than {MaxBytes:#,0} bytes, the most that a job file may have");

    private static JobFileResult Fail(string fileName, string message, int? line = null, int? column = null) =>
        new(null, [new JobFileError(fileName, line, column, "", message)]);
}
