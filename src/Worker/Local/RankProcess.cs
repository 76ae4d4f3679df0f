using System.Diagnostics;
using System.Globalization;
using System.Threading.Channels;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>What is told of a rank's process while it runs.</summary>
/// <param name="Message">A message has come.</param>
/// <param name="LogLine">The log has a further line.</param>
/// <param name="Trouble">The rank has failed, or will at once; called once.</param>
internal sealed record RankCallbacks(Action<RankProcess, RankMessage> Message, Action<RankProcess, string> LogLine, Action Trouble);

/// <summary>One rank's process: started, spoken to, listened to, its log followed, its end explained.</summary>
internal sealed class RankProcess : IDisposable
{
    // Signals of the terminal reach the whole foreground group; what they mean for a rank is the launcher's to say.
    // The log is opened by the shell, which then becomes the rank, so that native output and .NET's last words reach it
    // whatever becomes of the launcher.
    private const string ShellScript = """trap '' INT HUP; exec "$0" "$@" 2>>"$LINFORMER_RANK_LOG" """;
    private const string LogVariable = "LINFORMER_RANK_LOG";

    private static readonly TimeSpan LogInterval = TimeSpan.FromMilliseconds(200);

    // A process that a rank has started may hold its pipe open after the rank's end.
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(2);

    private readonly Process _process;
    private readonly LogTail _log;
    private readonly RankCallbacks _callbacks;
    private readonly Channel<byte[]> _outbox = Channel.CreateUnbounded<byte[]>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Lock _gate = new();
    private long? _trouble;
    private RankProtocolException? _protocolError;
    private FailedMessage? _failed;
    private bool _stopping;
    private bool _killed;

    private RankProcess(int rank, Process process, LogTail log, string logPath, RankCallbacks callbacks)
    {
        Rank = rank;
        LogPath = logPath;
        _process = process;
        _log = log;
        _callbacks = callbacks;
        ProcessId = process.Id;
    }

    public int Rank { get; }

    public int ProcessId { get; }

    public string LogPath { get; }

    /// <summary>What the rank said when it had done all of the job.</summary>
    public string? SummaryJson { get; private set; }

    /// <summary>An exception of a callback.</summary>
    public Exception? CallbackError { get; private set; }

    /// <summary>When the rank failed, for ordering.</summary>
    public long TroubleTime => _trouble ?? long.MaxValue;

    public bool PeerLost => _failed is { PeerLost: true };

