using System.CommandLine;
using Linformer.Bench;
using Linformer.Cli.Commands.Options;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench collectives</c>: all-reduce beside a bare Gloo program.</summary>
internal static class CollectivesBench
{
    private const int MostRanks = 64;
    private const int MostMegabits = 1_000_000;

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
        var link = new Option<int?>("--link")
        {
            Description = "Instead, steps over links of so many megabits per second between network namespaces: all-reduce at the end and overlapped, float32 and bfloat16 on the wire",
            HelpName = "MEGABITS",
        };
        link.Validators.Add(result =>
        {
            if (result.TryGet<int?>(out var value) && value is < 1 or > MostMegabits)
            {
                result.AddError($"--link must be from 1 to {MostMegabits}.");
            }
        });
        var command = new Command("collectives", "All-reduce over Gloo, beside a bare Gloo program") { ranks, sizes, link };
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var output = context.Format == OutputFormat.Json ? TextWriter.Null : context.Output;
            if (parsed.GetValue(link) is { } megabits)
            {
                return Task.FromResult(RunLink(context, new LinkBenchmarkOptions { Ranks = parsed.GetValue(ranks), Megabits = megabits }, output, cancellation));
            }

            var options = defaults with { Ranks = parsed.GetValue(ranks), Sizes = parsed.GetValue(sizes)! };
            // The table grows as it is measured; as JSON only the result is printed.
            var results = CollectivesBenchmark.Run(options, output, cancellation);
            context.WriteResult(
                results.Select(r => new { r.Bytes, bareBytesPerSecond = r.BareBytesPerSecond, tcpBytesPerSecond = r.Bytes / r.OverTcp.TotalSeconds, r.RatioOverTcp, r.BytesPerSecond, r.Ratio, roundedBytesPerSecond = r.Bytes / r.Rounded.TotalSeconds, r.RoundedRatio }),
                _ => { });
            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }

    private static int RunLink(CommandContext context, LinkBenchmarkOptions options, TextWriter output, CancellationToken cancellation)
    {
        if (!LinkBenchmark.IsPossible)
        {
            throw new CommandException("Links between network namespaces need root, ip and tc; leave --link out to measure over loopback.");
        }

        var results = LinkBenchmark.Run(options, output, cancellation);
        context.WriteResult(
            results.Select(r => new { r.Name, stepSeconds = r.Step.TotalSeconds, hidden = double.IsNaN(r.Hidden) ? (double?)null : r.Hidden }),
            _ => { });
        return ExitCodes.Success;
    }
}
