using System.CommandLine;
using Linformer.Bench;
using Linformer.Bench.Data;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Demo;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench data</c>: from text to batches, the tokenizer beside sentencepiece.</summary>
internal static class DataBench
{
    private const int MostRuns = 100;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var runs = CountOption.Create("--runs", "How often each is run, in turns; the median counts", 5, MostRuns);
        var command = new Command("data", "The tokenizer beside sentencepiece, making shards, and what batches cost a step") { runs };
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var result = await BenchOutput.CatchingAsync(() => Task.FromResult(Run(context, parsed.GetValue(runs), cancellation)));
            BenchOutput.Write(context, result, result.Tables());
            return ExitCodes.Success;
        });
        return command;
    }

    private static DataResult Run(CommandContext context, int runs, CancellationToken cancellation)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-bench-english-");
        try
        {
            var packages = Path.Combine(Repository.Root(), "artifacts", "npm", "node_modules");
            DemoCorpus.Write(packages, folder.FullName, (_, _) => { }, cancellation);
            return DataBenchmark.Run(new DataBenchmarkOptions { English = folder.FullName, Runs = runs, OnLine = context.Note }, cancellation);
        }
        catch (DirectoryNotFoundException e)
        {
            throw new CommandException(e.Message);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
