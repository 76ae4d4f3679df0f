using System.Diagnostics;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;

namespace Linformer.Worker.Tests.RankProtocol;

/// <summary>A rank process, and the end of its pipes that an agent has otherwise.</summary>
internal sealed class MemberProcess : IDisposable
{
    // Far more than anything takes on a busy machine.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly Process _process;
    private readonly List<RankMessage> _messages = [];
    private readonly List<string> _log = [];

    /// <summary>Starts it.</summary>
    /// <param name="number">The member's number.</param>
    /// <param name="onMessage">Told of each message before anybody sees it.</param>
    public MemberProcess(int number, Action<MemberProcess, RankMessage> onMessage)
    {
        Number = number;
        _process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Linformer.Worker.TestRank"), RankProgram.Argument)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { [ControlPipe.EnvironmentVariable] = "1", ["OMP_NUM_THREADS"] = "1", ["OPENBLAS_NUM_THREADS"] = "1" },
        })!;
        new Thread(() => Read(_process.StandardOutput, line =>
        {
            var message = RankMessageCodec.ReadRankMessage(System.Text.Encoding.UTF8.GetBytes(line));
            onMessage(this, message);
            Add(_messages, message);
        }))
        { IsBackground = true }.Start();
        new Thread(() => Read(_process.StandardError, line => Add(_log, line))) { IsBackground = true }.Start();
    }

    public int Number { get; }

    public IReadOnlyList<RankMessage> Messages
    {
        get
        {
            lock (_messages)
            {
                return [.. _messages];
            }
        }
    }

    public IEnumerable<ProgressMessage> Progress => Messages.OfType<ProgressMessage>();

    /// <summary>The last step that it has applied.</summary>
    public long Applied => Messages.OfType<AppliedMessage>().LastOrDefault()?.Step ?? 0;

    public void Send(LauncherMessage message)
    {
        var line = RankMessageCodec.ToLine(message);
        lock (_process)
        {
            try
            {
                _process.StandardInput.BaseStream.Write(line);
                _process.StandardInput.BaseStream.Flush();
            }
            catch (IOException)
            {
                // It has ended.
            }
        }
    }

    /// <summary>The first of its messages that is such a one, now or later.</summary>
    public T WaitFor<T>(Predicate<T>? which = null)
        where T : RankMessage
    {
        var deadline = Stopwatch.StartNew();
        lock (_messages)
        {
            while (true)
            {
                if (_messages.OfType<T>().FirstOrDefault(message => which?.Invoke(message) ?? true) is { } found)
                {
                    return found;
                }

                if (deadline.Elapsed > Patience || (_process.HasExited && !Monitor.Wait(_messages, 1000)))
                {
                    throw new TimeoutException($"Member {Number} has not sent the {typeof(T).Name}; it sent\n{string.Join('\n', Messages.Where(m => m is not PulseMessage).TakeLast(20))}\nand logged\n{Log}");
                }

                Monitor.Wait(_messages, 200);
            }
        }
    }

    public void Signal(string name)
    {
        if (name == "KILL")
        {
            // At once: another process would take the time of many steps.
            _process.Kill();
            return;
        }

        using var kill = Process.Start("kill", [$"-{name}", $"{_process.Id}"]);
        kill.WaitForExit();
    }

    /// <summary>Its exit code, once it has ended by itself.</summary>
    public int WaitForExit()
    {
        _process.WaitForExit(Patience).ShouldBeTrue($"member {Number} does not end:\n{Log}");
        return _process.ExitCode;
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

    private string Log
    {
        get
        {
            lock (_log)
            {
                return string.Join('\n', _log.TakeLast(30));
            }
        }
    }

    private static void Add<T>(List<T> list, T item)
    {
        lock (list)
        {
            list.Add(item);
            Monitor.PulseAll(list);
        }
    }

    private static void Read(StreamReader reader, Action<string> take)
    {
        while (reader.ReadLine() is { } line)
        {
            take(line);
        }
    }
}
