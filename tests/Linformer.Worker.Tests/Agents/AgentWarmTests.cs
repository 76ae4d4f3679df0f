using System.Globalization;
using Linformer.Worker.Ranks;
using V1 = Linformer.Protocol.V1;

namespace Linformer.Worker.Tests.Agents;

/// <summary>Rank processes that wait for a job. No other tests have any, so all of this process's are theirs.</summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class AgentWarmTests : AgentJobFixture
{
    private const string Training = "steps: 6, evaluateEvery: 1000000, checkpointEvery: 1000000";

    [Fact]
    public async Task AJobGetsTheProcessThatWaitsAndItsLogIsTheJobs()
    {
        MakeJob(Training);
        var (leave, running) = Start(Options(RankProgram.Argument, "worker-1", 1) with { WarmRanks = 4 });
        // No more than there are slots.
        var waiting = await WaitingAsync(process => process.Count > 0);
        waiting.Count.ShouldBe(1);
        await WaitingAsync(_ => Read(waiting[0], "maps").Contains("/libtorch", StringComparison.Ordinal));

        Assign(Plan(1, 1), 1);
        var end = await EndAsync("worker-1", 1);

        (end.Outcome, end.ProcessId).ShouldBe((V1.MemberOutcome.Finished, waiting[0]), end.ToString());
        var log = File.ReadAllText(Path.Combine(Folder, "jobs/tiny-abcde/logs/m0001.log"));
        log.ShouldContain("Member 1 is ready on cpu");
        log.ShouldContain("Done after step 6");
        // Another waits in its place, and none is left when the agent has gone.
        (await WaitingAsync(processes => processes.Count > 0 && !processes.Contains(waiting[0]))).Count.ShouldBe(1);
        await leave.CancelAsync();
        await running;
        await WaitingAsync(processes => processes.Count == 0);
    }

    [Fact]
    public async Task AJobOfOtherThreadsGetsAProcessOfItsOwnAndTheNextOnesWaitWithAsMany()
    {
        MakeJob(Training);
        Start(Options(RankProgram.Argument, "worker-1", 1) with { WarmRanks = 1 });
        var waiting = await WaitingAsync(processes => processes.Count == 1);
        ThreadsOf(waiting[0]).ShouldBe("1");

        var group = Of(Plan(1, 1), Job.ToJson(), 1);
        group.Threads = 2;
        Coordinator.Assign("worker-1", assignment => assignment.Groups.Add(group));
        var end = await EndAsync("worker-1", 1);

        end.Outcome.ShouldBe(V1.MemberOutcome.Finished, end.ToString());
        waiting.ShouldNotContain(end.ProcessId);
        var next = await WaitingAsync(processes => processes.Count == 1 && !processes.Contains(waiting[0]));
        ThreadsOf(next[0]).ShouldBe("2");
    }

    [Fact]
    public async Task OneThatHasEndedIsNoJobs()
    {
        MakeJob(Training);
        Start(Options(RankProgram.Argument, "worker-1", 1) with { WarmRanks = 1 });
        var waiting = await WaitingAsync(processes => processes.Count == 1);
        using (var process = System.Diagnostics.Process.GetProcessById(waiting[0]))
        {
            process.Kill();
            await process.WaitForExitAsync();
        }

        Assign(Plan(1, 1), 1);
        var end = await EndAsync("worker-1", 1);

        end.Outcome.ShouldBe(V1.MemberOutcome.Finished, end.ToString());
        end.ProcessId.ShouldNotBe(waiting[0]);
    }

    private static async Task<List<int>> WaitingAsync(Func<List<int>, bool> fits)
    {
        using var giveUp = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            var waiting = Waiting();
            if (fits(waiting))
            {
                return waiting;
            }

            await Task.Delay(50, giveUp.Token);
        }
    }

    // Those that have their job already have its log as descriptor 2.
    private static List<int> Waiting() =>
    [
        .. Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) ? id : 0)
            .Where(id => id > 0 && ParentOf(id) == Environment.ProcessId && Variables(id).Any(entry => entry.StartsWith("LINFORMER_RANK_WARM=", StringComparison.Ordinal))
                && LogOf(id) == "/dev/null"),
    ];

    private static int ParentOf(int id) =>
        Read(id, "stat") is { Length: > 0 } stat && stat[(stat.LastIndexOf(')') + 2)..].Split(' ') is var fields && fields[0] is not ("Z" or "X")
            ? int.Parse(fields[1], CultureInfo.InvariantCulture)
            : 0;

    private static string ThreadsOf(int id) => Variables(id).Single(entry => entry.StartsWith("OMP_NUM_THREADS=", StringComparison.Ordinal)).Split('=')[1];

    private static string[] Variables(int id) => Read(id, "environ").Split('\0');

    private static string LogOf(int id)
    {
        try
        {
            return File.ResolveLinkTarget($"/proc/{id}/fd/2", returnFinalTarget: false)?.FullName ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static string Read(int id, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/{file}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
