namespace Linformer.Chaos.Faults;

/// <summary>What can go wrong.</summary>
public enum FaultKind
{
    /// <summary>kill -9 of a rank.</summary>
    KillRank,

    /// <summary>kill -9 of a worker's agent; it is started again.</summary>
    KillWorker,

    /// <summary>A rank stands still (SIGSTOP), and goes on if it still lives.</summary>
    StopRank,

    /// <summary>A worker's agent stands still, and goes on.</summary>
    StopWorker,

    /// <summary>A worker's machine is cut off, and connected again.</summary>
    CutNetwork,

    /// <summary>A worker's link gets narrow, and wide again.</summary>
    NarrowLink,

    /// <summary>kill -9 of the coordinator; it is started again.</summary>
    KillCoordinator,

    /// <summary>The coordinator stands still, and goes on.</summary>
    StopCoordinator,

    /// <summary>The disk that jobs write to is full, and freed.</summary>
    FillDisk,

    /// <summary>Bytes of the newest checkpoint change.</summary>
    DamageCheckpoint,

    /// <summary>A person drains a worker, and takes that back.</summary>
    DrainWorker,

    /// <summary>kill -9 of all ranks at once: the job goes on from its newest whole checkpoint.</summary>
    KillAllRanks,
}

/// <summary>One fault of a plan.</summary>
/// <param name="Number">From 1 on.</param>
/// <param name="Kind">What goes wrong.</param>
/// <param name="AtStep">Not before the job is there, or has stood still for long.</param>
/// <param name="Calm">Nor sooner than this after the fault before.</param>
/// <param name="Worker">Which worker it prefers, from 1 on; 0 when it strikes none.</param>
/// <param name="Duration">How long it lasts; zero for what is over at once.</param>
/// <param name="Kilobits">What a narrow link lets through per second; 0 otherwise.</param>
public sealed record Fault(int Number, FaultKind Kind, int AtStep, TimeSpan Calm, int Worker, TimeSpan Duration, int Kilobits)
{
    /// <summary>Whether it strikes one worker or its rank.</summary>
    public bool StrikesWorker => Worker > 0;

    /// <summary>Whether it takes a rank, or may.</summary>
    public bool TakesRank => Kind is FaultKind.KillRank or FaultKind.KillWorker or FaultKind.StopRank or FaultKind.StopWorker
        or FaultKind.CutNetwork or FaultKind.DrainWorker;
}
