using System.CommandLine;
using Linformer.Bench.Quality;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Demo;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench perplexity</c>: full attention, several k and all ways to share, with the same budget.</summary>
internal static class PerplexityBench
{
    private const int MostSteps = 1_000_000;
    private const int MostLength = 4096;
    private const int MostSeeds = 20;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var data = StorageOption.Create();
        var steps = CountOption.Create("--steps", "Steps of each job", 400, MostSteps);
        var length = CountOption.Create("--length", "Sequence length n; at least the largest k, 256", 512, MostLength, least: 256);
        var seeds = CountOption.Create("--seeds", "Seeds that each row is trained from", 1, MostSeeds);
        var only = new Option<string[]>("--only") { Description = $"Only some: {string.Join(", ", PerplexityBenchmark.Names)}", HelpName = "NAME", AllowMultipleArgumentsPerToken = true };
        only.AcceptOnlyFromAmong([.. PerplexityBenchmark.Names]);
        var command = new Command("perplexity", "Held-out perplexity of full attention, several k and all ways to share projections, with the same budget on the demo's corpus") { data, steps, length, seeds, only };
        command.WithExamples("bench perplexity --steps 1500 --seeds 2", "bench perplexity --only full k128");
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var root = Path.GetFullPath(parsed.GetValue(data)!);
            var options = new PerplexityOptions
            {
                StorageRoot = root,
                Files = DemoText.Write(context, root, cancellation),
                Steps = parsed.GetValue(steps),
                Length = parsed.GetValue(length),
                Seeds = parsed.GetValue(seeds),
                Only = parsed.GetValue(only) ?? [],
            };
            var rows = await BenchOutput.CatchingAsync(() => PerplexityBenchmark.RunAsync(options, context.Note, cancellation));
            BenchOutput.Write(context, new { rows }, [PerplexityBenchmark.Table(options, rows)]);
            return ExitCodes.Success;
        });
        return command;
    }
}
