using Linformer.Bench;

// collectives [RANKS [BYTES …]], or what CollectivesBenchmark starts: collectives-rank RANK RANKS FOLDER.
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

    case [CollectivesBenchmark.RankCommand, var rank, var ranks, var folder]:
        CollectivesBenchmark.RunRank(int.Parse(rank), int.Parse(ranks), folder, Console.In, Console.Out);
        return 0;

    default:
        Console.Error.WriteLine("usage: Linformer.Bench collectives [RANKS [BYTES ...]]");
        return 2;
}
