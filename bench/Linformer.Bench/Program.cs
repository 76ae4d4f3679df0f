using Linformer.Bench;
using Linformer.Bench.Attention;
using Linformer.Bench.Pretraining;

// metrics [STEPS [DATABASE]], collectives [RANKS [BYTES …]], link [MEGABITS [BYTES]], or what the benchmarks start: collectives-rank RANK
// RANKS FOLDER [tcp], link-rank RANK RANKS FOLDER ADDRESS BUCKETS, trainer-rank and attention-layer ORDER.
switch (args)
{
    case ["collectives", .. var rest]:
        var options = new CollectivesBenchmarkOptions();
        options = options with
        {
            Ranks = rest.Length > 0 ? int.Parse(rest[0]) : options.Ranks,
            Sizes = rest.Length > 1 ? [.. rest.Skip(1).Select(long.Parse)] : options.Sizes,
        };
        CollectivesBenchmark.Run(options, Console.Out);
        return 0;

    case [CollectivesBenchmark.RankCommand, var rank, var ranks, var folder, .. var transport]:
        CollectivesBenchmark.RunRank(int.Parse(rank), int.Parse(ranks), folder, transport is [CollectivesBenchmark.TcpOnly], Console.In, Console.Out);
        return 0;

    case ["link", .. var rest]:
        var link = new LinkBenchmarkOptions();
        link = link with
        {
            Megabits = rest.Length > 0 ? int.Parse(rest[0]) : link.Megabits,
            Bytes = rest.Length > 1 ? long.Parse(rest[1]) : link.Bytes,
        };
        LinkBenchmark.Run(link, Console.Out);
        return 0;

    case [LinkBenchmark.RankCommand, var rank, var ranks, var folder, var address, var buckets]:
        LinkBenchmark.RunRank(int.Parse(rank), int.Parse(ranks), folder, address, int.Parse(buckets), Console.In, Console.Out);
        return 0;

    case [TrainerRank.Command]:
        TrainerRank.Run(Console.In, Console.Out);
        return 0;

    case [AttentionLayer.Command, var order]:
        AttentionLayer.Run(order, Console.Out);
        return 0;

    case ["metrics", .. var rest]:
        var metrics = new MetricsBenchmarkOptions();
        metrics = metrics with { Steps = rest.Length > 0 ? int.Parse(rest[0]) : metrics.Steps, Database = rest.Length > 1 ? rest[1] : null };
        await MetricsBenchmark.RunAsync(metrics, Console.Out, CancellationToken.None);
        return 0;

    default:
        Console.Error.WriteLine("usage: Linformer.Bench collectives [RANKS [BYTES ...]] | link [MEGABITS [BYTES]] | metrics [STEPS [DATABASE]]");
        return 2;
}
