using System.CommandLine;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench NAME</c>: what is measured beside a peer in the same run, and what is tried at length.</summary>
internal static class BenchCommand
{
    /// <summary>The command.</summary>
    public static Command Create() => new("bench", "Measure beside a peer in one run, or let things go wrong at length")
    {
        AllBench.Create(), PretrainingBench.Create(), ProfileBench.Create(), AttentionBench.Create(), PerplexityBench.Create(), LengthBench.Create(), PaperBench.Create(), CollectivesBench.Create(),
        DataBench.Create(), ControlPlaneBench.Create(), SubmitBench.Create(), RecoveryBench.Create(), ChaosBench.Create(), MetricsBench.Create(), DashboardBench.Create(),
        CostBench.Create(), SpamBench.Create(),
    };
}
