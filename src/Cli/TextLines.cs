using System.Text;

namespace Linformer.Cli;

/// <summary>The lines of a file or of standard input, in UTF-8.</summary>
public static class TextLines
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads as the lines are asked for.</summary>
    /// <param name="file">The file; null for standard input.</param>
    /// <param name="cancellation">Ends a wait for the next line of standard input.</param>
    /// <exception cref="CommandException">It cannot be read, or a line is not UTF-8.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static IEnumerable<string> Read(string? file, CancellationToken cancellation)
    {
        var name = file ?? "standard input";
        return Read(Open(file, name), name, cancellation);
    }

    /// <summary>The same of a stream, which is closed at the end, unless it was ended early.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="cancellation">Ends a wait for the next line.</param>
    /// <exception cref="CommandException">It cannot be read, or a line is not UTF-8.</exception>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static IEnumerable<string> Read(Stream stream, string name, CancellationToken cancellation)
    {
        // Latin-1 keeps every byte as it is, so that each line is decoded by itself and an error can name it.
        var reader = new StreamReader(stream, Encoding.Latin1, detectEncodingFromByteOrderMarks: false);
        try
        {
            for (var number = 1L; Next(reader, name, cancellation) is { } bytes; number++)
                yield return Decode(bytes, name, number);
        }
        finally
        {
            // A stream that a thread still reads would be waited for.
            if (!cancellation.IsCancellationRequested)
                reader.Dispose();
        }
    }

    private static Stream Open(string? file, string name)
    {
        if (file is null)
            return Console.OpenStandardInput();
        try
        {
            return File.OpenRead(file);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CommandException($"{name}: there is no such file.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new CommandException($"{name}: cannot be read: {e.Message}", e);
        }
    }

    // A read of a terminal or a pipe cannot be taken back. It waits on a thread that does not keep the process alive.
    private static string? Next(StreamReader reader, string name, CancellationToken cancellation)
    {
        try
        {
            return Task.Run(reader.ReadLine, CancellationToken.None).WaitAsync(cancellation).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{name}: cannot be read: {e.Message}", e);
        }
    }

    private static string Decode(string bytes, string name, long number)
    {
        try
        {
            var line = Strict.GetString(Encoding.Latin1.GetBytes(bytes));
            return number == 1 ? line.TrimStart('\uFEFF') : line;
        }
        catch (DecoderFallbackException e)
        {
            throw new CommandException($"{name}, line {number}: is not valid UTF-8.", e);
        }
    }
}
