namespace Linformer.Chaos.Recovery;

/// <summary>What one system showed; times are medians where something was done several times, null where it did not happen in time.</summary>
public sealed record RecoveryMeasures
{
    /// <summary>Which system, with which setting.</summary>
    public required string System { get; init; }

    /// <summary>A step on two ranks, undisturbed.</summary>
    public TimeSpan? Step { get; init; }

    /// <summary>From kill -9 of one of two ranks to the next step that is taken by whoever is left or started again.</summary>
    public TimeSpan? NextStep { get; init; }

    /// <summary>From there on until two ranks take a step again.</summary>
    public TimeSpan? AllRanks { get; init; }

    /// <summary>Steps that were done and had to be done again, per kill.</summary>
    public double? StepsLost { get; init; }

    /// <summary>From SIGSTOP of a rank until the system has noticed.</summary>
    public TimeSpan? StoppedNoticed { get; init; }

    /// <summary>From the cut of one of two machines off the network until the system has noticed.</summary>
    public TimeSpan? CutNoticed { get; init; }
}

/// <summary>What <see cref="RecoveryBenchmark"/> does.</summary>
public sealed record RecoveryOptions
{
    /// <summary>The <c>linformer</c> program.</summary>
    public required string Program { get; init; }

    /// <summary>How often a rank is killed; the median counts.</summary>
    public int Kills { get; init; } = 5;

    /// <summary>How long to wait until a system notices; more counts as not noticed.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Told what is under way.</summary>
    public Action<string> OnLine { get; init; } = _ => { };
}

/// <summary>One kill.</summary>
/// <param name="NextStep">Until a step was taken.</param>
/// <param name="AllRanks">Until all ranks took one.</param>
/// <param name="StepsLost">Steps done again.</param>
internal sealed record Kill(TimeSpan NextStep, TimeSpan AllRanks, long StepsLost);

/// <summary>Medians.</summary>
internal static class Median
{
    public static double Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }

    public static TimeSpan Of(IEnumerable<TimeSpan> times) => TimeSpan.FromSeconds(Of(times.Select(time => time.TotalSeconds)));
}
