using System.CommandLine;
using Linformer.Protocol;
using Linformer.Worker.Local;

namespace Linformer.Cli.Commands;

/// <summary><c>train FILE</c>: trains a job with rank processes on this machine.</summary>
internal static class TrainCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "The job file (YAML or JSON)" };
        var ranks = new Option<int?>("--ranks") { Description = "Rank processes (default: the job's ranks.max)", HelpName = "N" };
        var resume = new Option<bool>("--resume") { Description = "Go on from the newest checkpoint that is whole" };
        var data = StorageOption.Create();
        var command = new Command("train", "Train a job with rank processes on this machine") { file, ranks, resume, data };
        command.SetAction((parsed, cancellation) =>
        {
            var job = JobFileParser.Load(parsed.GetValue(file)!).OrThrow();
            var options = new LocalTrainingOptions
            {
                RankProgram = RankProcessCommand.Self(),
                StorageRoot = parsed.GetValue(data)!,
                Ranks = parsed.GetValue(ranks),
                Resume = parsed.GetValue(resume),
            };
            var again = $"./linformer train {Shell.Quote(parsed.GetValue(file)!)} --data {Shell.Quote(options.StorageRoot)}{(options.Ranks is { } n ? $" --ranks {n}" : "")} --resume";
            return RunAsync(CommandContext.Of(parsed), options, job, again, cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        CommandContext context, LocalTrainingOptions options, JobFile job, string again, CancellationToken cancellation)
    {
        var result = await TrainingRun.ExecuteAsync(context, options, job, cancellation);
        if (result.Summary is not { } summary)
        {
            context.WriteResult(
                new { job = job.Name, stopped = true, step = result.Step },
                output => output.WriteLine($"Stopped after step {result.Step} of {job.Training.Steps}. Go on with: {again}"));
            return ExitCodes.Cancelled;
        }

        context.WriteResult(new { job = job.Name, summary }, output => TrainingRun.WriteSummary(output, summary));
        return ExitCodes.Success;
    }
}
