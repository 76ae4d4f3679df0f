using System.Globalization;
using System.Runtime.InteropServices;
using Linformer.Worker.Agents;
using Serilog.Core;

namespace Linformer.Worker.TestRank;

/// <summary>An agent in a process of its own, which a test can kill.</summary>
internal static class AgentProcess
{
    public static async Task<int> RunAsync(string[] args)
    {
        using var leave = new CancellationTokenSource();
        using var registration = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            leave.Cancel();
        });
        var options = new WorkerAgentOptions
        {
            Coordinator = new Uri(args[0]),
            JoinToken = args[1],
            Name = args[2],
            Slots = int.Parse(args[3], CultureInfo.InvariantCulture),
            StorageRoot = args[4],
            ShardBytes = long.Parse(args[5], CultureInfo.InvariantCulture),
            RankProgram = (Environment.ProcessPath!, [args[6]]),
            Watchdog = new WatchdogOptions { Silence = TimeSpan.FromSeconds(double.Parse(args[7], CultureInfo.InvariantCulture)) },
        };
        await new WorkerAgent(options, Logger.None).RunAsync(leave.Token);
        return 0;
    }
}
