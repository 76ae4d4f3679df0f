using System.Collections.Concurrent;
using System.Text;

namespace Linformer.Worker.RankProtocol;

/// <summary>
/// A rank's side of the control pipe. A thread of its own reads what the launcher says, so that it is heard whatever the
/// rank computes, and ends the process at once when the launcher has gone. All members may be called from any thread.
/// </summary>
public sealed class RankControl : IDisposable
{
    /// <summary>The exit code of a rank whose launcher has gone.</summary>
    public const int LauncherGoneExitCode = 70;

    private const int MaximumMessageCharacters = 20_000;

    private readonly ControlPipe _pipe;
    private readonly Lock _writing = new();
    private readonly TaskCompletionSource<StartMessage> _start = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<long, PendingGet> _gets = new();
    private readonly Lock _joining = new();
    private Action<JoinMessage>? _onJoin;
    private JoinMessage? _newestJoin;
    private long _lastRequest;

    private RankControl(ControlPipe pipe)
    {
        _pipe = pipe;
        new Thread(Listen) { IsBackground = true, Name = "launcher" }.Start();
    }

    /// <summary>Cancelled when the launcher asks for a graceful stop: finish the step, write a checkpoint, exit with code 0.</summary>
    public CancellationToken StopRequested => _stop.Token;

    /// <summary>Takes the process's control pipe and listens; see <see cref="ControlPipe.Claim"/>.</summary>
    /// <exception cref="InvalidOperationException">The process was not started by the launcher, or has called this before.</exception>
    public static RankControl Open() => new(ControlPipe.Claim());

    /// <summary>
    /// Sets who is told of the generations that this process should join: at once of the newest that was told so far, then on the
    /// listening thread, which should be held up only briefly. A message that is older than one before is left out.
    /// </summary>
    /// <param name="handler">Told of each.</param>
    public void OnJoin(Action<JoinMessage> handler)
    {
        lock (_joining)
        {
            _onJoin = handler;
            if (_newestJoin is { } join)
            {
                handler(join);
            }
        }
    }

    /// <summary>Tells the launcher something.</summary>
    /// <param name="message">What.</param>
    public void Send(RankMessage message)
    {
        var line = RankMessageCodec.ToLine(message);
        try
        {
            lock (_writing)
            {
                _pipe.Output.Write(line);
            }
        }
        catch (IOException e)
        {
            LauncherGone($"its launcher takes no more messages ({e.Message}).");
        }
    }

    /// <summary>What this rank is to do; it comes first on the pipe.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<StartMessage> WaitForStartAsync(CancellationToken cancellationToken = default) =>
        _start.Task.WaitAsync(cancellationToken);

    /// <summary>Tells that a step has been applied.</summary>
    /// <param name="progress">The step's numbers.</param>
    public void ReportProgress(ProgressMessage progress) => Send(progress);

    /// <summary>Tells that a checkpoint is on disk.</summary>
    /// <param name="checkpoint">Its name, such as <c>l0000-g0001-s00000100</c>.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="step">The last optimizer step that it contains.</param>
    /// <param name="bytes">The size of its files.</param>
    /// <param name="deleted">Older checkpoints that were deleted after it; null for none.</param>
    public void ReportCheckpointed(string checkpoint, string folder, long step = 0, long bytes = 0, IReadOnlyList<string>? deleted = null) =>
        Send(new CheckpointedMessage(checkpoint, folder, step, bytes, deleted));

    /// <summary>Tells of something that is wrong and does not end the job.</summary>
    /// <param name="message">What, in words for the user; a very long one is cut.</param>
    public void ReportWarning(string message) => Send(new WarningMessage(Cut(message)));

    /// <summary>Tells that the job is done; exit with code 0 next. Not after a stop.</summary>
    /// <param name="summaryJson">What to tell the user, as JSON.</param>
    public void ReportFinished(string summaryJson) => Send(new FinishedMessage(summaryJson));

    /// <summary>Tells that this rank stops before the job is done, as it or another was asked to; exit with code 0 next.</summary>
    /// <param name="step">The last step that it applied.</param>
    public void ReportStopped(long step) => Send(new StoppedMessage(step));

