using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Linformer.Worker.RankProtocol;

/// <summary>Reads lines from a side that is not trusted, in bounded memory.</summary>
internal static class BoundedLines
{
    /// <summary>
    /// The lines without their breaks, until the stream ends. A last line without a break is dropped: its writer died.
    /// </summary>
    /// <exception cref="RankProtocolException">A line is longer than allowed.</exception>
    public static async IAsyncEnumerable<byte[]> ReadAsync(
        Stream stream,
        int maximumBytes,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 16_384, leaveOpen: true));
        while (true)
        {
            var result = await reader.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            while (buffer.PositionOf((byte)'\n') is { } end)
            {
                var line = buffer.Slice(0, end);
                Check(line.Length, maximumBytes);
                yield return line.ToArray();
                buffer = buffer.Slice(buffer.GetPosition(1, end));
            }

            Check(buffer.Length, maximumBytes);
            reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                yield break;
            }
        }
    }

    private static void Check(long length, int maximum)
    {
        if (length > maximum)
        {
            throw new RankProtocolException($"sent a line of more than {maximum} bytes");
        }
    }
}
