using System.CommandLine;
using Grpc.Core;
using Linformer.Bench.ControlPlane;
using Linformer.Cli.Commands.Options;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench submit</c>: how soon a job takes its first step.</summary>
internal static class SubmitBench
{
    private const int MostJobs = 1000;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var defaults = new SubmitBenchmarkOptions { Program = Environment.ProcessPath! };
        var jobs = CountOption.Create("--jobs", "Jobs that are submitted one after the other", defaults.Jobs, MostJobs);
        var command = new Command("submit", "From a submission to the first step, on a cluster of this machine that waits for jobs") { jobs };
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            try
            {
                var measures = await SubmitBenchmark.RunAsync(defaults with { Jobs = parsed.GetValue(jobs), OnLine = context.Note }, cancellation);
                context.WriteResult(measures, output =>
                {
                    foreach (var measure in measures)
                        output.WriteLine(ControlPlaneBenchmark.Line(measure));
                });
                return ExitCodes.Success;
            }
            catch (Exception error) when (error is InvalidOperationException or RpcException or HttpRequestException)
            {
                throw new CommandException(error.Message);
            }
        });
        return command;
    }
}
