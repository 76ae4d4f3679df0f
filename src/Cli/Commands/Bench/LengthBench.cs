using System.CommandLine;
using Linformer.Bench.Quality;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Demo;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench length</c>: longer sequences with the same k, from scratch and going on from a model of shorter ones.</summary>
internal static class LengthBench
{
    private const int MostSteps = 1_000_000;
    private const int MostSeeds = 20;
    private const int Shortest = 512;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var data = StorageOption.Create();
        var steps = CountOption.Create("--steps", "Steps of each job from scratch; half as many more where a model goes on", 400, MostSteps, least: 2);
        var projected = CountOption.Create("--projected", "Projected length k", 128, Shortest);
        var seeds = CountOption.Create("--seeds", "Seeds that each row is trained from", 1, MostSeeds);
        var command = new Command("length", "Held-out perplexity at n = 512 to 4,096 with the same k: from scratch, and from the model of n = 512") { data, steps, projected, seeds };
        command.WithExamples("bench length", "bench length --projected 256 --steps 4000 --seeds 2");
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var root = Path.GetFullPath(parsed.GetValue(data)!);
            var options = new LengthOptions
            {
                StorageRoot = root,
                Files = DemoText.Write(context, root, cancellation),
                Steps = parsed.GetValue(steps),
                Projected = parsed.GetValue(projected),
                Seeds = parsed.GetValue(seeds),
            };
            var result = await BenchOutput.CatchingAsync(() => LengthBenchmark.RunAsync(options, context.Note, cancellation));
            BenchOutput.Write(context, result, LengthBenchmark.Tables(options, result));
            return ExitCodes.Success;
        });
        return command;
    }
}
