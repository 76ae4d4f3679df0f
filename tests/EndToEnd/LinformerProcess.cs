using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace EndToEnd;

/// <summary>The linformer command as a process of its own.</summary>
internal sealed class LinformerProcess : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

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

    /// <summary>Sends a signal: SIGINT, SIGKILL …</summary>
    public void Signal(string name) => Signal(Id, name);

    public static void Signal(int processId, string name)
    {
        using var kill = Process.Start("/bin/kill", ["-s", name, processId.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>The processes that this one has started and that are alive.</summary>
    public IReadOnlyList<int> Children() =>
        [.. Process.GetProcesses().Where(process => ParentOf(process.Id) == Id).Select(process => process.Id)];

    public static bool IsAlive(int processId) => ParentOf(processId) is not null;

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    // /proc/<pid>/stat: pid (name) state parent …; the name may hold anything.
    private static int? ParentOf(int processId)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] == "Z" ? null : int.Parse(fields[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
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
