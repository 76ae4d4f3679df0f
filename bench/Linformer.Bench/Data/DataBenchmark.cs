using System.Diagnostics;
using System.Security.Cryptography;
using Linformer.Bench.Pretraining;
using Linformer.Data.Shards;
using Linformer.Data.Tokenizers;

namespace Linformer.Bench.Data;

/// <summary>What the benchmark of data does.</summary>
public sealed record DataBenchmarkOptions
{
    /// <summary>A folder of English text files.</summary>
    public required string English { get; init; }

    /// <summary>How often each is run.</summary>
    public int Runs { get; init; } = 5;

    /// <summary>Tokens in the vocabularies.</summary>
    public int Vocabulary { get; init; } = 8192;

    /// <summary>Told what is done.</summary>
    public Action<string> OnLine { get; init; } = _ => { };
}

/// <summary>From text to batches: the tokenizer beside sentencepiece, making shards, and the loader beside the step.</summary>
public static class DataBenchmark
{
    private const int PieceBytes = 1 << 20;

    /// <summary>Runs it.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="cancellationToken">Ends it between two runs.</param>
    /// <exception cref="InvalidOperationException">The peer cannot be built or fails.</exception>
    public static DataResult Run(DataBenchmarkOptions options, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("linformer-bench-data-");
        try
        {
            using var peer = new SentencePiecePeer(Console.Error);
            var english = Path.Combine(folder.FullName, "english.txt");
            var mixed = Path.Combine(folder.FullName, "mixed.txt");
            BenchTexts.WriteEnglish(options.English, english);
            BenchTexts.WriteMixed(mixed);
            var encoding = new List<EncodingMeasure>
            {
                Measure("English", english, peer, options, cancellationToken),
                Measure("words of 8 scripts, mostly new", mixed, peer, options, cancellationToken),
            };
            options.OnLine("training on the English text");
            var loader = LoaderBenchmark.Run(folder.FullName, Path.GetFileName(english), options, cancellationToken);
            return new DataResult(options.Runs, encoding, loader);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static EncodingMeasure Measure(string name, string path, SentencePiecePeer peer, DataBenchmarkOptions options, CancellationToken cancellationToken)
    {
        options.OnLine($"training both tokenizers on: {name}");
        var text = File.ReadAllBytes(path);
        var trainer = new ByteBpeTrainer(options.Vocabulary);
        trainer.Add(text);
        trainer.Train(cancellationToken: cancellationToken).Save($"{path}.json");
        peer.Train(path, path, options.Vocabulary);
        peer.Load($"{path}.model", path);

        List<double> cold = [], warm = [], theirs = [], sharding = [];
        var (tokens, peerTokens) = (0L, 0L);
        for (var run = -1; run < options.Runs; run++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            options.OnLine(run < 0 ? $"{name}: warming up" : $"{name}: run {run + 1} of {options.Runs}");
            var tokenizer = ByteBpeTokenizer.Load($"{path}.json");
            (var coldSpeed, tokens) = Encode(tokenizer, text);
            var shardingSpeed = MakeShard(path, text);
            var (seconds, count) = peer.Encode();
            peerTokens = count;
            var warmSpeed = Encode(tokenizer, text).Speed;
            if (run >= 0)
            {
                cold.Add(coldSpeed);
                theirs.Add(text.Length / seconds / 1e6);
                warm.Add(warmSpeed);
                sharding.Add(shardingSpeed);
            }
        }

        return new EncodingMeasure(
            name, text.Length, tokens, peerTokens, Ratios(cold, theirs), Ratios(warm, theirs), Spread.Of(cold), Spread.Of(warm), Spread.Of(theirs), Ratios(sharding, cold), Spread.Of(sharding));
    }

    private static Spread Ratios(List<double> ours, List<double> theirs) => Spread.Of(ours.Zip(theirs, (a, b) => a / b));

    // In pieces, as a corpus is read.
    private static (double Speed, long Tokens) Encode(ByteBpeTokenizer tokenizer, byte[] text)
    {
        var tokens = new List<int>(PieceBytes);
        var count = 0L;
        var started = Stopwatch.GetTimestamp();
        for (var start = 0; start < text.Length;)
        {
            var length = Math.Min(PieceBytes, text.Length - start);
            length = start + length == text.Length ? length : text.AsSpan(start, length).LastIndexOf((byte)'\n') + 1;
            tokens.Clear();
            tokenizer.Encode(text.AsSpan(start, length), tokens, continues: true);
            count += tokens.Count;
            start += length;
        }

        return (text.Length / Stopwatch.GetElapsedTime(started).TotalSeconds / 1e6, count);
    }

    private static double MakeShard(string path, byte[] text)
    {
        var root = Path.GetDirectoryName(path)!;
        var tokenizer = ByteBpeTokenizer.Load($"{path}.json");
        var file = new PlannedFile(Path.GetFileName(path), text.Length, Convert.ToHexStringLower(SHA256.HashData(text)));
        var plan = CorpusPlan.Create([file], tokenizer, separator: "", shardBytes: text.Length);
        var shards = Directory.CreateDirectory($"{path}.shards");
        try
        {
            var started = Stopwatch.GetTimestamp();
            ShardMaker.Make(plan, 0, root, tokenizer, shards.FullName);
            return text.Length / Stopwatch.GetElapsedTime(started).TotalSeconds / 1e6;
        }
        finally
        {
            shards.Delete(recursive: true);
        }
    }
}
