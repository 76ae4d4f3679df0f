using System.Collections.Immutable;
using Linformer.Chaos.Faults;
using Linformer.Chaos.Network;

namespace Linformer.Chaos;

/// <summary>What a run does.</summary>
public sealed record ChaosOptions
{
    /// <summary>The <c>linformer</c> program.</summary>
    public required string Program { get; init; }

    /// <summary>Decides everything that is random.</summary>
    public required int Seed { get; init; }

    /// <summary>How many faults.</summary>
    public int Faults { get; init; } = 100;

    /// <summary>Steps of the job that they are spread over.</summary>
    public int Steps { get; init; } = 2000;

    /// <summary>Workers of one slot each; the job takes as many ranks as there are.</summary>
    public int Workers { get; init; } = 3;

    /// <summary>Sequences of a step: what sets its time.</summary>
    public int GlobalBatch { get; init; } = 288;

    /// <summary>The kinds that are allowed; all that are possible unless set, but that which loses steps.</summary>
    public ImmutableArray<FaultKind> Kinds { get; init; } = [.. PossibleKinds.Where(kind => kind != FaultKind.KillAllRanks)];

    /// <summary>A run in which nothing happens for so long has failed.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Told each line of the log.</summary>
    public Action<string> OnLine { get; init; } = _ => { };

    /// <summary>The kinds that this user can cause on this machine.</summary>
    public static ImmutableArray<FaultKind> PossibleKinds { get; } = MachineNetwork.IsPossible
        ? FaultPlan.AllKinds
        : [.. FaultPlan.AllKinds.Where(kind => kind is not (FaultKind.CutNetwork or FaultKind.NarrowLink or FaultKind.FillDisk))];
}

/// <summary>What a run showed.</summary>
/// <param name="Seed">Its seed.</param>
/// <param name="Folder">Where its logs are; it is there only if something failed.</param>
/// <param name="Failures">What does not hold, a sentence each; empty when all is well.</param>
/// <param name="Faults">How many faults happened.</param>
/// <param name="LeftOut">Faults that did not happen, each with the reason.</param>
/// <param name="Steps">Committed steps.</param>
/// <param name="Generations">Generations of the job.</param>
/// <param name="Recomputed">Committed steps that were computed again.</param>
/// <param name="Elapsed">How long it took.</param>
public sealed record ChaosReport(
    int Seed, string Folder, ImmutableArray<string> Failures, int Faults, ImmutableArray<string> LeftOut, long Steps, int Generations, int Recomputed, TimeSpan Elapsed);