    public static RankProcess Start(LocalRun run, int rank, RankCallbacks callbacks)
    {
        var logPath = Path.GetFullPath(Path.Combine(run.LogFolder, $"{run.LogPrefix}rank-{rank}.log"));
        // Created here rather than by the shell, so that a log that cannot be written is an exception.
        var log = new LogTail(logPath);
        try
        {
            return new RankProcess(rank, Process.Start(StartInfo(run, logPath))!, log, logPath, callbacks);
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>Queues a message; a rank that does not listen keeps nobody waiting.</summary>
    public void Send(LauncherMessage message)
    {
        if (message is StopMessage)
        {
            _stopping = true;
        }

        _outbox.Writer.TryWrite(RankMessageCodec.ToLine(message));
    }

    /// <summary>Ends the process at once; that does not count as its failure.</summary>
    public void Kill()
    {
        lock (_gate)
        {
            _killed = true;
        }

        _process.Kill();
    }

    /// <summary>Follows the process to its end; does not throw.</summary>
    /// <returns>The failure, or null when it ended as it should or was killed.</returns>
    public async Task<RankFailure?> SuperviseAsync()
    {
        using var drained = new CancellationTokenSource();
        var exit = _process.WaitForExitAsync(CancellationToken.None);
        var reading = ReadAsync(drained.Token);
        var sending = SendQueuedAsync();
        var following = FollowLogAsync(exit);
        await exit;
        _outbox.Writer.TryComplete();
        drained.CancelAfter(DrainTime);
        await Task.WhenAll(reading, sending, following);
        return Failure();
    }

    /// <summary>Calls what follows the ranks; when it throws, the run ends with its exception.</summary>
    public void Guard(Action callback)
    {
        try
        {
            callback();
        }
        catch (Exception e) when (e is not RankProtocolException)
        {
            CallbackError ??= e;
            ReportTrouble();
        }
    }

    public void Dispose()
    {
        _process.Dispose();
        _log.Dispose();
    }

    private static ProcessStartInfo StartInfo(LocalRun run, string logPath)
    {
        var info = new ProcessStartInfo("/bin/sh")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var argument in run.Arguments.Prepend(run.Command).Prepend(ShellScript).Prepend("-c"))
        {
            info.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in run.Environment)
        {
            info.Environment[name] = value;
        }

        // Native libraries read these when they are loaded; setting them inside the rank would be too late.
        var threads = run.Threads.ToString(CultureInfo.InvariantCulture);
        info.Environment["OMP_NUM_THREADS"] = threads;
        info.Environment["OPENBLAS_NUM_THREADS"] = threads;
        info.Environment["MKL_NUM_THREADS"] = threads;
        info.Environment["DOTNET_gcServer"] = "0";
        info.Environment["DOTNET_gcConcurrent"] = "0";
        info.Environment[ControlPipe.EnvironmentVariable] = "1";
        info.Environment[LogVariable] = logPath;
        if (run.PreloadLibrary is not null)
        {
            info.Environment["LD_PRELOAD"] = run.PreloadLibrary;
        }

        return info;
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            var lines = BoundedLines.ReadAsync(_process.StandardOutput.BaseStream, RankMessageCodec.MaximumLineBytes, cancellationToken);
            await foreach (var line in lines)
            {
                Take(RankMessageCodec.ReadRankMessage(line));
            }
        }
        catch (RankProtocolException e)
        {
            _protocolError = e;
            ReportTrouble();
            _process.Kill();
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The process has ended; what it did not send is lost with it.
        }
    }

    private void Take(RankMessage message)
    {
        switch (message)
        {
            case FinishedMessage finished:
                SummaryJson = finished.SummaryJson;
                break;
            case StoppedMessage:
                _stopping = true;
                break;
            case FailedMessage failed:
                _failed ??= failed;
                ReportTrouble();
                break;
            default:
                Guard(() => _callbacks.Message(this, message));
                break;
        }
    }

    private async Task SendQueuedAsync()
    {
        try
        {
            var input = _process.StandardInput.BaseStream;
            await foreach (var line in _outbox.Reader.ReadAllAsync())
            {
                await input.WriteAsync(line);
            }
        }
        catch (IOException)
        {
            // The process has ended, which says more.
        }
    }

    private async Task FollowLogAsync(Task exit)
    {
        try
        {
            while (!exit.IsCompleted)
            {
                _log.Poll(PassLogLine);
                await Task.WhenAny(exit, Task.Delay(LogInterval));
            }

            _log.Poll(PassLogLine, last: true);
        }
        catch (IOException e)
        {
            CallbackError ??= e;
            ReportTrouble();
        }
    }

    private void PassLogLine(string line) => Guard(() => _callbacks.LogLine(this, line));

    private void ReportTrouble()
    {
        lock (_gate)
        {
            if (_killed || _trouble is not null)
            {
                return;
            }

            _trouble = Stopwatch.GetTimestamp();
        }

        _callbacks.Trouble();
    }

    private RankFailure? Failure()
    {
        var code = _process.ExitCode;
        var signal = Signals.NameOf(code);
        var reason = this switch
        {
            { _protocolError: { } error } => error.Message,
            { _failed: { } failed } => $"failed: {failed.Message}",
            _ when signal == "SIGKILL" => $"was ended by SIGKILL (exit code {code}), which is also what the system does when memory runs out",
            _ when signal is not null => $"was ended by {signal} (exit code {code})",
            _ when code != 0 => $"exited with code {code}",
            _ when SummaryJson is null && !_stopping => "exited with code 0 before the job was done",
            _ => null,
        };
        if (reason is null)
        {
            return null;
        }

        ReportTrouble();
        return _trouble is null ? null : new RankFailure(
            Rank, code, signal, reason, _log.LastLines, LogPath, PeerLost, Permanent: _protocolError is null && _failed is { Permanent: true });
    }
}
