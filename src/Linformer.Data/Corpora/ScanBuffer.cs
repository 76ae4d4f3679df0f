using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Linformer.Data.Corpora;

/// <summary>
/// A growing window over the text of a corpus file. What enters it has been checked: it is UTF-8 and not binary.
/// </summary>
internal sealed class ScanBuffer : IDisposable
{
    /// <summary>A line, or a run without a place to cut, that is longer than this is an error: the window would fill the memory.</summary>
    public const int LongestRun = 64 << 20;

    private const int InitialBytes = 1 << 20;

    // Text has hardly any of these; tab, line feed, form feed, carriage return and escape are not among them.
    private static readonly SearchValues<byte> ControlBytes =
        SearchValues.Create([.. Enumerable.Range(1, 0x1F).Except([9, 10, 11, 12, 13, 0x1B]).Append(0x7F).Select(b => (byte)b)]);

    private readonly CorpusFile _file;
    private readonly FileStream _source;
    private readonly Stream _text;
    private readonly Action<long>? _consumed;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(InitialBytes);
    private int _start;
    private int _end;
    private int _checked;
    private long _remaining;
    private long _reported;

    /// <summary>Opens a window over the bytes of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="start">The first byte; 0 for a compressed file.</param>
    /// <param name="end">The byte after the last; <see cref="long.MaxValue"/> for the end of the file.</param>
    /// <param name="consumed">Told the number of bytes of the file on disk each time that some were read.</param>
    public ScanBuffer(CorpusFile file, long start, long end, Action<long>? consumed)
    {
        _file = file;
        _consumed = consumed;
        _source = new FileStream(file.Open(), FileAccess.Read, file.IsCompressed ? 1 << 16 : 0);
        _source.Position = start;
        _reported = start;
        _text = file.IsCompressed ? Gzip.Open(_source) : _source;
        Offset = start;
        _remaining = end - start;
    }

    /// <summary>What is in the window.</summary>
    public ReadOnlyMemory<byte> Text => _buffer.AsMemory(_start, _checked - _start);

    /// <summary>Where the window begins in the (uncompressed) file.</summary>
    public long Offset { get; private set; }

    /// <summary>Whether the window holds all that is left.</summary>
    public bool AtEnd { get; private set; }

    /// <summary>Drops bytes from the beginning of the window.</summary>
    public void Consume(int count)
    {
        _start += count;
        Offset += count;
    }

    /// <summary>Reads more. Memory got from <see cref="Text"/> before is no longer valid.</summary>
    public void Fill(string whatIsTooLong)
    {
        MakeRoom(whatIsTooLong);
        int read;
        try
        {
            // All that there is room for: what a caller looks through again and again grows by half at least, also of gzip.
            var room = (int)Math.Min(_buffer.Length - _end, _remaining);
            read = _text.ReadAtLeast(_buffer.AsSpan(_end, room), room, throwOnEndOfStream: false);
        }
        catch (InvalidDataException e)
        {
            throw new BadDataException($"{_file.Path}: the gzip data is damaged or cut off ({e.Message}).", e);
        }
        catch (IOException e)
        {
            throw Unreadable.As($"{_file.Path}: cannot be read at byte {Offset + (_end - _start)}: {e.Message}", e);
        }

        _end += read;
        _remaining -= read;
        AtEnd = read == 0 || _remaining == 0;
        Check();
        _consumed?.Invoke(_source.Position - _reported);
        _reported = _source.Position;
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _text.Dispose();
        _source.Dispose();
    }

    private void MakeRoom(string whatIsTooLong)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end, _checked) = (0, _end - _start, _checked - _start);
        }

        if (_end < _buffer.Length)
        {
            return;
        }

        if (_end >= LongestRun)
        {
            throw new BadDataException($"{_file.Path}: {whatIsTooLong} at byte {Offset} is longer than {LongestRun >> 20} MiB.");
        }

        var larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
        _buffer.AsSpan(0, _end).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }

    private void Check()
    {
        var fresh = _buffer.AsSpan(_checked.._end);
        var whole = AtEnd ? fresh.Length : fresh.Length - UnfinishedLength(fresh);
        fresh = fresh[..whole];
        var position = Offset + (_checked - _start);
        if (fresh.IndexOf((byte)0) is var zero and >= 0)
        {
            throw new BadDataException($"{_file.Path}: a zero byte at byte {position + zero}: this is binary data, not UTF-8 text.");
        }

        if (!Utf8.IsValid(fresh))
        {
            throw new BadDataException($"{_file.Path}: invalid UTF-8 at byte {position + ValidLength(fresh)}.");
        }

        var controls = 0;
        for (var rest = fresh; rest.IndexOfAny(ControlBytes) is var next and >= 0; rest = rest[(next + 1)..])
        {
            controls++;
        }

        // One in fifty, and not just a stray one.
        if (controls >= 8 && controls > fresh.Length / 50)
        {
            throw new BadDataException($"{_file.Path}: {controls} control characters in the {fresh.Length} bytes from byte {position} on: this is binary data, not text.");
        }

        _checked += whole;
    }

    private static int UnfinishedLength(ReadOnlySpan<byte> text)
    {
        for (var length = 1; length <= Math.Min(3, text.Length); length++)
        {
            if (text[^length] >= 0xC0)
            {
                return Rune.DecodeFromUtf8(text[^length..], out _, out _) == OperationStatus.NeedMoreData ? length : 0;
            }
        }

        return 0;
    }

    private static int ValidLength(ReadOnlySpan<byte> text)
    {
        var length = 0;
        while (Rune.DecodeFromUtf8(text[length..], out _, out var consumed) == OperationStatus.Done)
        {
            length += consumed;
        }

        return length;
    }
}
