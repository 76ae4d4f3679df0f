using System.Diagnostics;

namespace Linformer.Chaos;

/// <summary>What happens in a run, with the seconds since its start: to a file and to whoever looks on.</summary>
public sealed class RunLog : IDisposable
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly StreamWriter _file;
    private readonly Action<string> _onLine;
    private readonly Lock _gate = new();

    /// <summary>Begins a log.</summary>
    /// <param name="file">The file.</param>
    /// <param name="onLine">Told each line.</param>
    public RunLog(string file, Action<string> onLine)
    {
        _file = new StreamWriter(file) { AutoFlush = true };
        _onLine = onLine;
    }

    /// <summary>Time since the start.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>Adds a line; after the end of the log it is dropped.</summary>
    public void Write(string text)
    {
        var line = $"{DateTime.UtcNow:HH:mm:ss.fff} {Elapsed.TotalSeconds,8:0.000} s  {text}";
        lock (_gate)
        {
            if (_file.BaseStream is null)
                return;
            _file.WriteLine(line);
            _onLine(line);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
            _file.Dispose();
    }
}
