namespace Linformer.Bench.ControlPlane;

/// <summary>What the benchmark of the control plane does.</summary>
public sealed record ControlPlaneOptions
{
    /// <summary>The linformer program.</summary>
    public required string Program { get; init; }

    /// <summary>Simulated workers of one slot each.</summary>
    public int Workers { get; init; } = 1000;

    /// <summary>Jobs that run all the time, of one to four ranks.</summary>
    public int Jobs { get; init; } = 200;

    /// <summary>Metric points a second of these jobs together.</summary>
    public int Points { get; init; } = 20_000;

    /// <summary>For how many seconds all is measured.</summary>
    public int Seconds { get; init; } = 60;

    /// <summary>Short jobs that are submitted a second meanwhile.</summary>
    public int Submissions { get; init; } = 2;

    /// <summary>Hours of the job whose metrics are drawn meanwhile, ten points a second; 0 for none.</summary>
    public int HistoryHours { get; init; } = 24;

    /// <summary>Is told how far it is.</summary>
    public Action<string> OnLine { get; init; } = _ => { };
}

/// <summary>A measure of the benchmark.</summary>
/// <param name="What">What was measured.</param>
/// <param name="Value">How much.</param>
/// <param name="Unit">Of what; empty for a count.</param>
/// <param name="Most">The most that it should be; null for no such goal.</param>
/// <param name="Least">The least that it should be; null for no such goal.</param>
public sealed record ControlPlaneMeasure(string What, double Value, string Unit, double? Most = null, double? Least = null)
{
    /// <summary>Whether the goal is met; null where there is none.</summary>
    public bool? Met => Most is null && Least is null ? null : (Most is not { } most || Value <= most) && (Least is not { } least || Value >= least);
}
