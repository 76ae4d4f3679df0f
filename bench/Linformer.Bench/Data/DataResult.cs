using System.Globalization;
using Linformer.Bench.Pretraining;

namespace Linformer.Bench.Data;

/// <summary>How fast one text was encoded, on one thread.</summary>
/// <param name="Text">The text.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Tokens">What it became.</param>
/// <param name="PeerTokens">What it became with sentencepiece.</param>
/// <param name="ColdRatio">How many times as fast as sentencepiece, with no word remembered at the start.</param>
/// <param name="WarmRatio">The same, with the words of the text remembered.</param>
/// <param name="Cold">Megabytes a second, with no word remembered at the start.</param>
/// <param name="Warm">Megabytes a second, with the words of the text remembered.</param>
/// <param name="Peer">Megabytes a second of sentencepiece.</param>
/// <param name="ShardingShare">How fast the text becomes a shard, beside encoding alone, both cold: 1 is as fast.</param>
/// <param name="Sharding">Megabytes a second of making a shard on one thread: reading, checking, encoding, hashing, writing.</param>
public sealed record EncodingMeasure(
    string Text, long Bytes, long Tokens, long PeerTokens, Spread ColdRatio, Spread WarmRatio, Spread Cold, Spread Warm, Spread Peer, Spread ShardingShare, Spread Sharding);

/// <summary>What the batches of a training cost.</summary>
/// <param name="BatchTokens">Tokens of a micro-batch.</param>
/// <param name="BatchesPerSecond">How many are read and masked on one thread.</param>
/// <param name="Step">Milliseconds of a step of one micro-batch.</param>
/// <param name="WaitShare">Share of a step in which the thread that trains has to do with its batch, which another thread has read.</param>
/// <param name="ReadShare">Share of a step that reading on the thread that trains would take.</param>
public sealed record LoaderMeasure(int BatchTokens, Spread BatchesPerSecond, Spread Step, Spread WaitShare, Spread ReadShare);

/// <summary>What <c>bench data</c> has measured.</summary>
/// <param name="Runs">Runs of each, in turns.</param>
/// <param name="Encoding">By text.</param>
/// <param name="Loader">The loader.</param>
public sealed record DataResult(int Runs, IReadOnlyList<EncodingMeasure> Encoding, LoaderMeasure Loader)
{
    /// <summary>As tables, ratios first.</summary>
    public IReadOnlyList<BenchTable> Tables() =>
    [
        new(
            $"Tokenizing on one thread beside sentencepiece (BPE), median and range of {Runs} runs in turns",
            ["text", "times as fast, cold", "times as fast, warm", "cold MB/s", "warm MB/s", "sentencepiece MB/s", "bytes a token", "its"],
            [.. Encoding.Select(m => (string[])[m.Text, m.ColdRatio.Text("0.0"), m.WarmRatio.Text("0.0"), m.Cold.Text("0.0"), m.Warm.Text("0.0"), m.Peer.Text("0.0"), Number((double)m.Bytes / m.Tokens), Number((double)m.Bytes / m.PeerTokens)])])
        {
            Notes =
            [
                "Cold: a tokenizer that has seen nothing, so that its memory of words is filled on the way; warm: the same text again. Programs and code are warm in both.",
                "The same text and size of vocabulary; each has trained its own model. sentencepiece encodes line by line through its C++ interface.",
            ],
        },
        new(
            $"Making a shard on one thread: reading, checking, encoding, hashing, writing; {Runs} runs in turns",
            ["text", "speed beside encoding alone", "MB/s"],
            [.. Encoding.Select(m => (string[])[m.Text, m.ShardingShare.Text("0.00"), m.Sharding.Text("0.0")])]),
        new(
            $"Batches of {Loader.BatchTokens:#,0} tokens in training, one rank of the shape of bench pretraining",
            ["share of a step spent on its batch", "if it were read on the same thread", "milliseconds a step", "batches a second from one thread"],
            [[Loader.WaitShare.Text("0.00%"), Loader.ReadShare.Text("0.00%"), Loader.Step.Text("0.0"), Loader.BatchesPerSecond.Text("#,0")]]),
    ];

    private static string Number(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);
}
