using Linformer.Training;
using Linformer.Worker.Machines;
using Linformer.Worker.RankProtocol;

namespace Linformer.Worker.Ranks;

/// <summary>Tells once a second where the time of a rank's steps goes, and how much memory its process has. For the thread that trains.</summary>
/// <param name="clock">The trainer's clock.</param>
/// <param name="time">Tells when a second is over.</param>
/// <param name="memory">Reads the memory of this process.</param>
/// <param name="send">Tells the launcher.</param>
public sealed class StepSampler(StepClock clock, TimeProvider time, Func<ProcessMemory> memory, Action<RankSampleMessage> send)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private JoinMessage? _join;
    private long _since;
    private long _step;

    /// <summary>A generation begins; what was before belongs to none.</summary>
    /// <param name="join">The generation.</param>
    public void Begin(JoinMessage join)
    {
        clock.Take();
        (_join, _since, _step) = (join, time.GetTimestamp(), 0);
    }

    /// <summary>A step is done, with all that comes after it.</summary>
    /// <param name="step">Which.</param>
    public void StepDone(long step)
    {
        _step = step;
        if (time.GetElapsedTime(_since) >= Interval)
        {
            Tell();
        }
    }

    /// <summary>The generation ends: what was not told yet is told now. A second time does nothing.</summary>
    public void End()
    {
        Tell();
        _join = null;
    }

    private void Tell()
    {
        // Without a step there is nothing to divide by.
        if (_join is not { } join || _step == 0)
        {
            return;
        }

        var (times, used) = (clock.Take(), memory());
        _since = time.GetTimestamp();
        if (times.Steps > 0)
        {
            send(RankSampleMessage.Of(_step, times, used, join));
        }
    }
}
