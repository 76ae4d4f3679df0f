using System.CommandLine;
using Linformer.Bench;
using Linformer.Cli.Commands.Options;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench collectives</c>: all-reduce beside a bare Gloo program.</summary>
internal static class CollectivesBench
{
    private const int MostRanks = 64;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var defaults = new CollectivesBenchmarkOptions();
        var ranks = new Option<int>("--ranks")
        {
            Description = $"Rank processes on this machine, 2 to {MostRanks}",
            HelpName = "N",
            DefaultValueFactory = _ => defaults.Ranks,
        };
        ranks.Validators.Add(result =>
        {
            if (result.TryGet<int>(out var value) && value is < 2 or > MostRanks)
            {
                result.AddError($"--ranks must be from 2 to {MostRanks}.");
            }
        });
        var sizes = new Option<long[]>("--sizes")
        {
            Description = "Sizes of the buffers in bytes, multiples of 4",
            HelpName = "BYTES",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [.. defaults.Sizes],
        };
        sizes.Validators.Add(result =>
        {
            if (result.TryGet<long[]>(out var values) && values is not null && Array.Exists(values, value => value <= 0 || value % 4 != 0))
            {
                result.AddError("--sizes must be positive multiples of 4.");
            }
        });
        var command = new Command("collectives", "All-reduce over Gloo, beside a bare Gloo program") { ranks, sizes };
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var options = defaults with { Ranks = parsed.GetValue(ranks), Sizes = parsed.GetValue(sizes)! };
            // The table grows as it is measured; as JSON only the result is printed.
            var results = CollectivesBenchmark.Run(options, context.Format == OutputFormat.Json ? TextWriter.Null : context.Output, cancellation);
            context.WriteResult(
                results.Select(r => new { r.Bytes, bareBytesPerSecond = r.BareBytesPerSecond, r.BytesPerSecond, r.Ratio }),
                _ => { });
            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }
}
