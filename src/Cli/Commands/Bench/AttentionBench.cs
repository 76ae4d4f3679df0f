using System.CommandLine;
using Linformer.Bench.Attention;
using Linformer.Cli.Commands.Options;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench attention</c>: time and memory of an attention layer as sequences grow, beside PyTorch's and full attention.</summary>
internal static class AttentionBench
{
    private const int MostRuns = 100;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var defaults = new AttentionBenchmarkOptions();
        var lengths = Numbers("--lengths", "Lengths of sequences, n", "N", defaults.Lengths);
        var projected = Numbers("--projected", "Projected dimensions, k", "K", defaults.Projected);
        var precision = PretrainingBench.PrecisionOption("both", "fp32", "bf16", "both");
        var until = CountOption.Create("--full-until", "The longest sequence for which full attention is measured rather than extrapolated", defaults.FullUntil, 65_536, least: 16);
        var runs = CountOption.Create("--runs", "How often each is measured, in turns", defaults.Runs, MostRuns);
        var million = new Option<bool>("--million") { Description = "Instead: one sequence of 1,000,000 tokens, forward and backward" };
        var command = new Command("attention", "Time and memory of an attention layer as sequences grow, beside PyTorch's Linformer layer and full attention") { lengths, projected, precision, until, runs, million };
        command.WithExamples("bench attention", "bench attention --lengths 4096 8192 65536 --projected 128 --runs 3", "bench attention --million");
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var options = defaults with
            {
                Lengths = parsed.GetValue(lengths)!,
                Projected = parsed.GetValue(projected)!,
                Precisions = parsed.GetValue(precision) is "both" ? ["fp32", "bf16"] : [parsed.GetValue(precision)!],
                FullUntil = parsed.GetValue(until),
                Runs = parsed.GetValue(runs),
                OnLine = context.Note,
            };
            if (parsed.GetValue(million))
            {
                var longest = await BenchOutput.CatchingAsync(() => MillionAsync(options, cancellation));
                BenchOutput.Write(context, new { measures = longest }, [AttentionTables.Million(longest)]);
                return ExitCodes.Success;
            }

            var measures = await BenchOutput.CatchingAsync(() => AttentionBenchmark.RunAsync(options, cancellation));
            BenchOutput.Write(context, new { measures }, AttentionTables.Of(measures));
            return ExitCodes.Success;
        });
        return command;
    }

    private static async Task<IReadOnlyList<AttentionMeasure>> MillionAsync(AttentionBenchmarkOptions options, CancellationToken cancellation)
    {
        var measures = new List<AttentionMeasure>();
        foreach (var precision in options.Precisions)
        {
            measures.Add(await AttentionBenchmark.RunMillionAsync(precision, options.Projected[0], cancellation));
        }

        return measures;
    }

    private static Option<int[]> Numbers(string name, string description, string help, IReadOnlyList<int> standard)
    {
        const int Least = 16, Most = 131_072;
        var option = new Option<int[]>(name)
        {
            Description = $"{description}, {Least} to {Most}",
            HelpName = help,
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [.. standard],
        };
        option.Validators.Add(result =>
        {
            if (result.TryGet<int[]>(out var values) && Array.Find(values!, value => value is < Least or > Most) is not 0 and var wrong)
                result.AddError($"{name} has {wrong}; allowed are {Least} to {Most}.");
        });
        return option;
    }
}
