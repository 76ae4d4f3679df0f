using System.CommandLine;
using System.Text.Json.Nodes;
using Linformer.Cli.Commands.Options;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Worker.Agents;
using Linformer.Worker.Jobs;
using Linformer.Worker.Local;
using Linformer.Worker.Machines;

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
        var replay = new Option<string?>("--replay")
        {
            Description = "Repeat a training: as many ranks at each step as its history.json says, which gives the same weights to the bit",
            HelpName = "HISTORY",
        };
        var name = new Option<string?>("--name") { Description = "Train under another name than the job file's", HelpName = "NAME" };
        var (stallTimeout, data) = (StallTimeoutOption.Create(), StorageOption.Create());
        var command = new Command("train", "Train a job with rank processes on this machine") { file, ranks, resume, replay, name, stallTimeout, data };
        command.Validators.Add(result =>
        {
            if (result.GetValue(replay) is not null && (result.GetValue(resume) || result.GetResult(ranks) is { Implicit: false }))
                result.AddError("--replay takes the ranks from the history and starts with its first step: neither --ranks nor --resume goes with it.");
        });
        command.WithExamples(
            "train examples/tiny.yaml --ranks 2",
            "train examples/tiny.yaml --replay linformer-data/jobs/tiny/history.json --name tiny-again");
        command.SetAction((parsed, cancellation) =>
        {
            var job = Named(JobFileParser.Load(parsed.GetValue(file)!, GpuSupport.IsBuiltIn).OrThrow(), parsed.GetValue(name));
            var history = parsed.GetValue(replay);
            var options = new LocalTrainingOptions
            {
                RankProgram = RankProcessCommand.Self(),
                StorageRoot = parsed.GetValue(data)!,
                Ranks = parsed.GetValue(ranks),
                Resume = parsed.GetValue(resume),
                Watchdog = new WatchdogOptions { Killer = "its launcher" }.WithStall(parsed.GetValue(stallTimeout).Time),
                Replay = history is null ? null : WorldHistory.Load(history),
                Replayed = history is null ? null : RunRecord.Load(Path.Combine(Path.GetDirectoryName(history) ?? "", StorageLayout.RunRecordName))?.ParsedJob(),
            };
            var called = parsed.GetValue(name) is { } other ? $" --name {Shell.Quote(other)}" : "";
            var again = $"./linformer train {Shell.Quote(parsed.GetValue(file)!)} --data {Shell.Quote(options.StorageRoot)}{(options.Ranks is { } n ? $" --ranks {n}" : "")}{called} --resume";
            return RunAsync(CommandContext.Of(parsed), options, job, again, cancellation);
        });
        return command;
    }

    // By the rules of job files.
    private static JobFile Named(JobFile job, string? name)
    {
        if (name is null)
            return job;
        var fields = JsonNode.Parse(job.ToJson())!;
        fields["name"] = name;
        return JobFileParser.Parse(fields.ToJsonString(), "--name", cuda: true).OrThrow();
    }

    private static async Task<int> RunAsync(
        CommandContext context, LocalTrainingOptions options, JobFile job, string again, CancellationToken cancellation)
    {
        var result = await TrainingRun.ExecuteAsync(context, options, job, cancellation);
        var timePercent = TrainingRun.Shares(result.PhaseSeconds);
        if (result.Summary is not { } summary)
        {
            context.WriteResult(
                new { job = job.Name, stopped = true, step = result.Step, timePercent },
                output => output.WriteLine($"Stopped after step {result.Step} of {job.Training.Steps}. Go on with: {again}"));
            return ExitCodes.Cancelled;
        }

        context.WriteResult(new { job = job.Name, summary, timePercent }, output =>
        {
            TrainingRun.WriteSummary(output, summary);
            TrainingRun.WriteShares(output, timePercent);
        });
        return ExitCodes.Success;
    }
}
