using System.CommandLine;
using Linformer.Bench;
using Linformer.Bench.Quality;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Demo;
using Linformer.Protocol;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench paper</c>: the job files of examples/paper at a thousandth of their size.</summary>
internal static class PaperBench
{
    private const int MostScale = 1_000_000;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var data = StorageOption.Create();
        var only = new Option<string[]>("--only") { Description = "Only files whose names begin so, and those that they begin with", HelpName = "NAME", AllowMultipleArgumentsPerToken = true };
        var scale = CountOption.Create("--scale", "By what the steps are divided", PaperBenchmark.Scale, MostScale, least: 100);
        var command = new Command("paper", "Run the paper's job files (examples/paper) at a thousandth of their size: pretraining on the demo's corpus, fine-tuning on made-up examples") { data, only, scale };
        command.WithExamples("bench paper", "bench paper --scale 10000                  # minutes: does each file run?", "bench paper --only linformer-4096", "bench paper --only imdb sst2");
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var root = Path.GetFullPath(parsed.GetValue(data)!);
            var jobs = Chosen(parsed.GetValue(only) ?? []);
            var files = DemoText.Write(context, root, cancellation);
            MadeUpTasks.Write(root);
            var divisor = parsed.GetValue(scale);
            var runs = new Dictionary<string, TrainedRun>();
            foreach (var job in jobs)
            {
                context.Note($"{job.Name} …");
                var small = PaperBenchmark.PretrainingOf(job) is { } pretraining
                    ? PaperBenchmark.FineTuningInSmall(job, runs[pretraining].Model, divisor)
                    : PaperBenchmark.InSmall(job, files, divisor);
                runs[job.Name] = await BenchOutput.CatchingAsync(() => TrainedRun.TrainAsync(small, root, context.Note, cancellation));
            }

            BenchOutput.Write(context, new { runs = runs.Values }, [PaperBenchmark.Table([.. runs.Values], divisor)]);
            return ExitCodes.Success;
        });
        return command;
    }

    // Those of pretraining come first: the others begin with their models.
    private static List<JobFile> Chosen(string[] only)
    {
        var jobs = Directory.GetFiles(Path.Combine(Repository.Root(), "examples", "paper"), "*.yaml", SearchOption.AllDirectories)
            .Select(path => JobFileParser.Load(path, cuda: true).OrThrow())
            .OrderBy(job => PaperBenchmark.PretrainingOf(job) is not null).ThenBy(job => job.Name, StringComparer.Ordinal)
            .ToList();
        var chosen = jobs.Where(job => only.Length == 0 || only.Any(begin => job.Name.StartsWith(begin, StringComparison.Ordinal))).ToList();
        var needed = chosen.Select(PaperBenchmark.PretrainingOf).ToHashSet();
        return chosen.Count > 0
            ? [.. jobs.Where(job => chosen.Contains(job) || needed.Contains(job.Name))]
            : throw new CommandException($"No file of examples/paper begins with {string.Join(" or ", only)}.");
    }
}
