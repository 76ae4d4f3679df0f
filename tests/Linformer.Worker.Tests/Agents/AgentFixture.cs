using System.Diagnostics;
using System.Globalization;
using Linformer.Worker.Agents;
using Linformer.Worker.Tests.Local;
using Serilog;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>A coordinator, agents of this process and of others, and a storage root; nothing of it outlives the test.</summary>
public abstract class AgentFixture : LauncherFixture, IAsyncLifetime
{
    private readonly List<(CancellationTokenSource Leave, Task Running)> _agents = [];
    private readonly List<Process> _processes = [];

    internal FakeCoordinator Coordinator { get; private set; } = null!;

    public async Task InitializeAsync() => Coordinator = await FakeCoordinator.StartNewAsync();

    public async Task DisposeAsync()
    {
        foreach (var process in _processes)
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }

        foreach (var (leave, running) in _agents)
        {
            await leave.CancelAsync();
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            leave.Dispose();
        }

        await Coordinator.DisposeAsync();
    }

    private protected WorkerAgentOptions Options(string modes, string name = "worker-1", int slots = 2) => new()
    {
        Coordinator = Coordinator.Address,
        JoinToken = FakeCoordinator.Token,
        Name = name,
        Slots = slots,
        StorageRoot = Folder,
        RankProgram = (TestRank, [modes]),
        DrainTimeout = TimeSpan.FromSeconds(5),
    };

    private protected (CancellationTokenSource Leave, Task Running) Start(WorkerAgentOptions options)
    {
        var leave = new CancellationTokenSource();
        var running = new WorkerAgent(options, new LoggerConfiguration().WriteTo.Sink(this).CreateLogger()).RunAsync(leave.Token);
        _agents.Add((leave, running));
        return (leave, running);
    }

    private protected Process StartProcess(WorkerAgentOptions options)
    {
        var info = new ProcessStartInfo(TestRank) { UseShellExecute = false };
        string[] arguments =
        [
            "agent", options.Coordinator.ToString(), options.JoinToken, options.Name, options.Slots.ToString(CultureInfo.InvariantCulture),
            options.StorageRoot, options.ShardBytes.ToString(CultureInfo.InvariantCulture), options.RankProgram.Arguments[0],
        ];
        Array.ForEach(arguments, info.ArgumentList.Add);
        var process = Process.Start(info)!;
        _processes.Add(process);
        return process;
    }

    private protected static V1.RankGroup Group(int worldSize = 2, int generation = 7, string job = "brown-abcde", params int[] ranks)
    {
        var group = new V1.RankGroup
        {
            JobId = job,
            JobName = "brown",
            Lineage = 0,
            Generation = generation,
            WorldSize = worldSize,
            JobFile = """{"name":"brown ☃"}""",
            Threads = 1,
            CorpusFolder = "cache/corpora/0123",
            RunFolder = $"jobs/{job}",
            ModelFolder = $"models/{job}",
            StateSource = new V1.StateSource { NewestCheckpoint = true },
            Goal = V1.GroupGoal.Train,
        };
        var numbers = ranks.Length > 0 ? ranks : [.. Enumerable.Range(0, worldSize)];
        group.Ranks.AddRange(numbers.Select((rank, slot) => new V1.RankPlace { Rank = rank, Slot = slot }));
        return group;
    }
}
