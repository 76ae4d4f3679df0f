using System.CommandLine;
using Linformer.Bench.Profile;
using Linformer.Cli.Commands.Options;
using Linformer.Protocol;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench profile FILE</c>: where the time of a job's steps goes.</summary>
internal static class ProfileBench
{
    private const int MostSteps = 100_000;
    private const int MostRanks = 64;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "The job file (YAML or JSON)" };
        var data = StorageOption.Create();
        var ranks = new Option<int?>("--ranks") { Description = $"Ranks, 1 to {MostRanks} (default: the job's ranks.max)", HelpName = "N" };
        ranks.Validators.Add(result =>
        {
            if (result.TryGet<int?>(out var value) && value is < 1 or > MostRanks)
                result.AddError($"--ranks is {value}; allowed are 1 to {MostRanks}.");
        });
        var steps = CountOption.Create("--steps", "Steps that are measured", 20, MostSteps);
        var command = new Command("profile", "Where the time of a job's steps goes: by phase and by kernel, beside the machine's peak (CPU)") { file, data, ranks, steps };
        command.WithExamples("bench profile examples/small.yaml --ranks 1");
        command.SetAction(async (parsed, _) =>
        {
            var context = CommandContext.Of(parsed);
            var options = new ProfileBenchmarkOptions
            {
                Job = JobFileParser.Load(parsed.GetValue(file)!, cuda: false).OrThrow(),
                StorageRoot = parsed.GetValue(data)!,
                Ranks = parsed.GetValue(ranks),
                Steps = parsed.GetValue(steps),
            };
            var result = await BenchOutput.CatchingAsync(() => Task.Run(() => ProfileBenchmark.Run(options)));
            BenchOutput.Write(context, result, result.Tables());
            return ExitCodes.Success;
        });
        return command;
    }
}
