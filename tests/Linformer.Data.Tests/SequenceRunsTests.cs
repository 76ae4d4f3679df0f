using Linformer.Data.Tests.Shards;

namespace Linformer.Data.Tests;

public sealed class SequenceRunsTests : IDisposable
{
    private const int Separator = 2;
    private const int First = 5;

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Sequences_are_those_of_the_set_in_whatever_order_they_are_read()
    {
        var random = new Random(6);
        for (var round = 0; round < 60; round++)
        {
            // Some long, most short, some held out between them: gaps of all sizes.
            var lengths = Enumerable.Range(0, random.Next(1, 300)).Select(_ => random.Next(20) == 0 ? random.Next(1, 9000) : random.Next(1, 60)).ToArray();
            var n = random.Next(1, random.Next(2, 3000));
            using var dataset = Open(lengths, n, heldOut: random.Next(3) * 0.2, shards: random.Next(1, 5));
            var set = dataset.Training;
            var order = new SampleOrder(set.Count, round, random.Next(1, 20));
            var runs = new SequenceRuns(set, order);
            var text = PlainlyPacked(lengths, set, dataset);
            for (var i = 0; i < 300; i++)
            {
                var index = random.Next(4) == 0 ? random.NextInt64(set.Count) : order.SequenceOf(i);
                var tokens = new int[n];
                var length = runs.Read(index, tokens);
                tokens[..length].ShouldBe(text.Skip((int)index * n).Take(n).ToArray());
                set.Read(index, tokens).ShouldBe(length);
                tokens[..length].ShouldBe(text.Skip((int)index * n).Take(n).ToArray());
            }

            Should.Throw<ArgumentOutOfRangeException>(() => runs.Read(set.Count, new int[n]));
            Should.Throw<ArgumentOutOfRangeException>(() => runs.Read(-1, new int[n]));
        }
    }

    [Fact]
    public void A_step_makes_few_reads_which_are_long()
    {
        const int N = 8;
        const int Block = 16;
        const int Batch = 4;
        using var dataset = Open([.. Enumerable.Repeat(20, 20_000)], N, heldOut: 0, shards: 1);
        var set = dataset.Training;
        var order = new SampleOrder(set.Count, 3, Block);
        var runs = new SequenceRuns(set, order);
        var before = dataset.ReadSoFar;
        var steps = set.Count / Batch;
        for (var sample = 0L; sample < set.Count; sample++)
        {
            runs.Read(order.SequenceOf(sample), new int[N]);
        }

        // Each block once, and those at the ends of windows once more.
        var blocks = (set.Count + Block - 1) / Block;
        var (reads, tokens) = (dataset.ReadSoFar.Reads - before.Reads, dataset.ReadSoFar.Tokens - before.Tokens);
        reads.ShouldBeLessThanOrEqualTo(blocks * (SampleOrder.WindowBlocks + 2) / SampleOrder.WindowBlocks);
        reads.ShouldBeLessThan(steps / 3, "four sequences a step take a third of a read");
        (tokens / reads).ShouldBeGreaterThan(Block * N * 9 / 10);
    }

    [Theory]
    [InlineData(4, true)]
    [InlineData(64, false)]
    public void A_rank_among_many_does_not_read_what_is_for_the_others(int ranks, bool inRuns)
    {
        const int N = 8;
        const int Block = 16;
        using var dataset = Open([.. Enumerable.Repeat(1000, 2000)], N, heldOut: 0, shards: 1);
        var order = new SampleOrder(dataset.Training.Count, 3, Block);
        var runs = new SequenceRuns(dataset.Training, order);
        var before = dataset.ReadSoFar;
        var asked = 0L;
        for (var sample = 0L; sample < dataset.Training.Count; sample += ranks, asked++)
        {
            runs.Read(order.SequenceOf(sample), new int[N]);
        }

        var (reads, tokens) = (dataset.ReadSoFar.Reads - before.Reads, dataset.ReadSoFar.Tokens - before.Tokens);
        if (inRuns)
        {
            reads.ShouldBeLessThan(asked / 3);
        }
        else
        {
            // Some windows' worth are read before it is known.
            tokens.ShouldBeLessThan((asked * N) + (5 * SampleOrder.WindowBlocks * Block * N));
        }
    }

    private SequenceDataset Open(int[] lengths, int n, double heldOut, int shards)
    {
        var folder = Directory.CreateDirectory(_folder.At(Guid.NewGuid().ToString("N"))).FullName;
        NumberedShards.Write(folder, First, lengths, shards);
        return SequenceDataset.Open(folder, n, heldOut, Separator);
    }

    // Tokens carry their numbers: a separator stands between two that are of different documents, or do not follow each other.
    private static List<int> PlainlyPacked(int[] lengths, SequenceSet set, SequenceDataset dataset)
    {
        var heldOut = new HashSet<int>();
        var one = new int[dataset.HeldOut.SequenceLength];
        for (var i = 0L; i < dataset.HeldOut.Count; i++)
        {
            heldOut.UnionWith(one[..dataset.HeldOut.Read(i, one)]);
        }

        var packed = new List<int>();
        var token = First;
        foreach (var length in lengths)
        {
            for (var i = 0; i < length; i++, token++)
            {
                if (!heldOut.Contains(token))
                {
                    if (packed.Count > 0 && (i == 0 || packed[^1] != token - 1))
                    {
                        packed.Add(Separator);
                    }

                    packed.Add(token);
                }
            }
        }

        packed.Count.ShouldBe((int)set.Tokens);
        return packed;
    }
}
