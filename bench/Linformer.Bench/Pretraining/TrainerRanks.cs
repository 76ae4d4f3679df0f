using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Linformer.Data;
using Linformer.Protocol;
using Linformer.Worker.Jobs;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;

namespace Linformer.Bench.Pretraining;

/// <summary>The bare ranks of a job, see <see cref="TrainerRank"/>. Between two measurements they wait and cost nothing.</summary>
internal sealed class TrainerRanks : IDisposable
{
    private readonly List<Process> _ranks = [];
    private readonly List<string> _logs = [];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-bare-");

    /// <summary>Starts them; prepares the corpus where that was not done.</summary>
    /// <param name="job">The job.</param>
    /// <param name="storageRoot">The storage root.</param>
    /// <param name="ranks">How many ranks.</param>
    /// <param name="place">Where a rank runs: a prefix for its command, and the address where it listens; null for this machine's loopback.</param>
    /// <param name="overlap">Whether gradients travel while backward goes on.</param>
    /// <param name="together">Whether they train one model; if not, each trains one of its own at the same time as the others.</param>
    /// <exception cref="BadDataException">The corpus is bad.</exception>
    public TrainerRanks(
        JobFile job, string storageRoot, int ranks, Func<int, (IReadOnlyList<string> Prefix, string Address)>? place = null, bool overlap = true, bool together = true)
    {
        var layout = new StorageLayout(Path.GetFullPath(storageRoot));
        var corpus = CorpusPreparation.Prepare(JobMapping.CorpusSettings(job), layout.Root, layout.Cache);
        for (var rank = 0; rank < ranks; rank++)
        {
            var (prefix, address) = place?.Invoke(rank) ?? ([], "127.0.0.1");
            var start = new StartMessage(
                rank, job.Ranks.Threads, job.ToJson(), layout.Root, corpus.Folder, Subfolder("run"), Subfolder("model"), ListenAddress: address);
            Start(prefix, together ? new TrainerOrder(start, rank, ranks, Subfolder("meeting"), overlap) : new TrainerOrder(start, Rank: 0, WorldSize: 1, Subfolder("meeting"), overlap));
        }
    }

    /// <summary>Parses a job file.</summary>
    /// <exception cref="JobFileException">It asks for what there is not.</exception>
    public static JobFile Parse(string job) => JobFileParser.Parse(Encoding.UTF8.GetBytes(job), "job", cuda: false).OrThrow();

    /// <summary>Trains; gives what each rank has measured.</summary>
    /// <param name="steps">Steps.</param>
    /// <param name="profiled">Whether kernels are timed one by one.</param>
    /// <exception cref="InvalidOperationException">A rank has failed.</exception>
    public IReadOnlyList<TrainerWindow> Train(int steps, bool profiled = false)
    {
        foreach (var rank in _ranks)
        {
            Write(rank, $"{(profiled ? "profile" : "steps")} {steps}");
        }

        return [.. _ranks.Select((rank, number) => rank.StandardOutput.ReadLine() is { } line
            ? JsonSerializer.Deserialize<TrainerWindow>(line)!
            : throw Failed(number))];
    }

    /// <summary>Trains; gives the seconds of a step on the slowest rank, and the processor's seconds of a step in the mean of the ranks.</summary>
    public (double Wall, double Processor) StepSeconds(int steps)
    {
        var windows = Train(steps);
        return (windows.Max(window => window.Seconds) / steps, windows.Average(window => window.ProcessorSeconds) / steps);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var rank in _ranks)
        {
            Close(rank);
        }

        foreach (var rank in _ranks)
        {
            if (!rank.WaitForExit(TimeSpan.FromSeconds(10)))
            {
                rank.Kill(entireProcessTree: true);
            }

            rank.Dispose();
        }

        _folder.Delete(recursive: true);
    }

    private void Start(IReadOnlyList<string> prefix, TrainerOrder order)
    {
        string[] line = [.. prefix, "dotnet", "exec", typeof(TrainerRanks).Assembly.Location, TrainerRank.Command];
        _logs.Add(Path.Combine(_folder.FullName, $"rank-{_ranks.Count}.log"));
        // As the product starts its ranks: the same allocator, the same number of threads.
        var launch = new RankLaunch(line[0], line[1..], _logs[^1], order.Start);
        var process = Process.Start(launch.StartInfo())!;
        _ranks.Add(process);
        Write(process, JsonSerializer.Serialize(order));
    }

    private string Subfolder(string name) => Directory.CreateDirectory(Path.Combine(_folder.FullName, name)).FullName;

    // One that has ended is found when its answer is read.
    private static void Write(Process rank, string line)
    {
        try
        {
            rank.StandardInput.WriteLine(line);
            rank.StandardInput.Flush();
        }
        catch (IOException)
        {
        }
    }

    private static void Close(Process rank)
    {
        try
        {
            rank.StandardInput.Close();
        }
        catch (IOException)
        {
        }
    }

    private InvalidOperationException Failed(int rank)
    {
        _ranks[rank].WaitForExit(TimeSpan.FromSeconds(2));
        var log = File.Exists(_logs[rank]) ? File.ReadAllText(_logs[rank]).Trim() : "";
        return new InvalidOperationException($"rank {rank} of the benchmark has ended:\n{log}");
    }
}
