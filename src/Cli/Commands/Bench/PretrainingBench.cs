using System.CommandLine;
using Linformer.Bench;
using Linformer.Bench.Pretraining;
using Linformer.Cli.Commands.Options;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench pretraining</c>: tokens per second beside PyTorch's DistributedDataParallel, and how they scale.</summary>
internal static class PretrainingBench
{
    private const int MostRanks = 64;
    private const int MostRuns = 100;
    private const int MostSteps = 10_000;
    private const int MostLength = 65_536;

    private const string Speed = "speed";
    private const string Scaling = "scaling";

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var size = new Option<string>("--size") { Description = "small (hidden 256, 4 layers) or base (hidden 768, 12 layers)", HelpName = "S", DefaultValueFactory = _ => "small" };
        size.AcceptOnlyFromAmong("small", "base");
        var length = CountOption.Create("--length", "Length of a sequence, n", 512, MostLength, least: 64);
        var precision = PrecisionOption("both", "fp32", "bf16", "both");
        var ranks = CountOption.Create("--ranks", "Ranks of one thread each, for the speed", 2, MostRanks);
        var runs = Own("--runs", "How often each is run, in turns (default: 3 for small, 1 for base)", MostRuns);
        var steps = Own("--steps", "Steps of a run that are measured (default: 20 for small, 2 for base)", MostSteps);
        var batch = Own("--batch", "Sequences of a rank in a step (default: 4,096 tokens, at least one)", 1024);
        var strongest = new Option<bool>("--strongest-peer") { Description = "Of the peer only what is fastest: its LM head on masked positions, one way for each precision" };
        var links = new Option<string[]>("--links")
        {
            Description = $"Of {Scaling}: {string.Join(", ", ScalingBenchmarkOptions.AllLinks)}",
            HelpName = "LINK",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [.. ScalingBenchmarkOptions.AllLinks],
        };
        links.AcceptOnlyFromAmong([.. ScalingBenchmarkOptions.AllLinks]);
        var only = new Option<string[]>("--only")
        {
            Description = $"Parts: {Speed}, {Scaling} (two ranks beside one, over loopback and over 1 Gbit/s)",
            HelpName = "PART",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [Speed, Scaling],
        };
        only.AcceptOnlyFromAmong(Speed, Scaling);
        var command = new Command("pretraining", "Tokens per second of pretraining, beside PyTorch's DistributedDataParallel, and the share of the machine's peak")
        {
            size, length, batch, precision, ranks, runs, steps, strongest, links, only,
        };
        command.WithExamples("bench pretraining", "bench pretraining --size base --length 4096 --only speed --strongest-peer", "bench pretraining --only scaling --precision bf16 --links narrow --runs 2");
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var small = parsed.GetValue(size) == "small";
            var shape = PretrainingShape.Of(parsed.GetValue(size)!, parsed.GetValue(length));
            var settings = new Settings(
                parsed.GetValue(batch) is { } sequences ? shape with { Batch = sequences } : shape,
                parsed.GetValue(precision) is "both" ? ["fp32", "bf16"] : [parsed.GetValue(precision)!],
                parsed.GetValue(ranks),
                parsed.GetValue(runs) ?? (small ? 3 : 1),
                Warmup: small ? 5 : 1,
                parsed.GetValue(steps) ?? (small ? 20 : 2),
                parsed.GetValue(strongest) ? PeerMode.Strongest : PeerMode.All,
                parsed.GetValue(links)!);
            var results = new Dictionary<string, object>();
            var tables = new List<BenchTable>();
            foreach (var part in parsed.GetValue(only)!.Distinct())
            {
                var (result, shown) = await BenchOutput.CatchingAsync(() => RunAsync(part, settings, context, cancellation));
                results[part] = result;
                tables.AddRange(shown);
            }

            BenchOutput.Write(context, results, tables);
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>The option for a number format.</summary>
    internal static Option<string> PrecisionOption(string standard, params string[] allowed)
    {
        var option = new Option<string>("--precision") { Description = $"Number format: {string.Join(", ", allowed)}", HelpName = "P", DefaultValueFactory = _ => standard };
        option.AcceptOnlyFromAmong(allowed);
        return option;
    }

    private static async Task<(object Result, IReadOnlyList<BenchTable> Tables)> RunAsync(
        string part, Settings settings, CommandContext context, CancellationToken cancellation)
    {
        switch (part)
        {
            case Speed:
                var speed = await PretrainingBenchmark.RunAsync(
                    new PretrainingBenchmarkOptions
                    {
                        RankProgram = RankProcessCommand.Self(),
                        Shape = settings.Shape,
                        Precisions = settings.Precisions,
                        Peers = settings.Peers,
                        Ranks = settings.Ranks,
                        Runs = settings.Runs,
                        Warmup = settings.Warmup,
                        Steps = settings.Steps,
                        OnLine = context.Note,
                    },
                    cancellation);
                return (speed, speed.Tables());
            default:
                var options = new ScalingBenchmarkOptions
                {
                    Shape = settings.Shape,
                    Precisions = settings.Precisions,
                    Links = settings.Links,
                    Runs = settings.Runs,
                    Warmup = settings.Warmup,
                    Steps = settings.Steps,
                    OnLine = context.Note,
                };
                var scaling = ScalingBenchmark.Run(options, cancellation);
                return (scaling, [ScalingBenchmark.Table(settings.Shape, scaling)]);
        }
    }

    private static Option<int?> Own(string name, string description, int most)
    {
        var option = new Option<int?>(name) { Description = $"{description}, 1 to {most}", HelpName = "N" };
        option.Validators.Add(result =>
        {
            if (result.TryGet<int?>(out var value) && (value < 1 || value > most))
                result.AddError($"{name} is {value}; allowed are 1 to {most}.");
        });
        return option;
    }

    private sealed record Settings(PretrainingShape Shape, IReadOnlyList<string> Precisions, int Ranks, int Runs, int Warmup, int Steps, IReadOnlyList<PeerMode> Peers, IReadOnlyList<string> Links);
}
