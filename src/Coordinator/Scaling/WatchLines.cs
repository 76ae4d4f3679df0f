using System.Buffers;
using System.Text;

namespace Linformer.Coordinator.Scaling;

/// <summary>Whole lines of a stream, each of bounded length. What is left of a line when the stream ends is dropped.</summary>
internal sealed class WatchLines(Stream stream, int maxBytes)
{
    private readonly byte[] _buffer = new byte[16 << 10];
    private readonly ArrayBufferWriter<byte> _line = new();
    private int _start;
    private int _end;

    /// <summary>The next line that is not empty, without its end; null when there are no more.</summary>
    /// <exception cref="IOException">The stream broke, or a line is too long.</exception>
    public async Task<string?> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_start == _end)
            {
                (_start, _end) = (0, await stream.ReadAsync(_buffer, cancellationToken));
                if (_end == 0)
                    return null;
            }
            var ends = Array.IndexOf(_buffer, (byte)'\n', _start, _end - _start);
            var until = ends < 0 ? _end : ends;
            if (_line.WrittenCount + until - _start > maxBytes)
                throw new IOException($"a line is longer than {maxBytes} bytes");
            _line.Write(_buffer.AsSpan(_start, until - _start));
            _start = ends < 0 ? _end : ends + 1;
            if (ends < 0 || _line.WrittenCount == 0)
                continue;
            var text = Encoding.UTF8.GetString(_line.WrittenSpan);
            _line.ResetWrittenCount();
            return text;
        }
    }
}
