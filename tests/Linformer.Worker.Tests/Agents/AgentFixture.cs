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
            options.Watchdog.Silence.TotalSeconds.ToString(CultureInfo.InvariantCulture),
        ];
        Array.ForEach(arguments, info.ArgumentList.Add);
        var process = Process.Start(info)!;
        _processes.Add(process);
        return process;
    }

    /// <summary>A job's members on an agent, in its first slots, and the generation that they form.</summary>
    private protected static V1.RankGroup Group(int members = 2, int generation = 7, string job = "brown-abcde") =>
        Group([.. Enumerable.Range(1, members)], Plan(generation, [.. Enumerable.Range(1, members)]), job);

    private protected static V1.RankGroup Group(int[] members, V1.GenerationPlan? plan, string job = "brown-abcde")
    {
        var group = new V1.RankGroup
        {
            JobId = job,
            JobName = "brown",
            JobFile = """{"name":"brown ☃"}""",
            Threads = 1,
            CorpusFolder = "cache/corpora/0123",
            RunFolder = $"jobs/{job}",
            ModelFolder = $"models/{job}",
            Goal = V1.GroupGoal.Train,
            Plan = plan,
        };
        group.Members.AddRange(members.Select((member, slot) => new V1.MemberPlace { Member = member, Slot = slot }));
        return group;
    }

    private protected static V1.GenerationPlan Plan(int generation, params int[] members)
    {
        var plan = new V1.GenerationPlan { Generation = generation, StateSource = new V1.StateSource { NewestCheckpoint = true } };
        plan.Members.AddRange(members);
        return plan;
    }
}
