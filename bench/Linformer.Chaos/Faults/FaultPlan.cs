using System.Collections.Immutable;

namespace Linformer.Chaos.Faults;

/// <summary>What a plan is made from; the same settings give the same plan.</summary>
/// <param name="Seed">Decides everything that is random.</param>
/// <param name="Faults">How many faults.</param>
/// <param name="Steps">The job's steps, over which they are spread.</param>
/// <param name="Workers">The cluster's workers.</param>
/// <param name="Kinds">Which kinds are allowed.</param>
public sealed record FaultPlanSettings(int Seed, int Faults, int Steps, int Workers, ImmutableArray<FaultKind> Kinds);

/// <summary>Random faults as a pure function of a seed.</summary>
public static class FaultPlan
{
    // One fault in so many comes together with the one before.
    private const int OneInTogether = 5;

    /// <summary>Every kind.</summary>
    public static ImmutableArray<FaultKind> AllKinds { get; } = [.. Enum.GetValues<FaultKind>()];

    /// <summary>Makes the plan: every kind occurs before one comes again, faults are in the order of their steps.</summary>
    /// <exception cref="ArgumentException">No kinds, no workers, or fewer than 20 steps.</exception>
    public static ImmutableArray<Fault> Create(FaultPlanSettings settings)
    {
        if (settings.Kinds.IsDefaultOrEmpty)
            throw new ArgumentException("A plan needs at least one kind of fault.", nameof(settings));
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.Workers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.Steps, 20);
        ArgumentOutOfRangeException.ThrowIfNegative(settings.Faults);
        var random = new Random(settings.Seed);
        var kinds = new Queue<FaultKind>();
        var faults = ImmutableArray.CreateBuilder<Fault>(settings.Faults);
        // Some steps to begin with, and some to recover in before the last one.
        var (first, last) = (settings.Steps / 20, settings.Steps * 9 / 10);
        var together = false;
        for (var number = 1; number <= settings.Faults; number++)
        {
            if (kinds.Count == 0)
            {
                var round = settings.Kinds.ToArray();
                random.Shuffle(round);
                kinds = new Queue<FaultKind>(round);
            }

            together = !together && number > 1 && random.Next(OneInTogether) == 0;
            var step = first + (int)((last - first) * (number - 1 + random.NextDouble()) / settings.Faults);
            faults.Add(One(random, number, kinds.Dequeue(), together ? faults[^1].AtStep : step, together, settings.Workers));
        }

        return faults.MoveToImmutable();
    }

    private static Fault One(Random random, int number, FaultKind kind, int step, bool together, int workers)
    {
        var calm = together ? TimeSpan.FromMilliseconds(random.Next(50)) : TimeSpan.FromMilliseconds(random.Next(100, 1500));
        var worker = kind is FaultKind.KillCoordinator or FaultKind.StopCoordinator or FaultKind.FillDisk or FaultKind.DamageCheckpoint or FaultKind.KillAllRanks
            ? 0
            : random.Next(1, workers + 1);
        var (shortest, longest) = DurationOf(kind);
        var duration = TimeSpan.FromMilliseconds(longest == 0 ? 0 : random.Next(shortest, longest));
        return new Fault(number, kind, step, calm, worker, duration, kind == FaultKind.NarrowLink ? 1000 << random.Next(4) : 0);
    }

    // In milliseconds: around the limits after which what is gone counts as lost, on both sides of them.
    private static (int Shortest, int Longest) DurationOf(FaultKind kind) => kind switch
    {
        FaultKind.KillRank or FaultKind.KillAllRanks or FaultKind.DamageCheckpoint => (0, 0),
        FaultKind.KillWorker => (50, 2000),
        FaultKind.StopRank => (200, 6000),
        FaultKind.StopWorker => (200, 6000),
        FaultKind.CutNetwork => (200, 6000),
        FaultKind.NarrowLink => (500, 4000),
        FaultKind.KillCoordinator => (50, 3000),
        FaultKind.StopCoordinator => (200, 5000),
        FaultKind.FillDisk => (500, 4000),
        FaultKind.DrainWorker => (500, 4000),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "not a kind of fault"),
    };
}
