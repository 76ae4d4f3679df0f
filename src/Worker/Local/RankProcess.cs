using System.Diagnostics;
using System.Threading.Channels;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Local;

/// <summary>What is told of a rank's process while it runs; an exception from one ends the process.</summary>
/// <param name="Message">A message has come. A <see cref="RankProtocolException"/> blames the rank.</param>
/// <param name="LogLine">The log has a further line.</param>
internal sealed record RankCallbacks(Action<RankMessage> Message, Action<string> LogLine);

/// <summary>One rank's process: started, spoken to, listened to, its log followed, its end explained.</summary>
internal sealed class RankProcess : IDisposable
{
    private static readonly TimeSpan LogInterval = TimeSpan.FromMilliseconds(200);

    // A process that a rank has started may hold its pipe open after the rank's end.
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(2);

    // Others wait for the news that a rank was killed; what is in its pipe and log by then has usually been read.
    private static readonly TimeSpan LastLook = TimeSpan.FromMilliseconds(10);

    private readonly Process _process;
    private readonly LogTail _log;
    private readonly RankCallbacks _callbacks;
    private readonly Channel<byte[]> _outbox = Channel.CreateUnbounded<byte[]>(new UnboundedChannelOptions { SingleReader = true });
    private readonly TaskCompletionSource<RankEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private RankProtocolException? _protocolError;
    private FailedMessage? _failed;
    private string? _summary;
    private string? _blame;
    private bool _stopping;
    private bool _killed;
    private bool _warned;

    private RankProcess(RankLaunch launch, Process process, LogTail log, RankCallbacks callbacks, bool wasWarm)
    {
        WasWarm = wasWarm;
        LogPath = launch.LogPath;
        _process = process;
        _log = log;
        _callbacks = callbacks;
        ProcessId = process.Id;
    }

    public int ProcessId { get; }

    /// <summary>Whether it was started before there was a job for it, and does not know its log.</summary>
    public bool WasWarm { get; }

    public string LogPath { get; }

    /// <summary>The log's last lines of this process, at most <see cref="LogTail.KeptLines"/>.</summary>
    public IReadOnlyList<string> LastLogLines => _log.LastLines;

    /// <summary>An exception of a callback, for which the process was ended.</summary>
    public Exception? CallbackError { get; private set; }

    /// <summary>Completes as soon as the process has ended; never with an exception.</summary>
    public Task<RankEnd> Ended => _ended.Task;

    /// <summary>Completes once all that the process has left in its pipe and log was passed on.</summary>
    public Task Closed { get; private set; } = Task.CompletedTask;

    /// <summary>Starts the process, or takes one that waits.</summary>
    /// <param name="launch">How it is started.</param>
    /// <param name="callbacks">What is told of it.</param>
    /// <param name="warm">Those that wait; null for none.</param>
    /// <exception cref="IOException">The log cannot be created.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">The system refuses.</exception>
    public static RankProcess Start(RankLaunch launch, RankCallbacks callbacks, WarmRanks? warm = null)
    {
        // Created here rather than by the shell, so that a log that cannot be written is an exception.
        var log = new LogTail(launch.LogPath);
        try
        {
            var waiting = warm?.Take(launch);
            return new RankProcess(launch, waiting ?? ProcessStarter.Start(launch.StartInfo()), log, callbacks, waiting is not null);
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>Starts to listen; callbacks come from now on.</summary>
    public void Supervise() => Closed = Task.Run(SuperviseAsync);

    /// <summary>Queues a message; a rank that does not listen keeps nobody waiting.</summary>
    public void Send(LauncherMessage message)
    {
        if (message is StopMessage)
        {
            _stopping = true;
        }

        _outbox.Writer.TryWrite(RankMessageCodec.ToLine(message));
    }

    /// <summary>Ends the process at once.</summary>
    /// <param name="blame">What it is killed for, as a predicate; null when it is no longer needed, which is no failure.</param>
    public void Kill(string? blame = null)
    {
        lock (_gate)
        {
            if (_ended.Task.IsCompleted)
            {
                return;
            }

            _killed |= blame is null;
            _blame ??= blame;
            _process.Kill();
        }
    }

    public void Dispose()
    {
        _process.Dispose();
        _log.Dispose();
    }

    private async Task SuperviseAsync()
    {
        using var drained = new CancellationTokenSource();
        var exit = _process.WaitForExitAsync(CancellationToken.None);
        var reading = ReadAsync(drained.Token);
        var sending = SendQueuedAsync();
        var following = FollowLogAsync(exit);
        await exit;
        _outbox.Writer.TryComplete();
        drained.CancelAfter(DrainTime);
        var words = Task.WhenAll(reading, following);
        await (Signals.NameOf(_process.ExitCode) is null ? words : Task.WhenAny(words, Task.Delay(LastLook)));
        lock (_gate)
        {
            _ended.SetResult(End());
        }

        await Task.WhenAll(words, sending);
    }

    // What follows the rank may throw; the process ends then, and the exception says why.
    private void Guard(Action callback)
    {
        try
        {
            callback();
        }
        catch (Exception e) when (e is not RankProtocolException)
        {
            CallbackError ??= e;
            Kill($"was ended because what follows it failed: {e.Message}");
        }
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
            Kill(e.Message);
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
                _summary = finished.SummaryJson;
                break;
            case StoppedMessage:
                _stopping = true;
                break;
            case FailedMessage failed:
                _failed ??= failed;
                break;
        }

        Guard(() => _callbacks.Message(message));
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
        while (!exit.IsCompleted)
        {
            WarnOnce(_log.Poll(PassLogLine));
            await Task.WhenAny(exit, Task.Delay(LogInterval));
        }

        WarnOnce(_log.Poll(PassLogLine, last: true));
    }

    // Shared storage may fail for a while. What a rank computes is worth more than what it says.
    private void WarnOnce(string? wrong)
    {
        if (wrong is not null && !_warned)
        {
            _warned = true;
            Guard(() => _callbacks.Message(new WarningMessage($"The log {LogPath} cannot be read and is tried again: {wrong}")));
        }
    }

    private void PassLogLine(string line) => Guard(() => _callbacks.LogLine(line));

    private RankEnd End()
    {
        var code = _process.ExitCode;
        var signal = Signals.NameOf(code);
        var (outcome, reason) = this switch
        {
            { _protocolError: { } error } => (RankOutcome.Failed, error.Message),
            { CallbackError: not null } => (RankOutcome.Failed, _blame),
            // All of the job is done, whatever happened to the process after that.
            { _summary: not null } => (RankOutcome.Finished, null),
            { _failed: { } failed } when !_killed => (RankOutcome.Failed, $"failed: {failed.Message}"),
            { _blame: { } blame } => (RankOutcome.Failed, blame),
            { _killed: true } => (RankOutcome.Killed, null),
            _ when signal == "SIGKILL" => (RankOutcome.Failed, $"was ended by SIGKILL (exit code {code}), which is also what the system does when memory runs out"),
            _ when signal is not null => (RankOutcome.Failed, $"was ended by {signal} (exit code {code})"),
            _ when code != 0 => (RankOutcome.Failed, $"exited with code {code}"),
            { _stopping: false } => (RankOutcome.Failed, "exited with code 0 before the job was done"),
            _ => (RankOutcome.Stopped, null),
        };
        var told = _protocolError is null ? _failed : null;
        return new RankEnd(outcome, code, signal, reason, told is { PeerLost: true }, told is { Permanent: true }, _summary);
    }
}
