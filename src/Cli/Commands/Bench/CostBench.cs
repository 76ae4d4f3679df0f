using System.CommandLine;
using Grpc.Core;
using Linformer.Bench.Cost;
using Linformer.Cli.Commands.Options;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench cost</c>: what fault tolerance, logging and metrics cost of a step.</summary>
internal static class CostBench
{
    private const int MostRuns = 100;
    private const int MostSteps = 10_000;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var defaults = new CostBenchmarkOptions { Program = Environment.ProcessPath! };
        var precision = PretrainingBench.PrecisionOption(defaults.Precision, "fp32", "bf16");
        var runs = CountOption.Create("--runs", "How often each is run, in turns", defaults.Runs, MostRuns);
        var steps = CountOption.Create("--steps", "Steps of a run that are measured", defaults.Steps, MostSteps, least: 10);
        var checkpoints = CountOption.Create("--checkpoint-every", "Steps between checkpoints", defaults.CheckpointEvery, MostSteps);
        var command = new Command("cost", "What fault tolerance, logging and metrics cost of a step: a job of a cluster beside bare ranks") { precision, runs, steps, checkpoints };
        command.WithExamples("bench cost", "bench cost --precision fp32 --steps 30 --runs 5");
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var options = defaults with
            {
                Precision = parsed.GetValue(precision)!,
                Runs = parsed.GetValue(runs),
                Steps = parsed.GetValue(steps),
                CheckpointEvery = parsed.GetValue(checkpoints),
                OnLine = context.Note,
            };
            try
            {
                var results = await BenchOutput.CatchingAsync(() => CostBenchmark.RunAsync(options, cancellation));
                BenchOutput.Write(context, new { options.Precision, runs = results }, [CostBenchmark.Table(options, results)]);
                return ExitCodes.Success;
            }
            catch (Exception error) when (error is RpcException or HttpRequestException)
            {
                throw new CommandException(error.Message);
            }
        });
        return command;
    }
}
