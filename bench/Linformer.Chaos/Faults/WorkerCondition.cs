using System.Diagnostics;

namespace Linformer.Chaos.Faults;

/// <summary>What faults have done to a worker.</summary>
internal sealed class WorkerCondition
{
    private long _soundSince = Stopwatch.GetTimestamp();

    /// <summary>A fault of it lasts.</summary>
    public bool IsBusy { get; private set; }

    /// <summary>A fault lasts in which its rank may be lost.</summary>
    public bool IsImpaired { get; private set; }

    /// <summary>How long nothing has impaired it.</summary>
    public TimeSpan SoundFor => IsImpaired ? TimeSpan.Zero : Stopwatch.GetElapsedTime(_soundSince);

    public void Strike(Fault fault) => (IsBusy, IsImpaired) = (true, fault.TakesRank);

    public void Recover()
    {
        if (IsImpaired)
            _soundSince = Stopwatch.GetTimestamp();
        (IsBusy, IsImpaired) = (false, false);
    }
}
