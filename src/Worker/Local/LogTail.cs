using System.Text;

namespace Linformer.Worker.Local;

/// <summary>Follows a rank's log from where it ended before the run, and keeps the last lines.</summary>
public sealed class LogTail : IDisposable
{
    /// <summary>How many lines are kept.</summary>
    public const int KeptLines = 20;

    private const int MaximumLineBytes = 4096;

    private readonly Func<Stream> _open;
    private readonly Lock _gate = new();
    private readonly Queue<string> _last = new();
    private readonly MemoryStream _partial = new();
    private readonly byte[] _buffer = new byte[65_536];
    private Stream? _file;
    private long _position;
    private bool _cut;

    /// <summary>Creates the log if there is none.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="IOException">It cannot be created or read.</exception>
    public LogTail(string path)
        : this(() => new FileStream(path, FileMode.OpenOrCreate, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0))
    {
    }

    /// <summary>Follows what is opened, again after each error.</summary>
    /// <param name="open">Opens the log to read it; it can seek.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public LogTail(Func<Stream> open)
    {
        _open = open;
        _file = open();
        _position = _file.Seek(0, SeekOrigin.End);
    }

    /// <summary>The last lines of this run; from any thread.</summary>
    public IReadOnlyList<string> LastLines
    {
        get
        {
            lock (_gate)
            {
                return [.. _last];
            }
        }
    }

    /// <summary>Hands out the lines that have been written since the last call.</summary>
    /// <param name="onLine">Gets the lines; a very long one is cut.</param>
    /// <param name="last">Whether nothing more will be written, so that a line without a break is one.</param>
    /// <returns>What was wrong with the file, which is opened again at the next call; null for nothing.</returns>
    public string? Poll(Action<string> onLine, bool last = false)
    {
        var wrong = Read(onLine);
        if (last && _partial.Length > 0)
        {
            EndLine(onLine);
        }

        return wrong;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file?.Dispose();
        _partial.Dispose();
    }

    private string? Read(Action<string> onLine)
    {
        try
        {
            _file ??= _open();
            // Somebody may have emptied the log.
            _file.Position = _position = _file.Length < _position ? 0 : _position;
            int read;
            while ((read = _file.Read(_buffer)) > 0)
            {
                _position += read;
                Take(_buffer.AsSpan(0, read), onLine);
            }

            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _file?.Dispose();
            _file = null;
            return e.Message;
        }
    }

    private void Take(ReadOnlySpan<byte> bytes, Action<string> onLine)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            var part = end < 0 ? bytes : bytes[..end];
            var room = MaximumLineBytes - (int)_partial.Length;
            _cut |= part.Length > room;
            _partial.Write(part[..Math.Min(part.Length, room)]);
            if (end < 0)
            {
                return;
            }

            EndLine(onLine);
            bytes = bytes[(end + 1)..];
        }
    }

    private void EndLine(Action<string> onLine)
    {
        var line = Encoding.UTF8.GetString(_partial.GetBuffer().AsSpan(0, (int)_partial.Length)).TrimEnd('\r') + (_cut ? "…" : "");
        _partial.SetLength(0);
        _cut = false;
        lock (_gate)
        {
            _last.Enqueue(line);
            if (_last.Count > KeptLines)
            {
                _last.Dequeue();
            }
        }

        onLine(line);
    }
}
