using System.Diagnostics;
using Linformer.Training.ProcessGroups;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Ranks;

/// <summary>
/// What the launcher wants of this process, of which the newest counts. The listening thread gives the orders; the training
/// thread waits for them, and what it does meanwhile is ended for them, at once or at the next step boundary.
/// </summary>
internal sealed class Orders
{
    private readonly object _gate = new();
    private JoinMessage? _newest;
    private Membership? _membership;
    private int _taken = -1;
    private bool _stop;

    /// <summary>Whether the process was asked to stop.</summary>
    public bool StopRequested
    {
        get
        {
            lock (_gate)
            {
                return _stop;
            }
        }
    }

    /// <summary>A generation to join; one that is older than the newest does not count.</summary>
    public void Join(JoinMessage join)
    {
        lock (_gate)
        {
            if (join.Generation > (_newest?.Generation ?? -1))
            {
                _newest = join;
                _membership?.GiveWayTo(join);
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>The process should stop: at the next step boundary, or when it waits for a generation.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _stop = true;
            _membership?.RequestStop();
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits until there is a generation to join, or until the process should end: then the result is null.</summary>
    /// <param name="patience">How long to wait, after a request to stop, for a generation that stops together.</param>
    public JoinMessage? WaitForJoin(TimeSpan patience)
    {
        long? stopped = null;
        lock (_gate)
        {
            while (true)
            {
                if (_newest is { } newest && newest.Generation > _taken)
                {
                    _taken = newest.Generation;
                    if (newest.Rank >= 0)
                    {
                        return newest;
                    }
                }

                if (!_stop)
                {
                    Monitor.Wait(_gate);
                    continue;
                }

                var left = patience - Stopwatch.GetElapsedTime(stopped ??= Stopwatch.GetTimestamp());
                if (left <= TimeSpan.Zero)
                {
                    return null;
                }

                Monitor.Wait(_gate, left);
            }
        }
    }

    /// <summary>From now on a newer order ends the group's waits at once.</summary>
    /// <param name="join">The order that this process follows.</param>
    /// <param name="group">The group that it forms with others.</param>
    /// <param name="requestLeave">Makes all ranks leave at the next step boundary.</param>
    /// <param name="requestStop">Makes all ranks stop at the next step boundary.</param>
    public void Enter(JoinMessage join, IProcessGroup group, Action requestLeave, Action requestStop)
    {
        lock (_gate)
        {
            _membership = new Membership(group, requestLeave, requestStop);
            if (_newest is { } newest && newest.Generation > join.Generation)
            {
                _membership.GiveWayTo(newest);
            }

            if (_stop)
            {
                requestStop();
            }
        }
    }

    /// <summary>The group trains: from now on an order that is not urgent ends it at a step boundary.</summary>
    public void Training()
    {
        lock (_gate)
        {
            _membership!.Trains = true;
        }
    }

    /// <summary>The process is in no group any more.</summary>
    public void Leave()
    {
        lock (_gate)
        {
            _membership = null;
        }
    }

    private sealed class Membership(IProcessGroup group, Action requestLeave, Action requestStop)
    {
        public bool Trains { get; set; }

        public void GiveWayTo(JoinMessage join)
        {
            if (Trains && !join.AtOnce)
            {
                requestLeave();
            }
            else
            {
                group.Abort(new OperationCanceledException($"was told to leave at once, for generation {join.Generation}"));
            }
        }

        public void RequestStop() => requestStop();
    }
}
