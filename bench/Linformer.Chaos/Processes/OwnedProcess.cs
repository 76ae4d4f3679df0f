using System.Diagnostics;

namespace Linformer.Chaos.Processes;

/// <summary>A process of the cluster: marked by a variable in its environment, its output in a file.</summary>
public sealed class OwnedProcess : IDisposable
{
    /// <summary>The variable that marks the processes of a cluster and all that they start.</summary>
    public const string MarkVariable = "LINFORMER_CHAOS";

    private readonly Process _process;
    private readonly TaskCompletionSource _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private StreamWriter? _log;

    private OwnedProcess(Process process, string logFile)
    {
        _process = process;
        LogFile = logFile;
        _log = new StreamWriter(logFile, append: true) { AutoFlush = true };
        _process.EnableRaisingEvents = true;
        _process.Exited += (_, _) => _exited.TrySetResult();
    }

    /// <summary>The process.</summary>
    public int Id => _process.Id;

    /// <summary>What it writes, both streams.</summary>
    public string LogFile { get; }

    /// <summary>Whether it has ended.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>Starts a process.</summary>
    /// <param name="line">The program and its arguments; a prefix such as <c>ip netns exec NAME</c> becomes it.</param>
    /// <param name="mark">What marks it and its children.</param>
    /// <param name="logFile">Gets its output, at its end.</param>
    /// <param name="environment">Variables that it gets beside this process's own.</param>
    public static OwnedProcess Start(
        IReadOnlyList<string> line, string mark, string logFile, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(line[0], line.Skip(1))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[MarkVariable] = mark;
        foreach (var (name, value) in environment ?? new Dictionary<string, string>(StringComparer.Ordinal))
            start.Environment[name] = value;
        var owned = new OwnedProcess(new Process { StartInfo = start }, logFile);
        owned._process.OutputDataReceived += (_, line) => owned.Write(line.Data);
        owned._process.ErrorDataReceived += (_, line) => owned.Write(line.Data);
        owned._process.Start();
        owned._process.StandardInput.Close();
        owned._process.BeginOutputReadLine();
        owned._process.BeginErrorReadLine();
        return owned;
    }

    /// <summary>Sends a signal, if it lives.</summary>
    public void Send(Signal signal)
    {
        if (!_process.HasExited)
            ProcessTable.Send(Id, signal);
    }

    /// <summary>Waits for its own end, not for that of children that hold its output open.</summary>
    /// <returns>Its exit code: 128 and the signal's number when a signal ended it.</returns>
    public async Task<int> WaitAsync(CancellationToken cancellationToken)
    {
        await _exited.Task.WaitAsync(cancellationToken);
        return _process.ExitCode;
    }

    /// <summary>Ends it at once.</summary>
    public void Dispose()
    {
        Send(Signal.Kill);
        lock (_gate)
        {
            _log?.Dispose();
            _log = null;
        }

        _process.Dispose();
    }

    private void Write(string? line)
    {
        if (line is null)
            return;
        lock (_gate)
            _log?.WriteLine(line);
    }
}
