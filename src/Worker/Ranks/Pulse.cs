using System.Diagnostics;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Ranks;

/// <summary>
/// The rank's signs of life: a thread that does nothing else tells the launcher how far the training thread has got, and
/// whether it waits.
/// </summary>
internal sealed class Pulse : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private readonly RankControl _control;
    private readonly ManualResetEventSlim _end = new();
    private readonly Thread _thread;
    private long _activity;
    private volatile bool _waiting;

    public Pulse(RankControl control)
    {
        _control = control;
        _thread = new Thread(Beat) { IsBackground = true, Name = "pulse" };
        _thread.Start();
    }

    /// <summary>How long the training thread has waited so far.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>Tells that the training thread has got further. From any thread.</summary>
    public void Advance() => Interlocked.Increment(ref _activity);

    /// <summary>Waits on the training thread: standing still is no sign of trouble meanwhile.</summary>
    public void Wait(Action wait)
    {
        var started = Stopwatch.GetTimestamp();
        _waiting = true;
        try
        {
            wait();
        }
        finally
        {
            _waiting = false;
            Waited += Stopwatch.GetElapsedTime(started);
            Advance();
        }
    }

    /// <summary>No sign follows.</summary>
    public void Dispose()
    {
        _end.Set();
        _thread.Join();
        _end.Dispose();
    }

    private void Beat()
    {
        do
        {
            _control.Send(new PulseMessage(Interlocked.Read(ref _activity), _waiting));
        }
        while (!_end.Wait(Interval));
    }
}
