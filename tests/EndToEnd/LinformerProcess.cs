using System.Diagnostics;
using System.Text;
using Linformer.Chaos.Processes;

namespace EndToEnd;

/// <summary>The linformer command as a process of its own.</summary>
internal sealed class LinformerProcess : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(6);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();

    private LinformerProcess(Process process) => _process = process;

    public int Id => _process.Id;

    /// <summary>What it has written to stderr so far.</summary>
    public string Error
    {
        get
        {
            lock (_error)
            {
                return _error.ToString();
            }
        }
    }

    public static string Program => Path.Combine(AppContext.BaseDirectory, "Linformer.Cli");

    public static LinformerProcess Start(params string[] arguments) => StartOn([], arguments);

    /// <summary>Starts the command behind a prefix that becomes it, such as <c>ip netns exec NAME</c>.</summary>
    public static LinformerProcess StartOn(IReadOnlyList<string> prefix, params string[] arguments)
    {
        string[] line = [.. prefix, Program, .. arguments];
        var start = new ProcessStartInfo(line[0]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in line[1..])
        {
            start.ArgumentList.Add(argument);
        }

        var process = new Process { StartInfo = start };
        var running = new LinformerProcess(process);
        process.OutputDataReceived += (_, line) => Append(running._output, line.Data);
        process.ErrorDataReceived += (_, line) => Append(running._error, line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return running;
    }

    /// <summary>Runs a command to its end.</summary>
    public static async Task<CommandResult> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        return await process.WaitAsync();
    }

    /// <summary>Runs a command that must succeed, and gives what it printed.</summary>
    public static async Task<string> SucceedAsync(params string[] arguments)
    {
        var result = await RunAsync(arguments);
        result.ExitCode.ShouldBe(0, result.Error);
        return result.Output;
    }

    public async Task<CommandResult> WaitAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        await _process.WaitForExitAsync(limit.Token);
        lock (_output)
        {
            lock (_error)
            {
                return new CommandResult(_process.ExitCode, _output.ToString(), _error.ToString());
            }
        }
    }

    /// <summary>Sends a signal.</summary>
    /// <param name="name">INT, TERM, KILL, STOP or CONT.</param>
    public void Signal(string name) => Signal(Id, name);

    public static void Signal(int processId, string name) => ProcessTable.Send(processId, name switch
    {
        "INT" => Linformer.Chaos.Processes.Signal.Interrupt,
        "TERM" => Linformer.Chaos.Processes.Signal.Terminate,
        "KILL" => Linformer.Chaos.Processes.Signal.Kill,
        "STOP" => Linformer.Chaos.Processes.Signal.Stop,
        "CONT" => Linformer.Chaos.Processes.Signal.Continue,
        _ => throw new ArgumentException($"There is no signal {name}.", nameof(name)),
    });

    /// <summary>The processes that this one has started and that are alive; not rank processes that wait for a job.</summary>
    public IReadOnlyList<int> Children() => [.. ProcessTable.Children(Id).Where(id => !ProcessTable.IsSilent(id))];

    public static bool IsAlive(int processId) => ProcessTable.IsAlive(processId);

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    private static void Append(StringBuilder text, string? line)
    {
        lock (text)
        {
            text.AppendLine(line);
        }
    }
}

internal sealed record CommandResult(int ExitCode, string Output, string Error);
