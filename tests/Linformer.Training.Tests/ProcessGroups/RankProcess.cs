using System.Diagnostics;

namespace Linformer.Training.Tests.ProcessGroups;

/// <summary>A rank in a process of its own (tests/Linformer.Training.TestRank).</summary>
internal sealed class RankProcess : IDisposable
{
    private readonly Process _process;
    private readonly TaskCompletionSource _working = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RankProcess(
        int rank, int worldSize, string folder, int elements, TimeSpan timeout, IEnumerable<KeyValuePair<string, string>>? environment = null)
        : this([$"{rank}", $"{worldSize}", folder, $"{elements}", $"{(int)timeout.TotalMilliseconds}"], environment)
    {
    }

    private RankProcess(string[] arguments, IEnumerable<KeyValuePair<string, string>>? environment)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var argument in (string[])["exec", Path.Combine(AppContext.BaseDirectory, "Linformer.Training.TestRank.dll"), .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment ?? [])
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        new Thread(Read) { IsBackground = true }.Start();
    }

    /// <summary>The sum that each all-reduce printed last.</summary>
    public string LastSum { get; private set; } = "";

    /// <summary>One that takes over the state of rank 0 over and over.</summary>
    public static RankProcess Exchanging(
        int rank, int worldSize, string folder, int elements, IEnumerable<KeyValuePair<string, string>>? environment = null) =>
        new(["exchange", $"{rank}", $"{worldSize}", folder, $"{elements}"], environment);

    /// <summary>One that tells whether NCCL can be used.</summary>
    public static RankProcess Available(IEnumerable<KeyValuePair<string, string>> environment) => new(["available"], environment);

    /// <summary>Waits until it has done some all-reduces or exchanges.</summary>
    public void WaitUntilItWorks() => _working.Task.Wait(Ranks.Patience).ShouldBeTrue("the rank does not start");

    public void Send(string signal)
    {
        using var kill = Process.Start("kill", ["-" + signal, $"{_process.Id}"]);
        kill.WaitForExit();
    }

    public void Abort(string reason) => _process.StandardInput.WriteLine(reason);

    /// <summary>Waits until it ends by itself; gives its exit code and what it said last.</summary>
    public (int Code, string LastLine) WaitForExit()
    {
        _process.WaitForExit(Ranks.Patience).ShouldBeTrue("the rank hangs");
        return (_process.ExitCode, _ended.Task.Result);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private void Read()
    {
        var (last, count) = ("", 0);
        while (_process.StandardOutput.ReadLine() is { } line)
        {
            last = line;
            if (line.StartsWith("sum ", StringComparison.Ordinal))
            {
                LastSum = line;
                if (++count == 5)
                {
                    _working.TrySetResult();
                }
            }
        }

        _ended.TrySetResult(last);
    }
}
