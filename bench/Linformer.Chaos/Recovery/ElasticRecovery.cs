using System.Net;
using System.Net.Sockets;
using Linformer.Chaos.Network;
using Linformer.Chaos.Processes;

namespace Linformer.Chaos.Recovery;

/// <summary>Measures PyTorch's elastic agent: as many ranks, a model of the same size, checkpoints as often.</summary>
/// <param name="options">What to do.</param>
/// <param name="interval">The agent's monitor interval, in seconds.</param>
internal sealed class ElasticRecovery(RecoveryOptions options, double interval)
{
    private const int Ranks = 2;
    private const int WarmSteps = 50;
    private const string Python = "/usr/bin/python3";
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private string Name => $"elastic agent, {interval} s";

    /// <summary>Whether this machine has it.</summary>
    public static async Task<bool> IsThereAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(Python))
            return false;
        using var process = OwnedProcess.Start([Python, "-c", "import torch.distributed.launcher.api"], "", "/dev/null");
        return await process.WaitAsync(cancellationToken) == 0;
    }

    /// <summary>Kills ranks.</summary>
    public async Task<RecoveryMeasures> KillAsync(CancellationToken cancellationToken)
    {
        var (kills, step) = (new List<Kill>(), TimeSpan.Zero);
        await WithRanksAsync(network: null, async events =>
        {
            await WaitForStepsAsync(events, cancellationToken);
            step = await StepTimeAsync(events, cancellationToken);
            for (var number = 1; number <= options.Kills; number++)
            {
                kills.Add(await KillAsync(events, victim: number % Ranks, cancellationToken));
                options.OnLine($"{Name}, kill {number}: next step {kills[^1].NextStep.TotalSeconds:0.00} s, all ranks {kills[^1].AllRanks.TotalSeconds:0.00} s, {kills[^1].StepsLost} steps lost");
            }
        }, cancellationToken);
        return new RecoveryMeasures
        {
            System = Name,
            Step = step,
            NextStep = Median.Of(kills.Select(kill => kill.NextStep)),
            AllRanks = Median.Of(kills.Select(kill => kill.AllRanks)),
            StepsLost = Median.Of(kills.Select(kill => (double)kill.StepsLost)),
        };
    }

    /// <summary>Stops a rank.</summary>
    public async Task<TimeSpan?> StopAsync(CancellationToken cancellationToken)
    {
        TimeSpan? noticed = null;
        await WithRanksAsync(network: null, async events =>
        {
            await WaitForStepsAsync(events, cancellationToken);
            var (stopped, other) = (events.Newest(1)!.Process, events.Newest(0)!.Process);
            noticed = await NoticeAsync("a rank is stopped", () => ProcessTable.Send(stopped, Signal.Stop), [other], cancellationToken);
        }, cancellationToken);
        return noticed;
    }

    /// <summary>Cuts one of two machines off; needs root.</summary>
    public async Task<TimeSpan?> CutAsync(CancellationToken cancellationToken)
    {
        TimeSpan? noticed = null;
        using var network = new MachineNetwork(Ranks);
        await WithRanksAsync(network, async events =>
        {
            await WaitForStepsAsync(events, cancellationToken);
            int[] ranks = [events.Newest(0)!.Process, events.Newest(1)!.Process];
            noticed = await NoticeAsync("a machine is cut off", () => network.Cut(Ranks - 1), ranks, cancellationToken);
        }, cancellationToken);
        return noticed;
    }

    // Noticed is that an agent ends a rank that is left, to start it again: its log tells of nothing earlier.
    private async Task<TimeSpan?> NoticeAsync(string what, Action act, int[] left, CancellationToken cancellationToken)
    {
        await Task.Delay(Calm, cancellationToken);
        var start = DateTime.UtcNow;
        act();
        while (DateTime.UtcNow - start < options.Wait)
        {
            if (!Array.TrueForAll(left, ProcessTable.IsAlive))
            {
                options.OnLine($"{Name}, {what}: noticed after {(DateTime.UtcNow - start).TotalSeconds:0.00} s");
                return DateTime.UtcNow - start;
            }

            await Task.Delay(Look, cancellationToken);
        }

        options.OnLine($"{Name}, {what}: not noticed within {options.Wait.TotalSeconds:0} s");
        return null;
    }

    private static async Task<Kill> KillAsync(ElasticEvents events, int victim, CancellationToken cancellationToken)
    {
        await WaitForStepsAsync(events, cancellationToken);
        await Task.Delay(Calm, cancellationToken);
        events.Read();
        int[] old = [events.Newest(0)!.Process, events.Newest(1)!.Process];
        var start = DateTime.UtcNow;
        ProcessTable.Send(old[victim], Signal.Kill);
        var unix = (start - DateTime.UnixEpoch).TotalSeconds;
        while (DateTime.UtcNow - start < Patience)
        {
            events.Read();
            var newer = events.All.Where(item => item.Time > unix && !old.Contains(item.Process)).ToList();
            if (newer.Find(item => item.World == Ranks) is { } all)
            {
                var done = events.All.Where(item => old.Contains(item.Process)).Max(item => item.Step);
                return new Kill(TimeSpan.FromSeconds(newer[0].Time - unix), TimeSpan.FromSeconds(all.Time - unix), Math.Max(0, done - newer.Min(item => item.Step) + 1));
            }

            await Task.Delay(Look, cancellationToken);
        }

        throw new TimeoutException($"PyTorch's elastic agent did not recover within {Patience.TotalSeconds:0} s from kill -9 of rank {victim}.");
    }

    private static async Task<TimeSpan> StepTimeAsync(ElasticEvents events, CancellationToken cancellationToken)
    {
        var (from, start) = (events.Newest(0)!.Step, DateTime.UtcNow);
        await Task.Delay(Calm, cancellationToken);
        events.Read();
        return (DateTime.UtcNow - start) / Math.Max(1, events.Newest(0)!.Step - from);
    }

    private static Task WaitForStepsAsync(ElasticEvents events, CancellationToken cancellationToken)
    {
        events.Read();
        var from = events.All.Count;
        return ChaosCluster.UntilAsync(
            () =>
            {
                events.Read();
                return Task.FromResult(events.All.Skip(from).Count(item => item.World == Ranks) > WarmSteps * Ranks);
            },
            "PyTorch's ranks take steps", Patience, cancellationToken);
    }

    // With a network one agent per machine with one rank each; without, one agent with all of them.
    private async Task WithRanksAsync(MachineNetwork? network, Func<ElasticEvents, Task> measure, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-recovery-").FullName;
        var mark = Guid.NewGuid().ToString("N");
        var agents = new List<OwnedProcess>();
        try
        {
            var port = FreePort();
            for (var machine = 0; machine < (network is null ? 1 : Ranks); machine++)
                agents.Add(StartAgent(network, machine, port, folder, mark));
            await measure(new ElasticEvents(Path.Combine(folder, "events.jsonl")));
        }
        catch (TimeoutException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new InvalidOperationException($"{error.Message} Its log ends with:\n{string.Join('\n', File.ReadLines(agents[0].LogFile).TakeLast(20))}", error);
        }
        finally
        {
            foreach (var agent in agents)
                agent.Dispose();
            foreach (var process in ProcessTable.WithVariable(OwnedProcess.MarkVariable, mark))
                ProcessTable.Send(process, Signal.Kill);
            Directory.Delete(folder, recursive: true);
        }
    }

    private OwnedProcess StartAgent(MachineNetwork? network, int machine, int port, string folder, string mark)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["OMP_NUM_THREADS"] = "1", ["GLOO_SOCKET_IFNAME"] = network is null ? "lo" : "eth0" };
        var script = Path.Combine(AppContext.BaseDirectory, "recovery-peer", "agent.py");
        return OwnedProcess.Start(
            [.. network?.On(machine) ?? [], Python, "-u", script, network is null ? "127.0.0.1" : MachineNetwork.Address(machine), $"{port}",
                network is null ? "1" : $"{Ranks}", network is null ? $"{Ranks}" : "1", $"{interval}", folder],
            mark, Path.Combine(folder, $"agent-{machine}.log"), environment);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