    /// <summary>Tells that this rank cannot go on; exit with another code than 0 next.</summary>
    /// <param name="message">Why, in words for the user; a very long one is cut.</param>
    /// <param name="peerLost">Whether the cause is that another rank has gone.</param>
    /// <param name="permanent">Whether another try would end the same way.</param>
    public void ReportFailed(string message, bool peerLost = false, bool permanent = false) =>
        Send(new FailedMessage(Cut(message), peerLost, permanent));

    /// <summary>Gives a key of the generation's rendezvous a value, which all ranks can get; the last one counts.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value, of at most some 700 kB.</param>
    /// <param name="generation">The generation.</param>
    /// <exception cref="ArgumentException">The value is too long.</exception>
    public void RendezvousSet(string key, ReadOnlySpan<byte> value, int generation = 0) =>
        Send(new RendezvousSetMessage(key, value.ToArray(), generation));

    /// <summary>A key's value, once any rank has set it, where there is only one generation.</summary>
    /// <param name="key">The key.</param>
    /// <param name="timeout">How long to wait.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TimeoutException">Nobody has set the key in time; the message names it.</exception>
    public byte[] RendezvousGet(string key, TimeSpan timeout, CancellationToken cancellationToken = default) =>
        RendezvousGet(key, generation: 0, timeout, cancellationToken);

    /// <summary>A key's value, once any rank of the generation has set it.</summary>
    /// <param name="key">The key.</param>
    /// <param name="generation">The generation.</param>
    /// <param name="timeout">How long to wait.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TimeoutException">Nobody has set the key in time; the message names it.</exception>
    public byte[] RendezvousGet(string key, int generation, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        var request = Interlocked.Increment(ref _lastRequest);
        using var pending = new PendingGet();
        _gets[request] = pending;
        try
        {
            Send(new RendezvousGetMessage(request, key, generation));
            return pending.Wait(timeout, cancellationToken)
                ?? throw new TimeoutException($"No rank has set the rendezvous key '{key}' within {timeout.TotalSeconds} s.");
        }
        finally
        {
            _gets.TryRemove(request, out _);
        }
    }

    /// <summary>Closes the pipe. The process should exit next.</summary>
    public void Dispose()
    {
        // The listening thread keeps the input, and may cancel the token, until the process ends.
        _pipe.Output.Dispose();
    }

    private static string Cut(string message)
    {
        ArgumentNullException.ThrowIfNull(message);
        return message.Length <= MaximumMessageCharacters ? message : message[..MaximumMessageCharacters] + "…";
    }

    private static void LauncherGone(string why)
    {
        Console.Error.WriteLine($"This rank ends: {why}");
        ControlPipe.ExitNow(LauncherGoneExitCode);
    }

    private void Listen()
    {
        try
        {
            using var reader = new StreamReader(_pipe.Input, Encoding.UTF8);
            while (reader.ReadLine() is { } line)
            {
                Handle(RankMessageCodec.ReadLauncherMessage(Encoding.UTF8.GetBytes(line)));
            }

            LauncherGone("its launcher has gone.");
        }
        catch (Exception e)
        {
            LauncherGone($"its launcher cannot be understood: {e.Message}");
        }
    }

    private void Handle(LauncherMessage message)
    {
        switch (message)
        {
            case StartMessage start:
                _start.TrySetResult(start);
                break;
            case JoinMessage join:
                Handle(join);
                break;
            case StopMessage:
                // On another thread: what others have registered must not keep this one from listening.
                _ = _stop.CancelAsync();
                break;
            case RendezvousValueMessage value when _gets.TryGetValue(value.Request, out var pending):
                pending.Complete(value.Value);
                break;
        }
    }

    private void Handle(JoinMessage join)
    {
        lock (_joining)
        {
            if (join.Generation > (_newestJoin?.Generation ?? -1))
            {
                _newestJoin = join;
                _onJoin?.Invoke(join);
            }
        }
    }

    private sealed class PendingGet : IDisposable
    {
        private readonly Lock _gate = new();
        private readonly ManualResetEventSlim _arrived = new();
        private byte[]? _value;
        private bool _disposed;

        public byte[]? Wait(TimeSpan timeout, CancellationToken cancellationToken) =>
            _arrived.Wait(timeout, cancellationToken) ? _value : null;

        public void Complete(byte[] value)
        {
            lock (_gate)
            {
                if (!_disposed)
                {
                    _value = value;
                    _arrived.Set();
                }
            }
        }

        public void Dispose()
        {
            lock (_gate)
            {
                _disposed = true;
                _arrived.Dispose();
            }
        }
    }
}
