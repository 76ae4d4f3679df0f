using FsCheck;
using FsCheck.Fluent;

namespace Linformer.Data.Tests;

public class SampleOrderTests
{
    [Fact]
    public void Each_epoch_sees_each_sequence_once() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            var random = new Random(seed);
            var count = random.Next(1, random.Next(2, 5000));
            var order = new SampleOrder(count, random.NextInt64(), random.Next(1, random.Next(2, 300)));
            Epoch(order, random.Next(3)).Order().ShouldBe(Enumerable.Range(0, count).Select(i => (long)i));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));

    [Fact]
    public void Small_counts_and_blocks_of_any_kind_are_covered()
    {
        for (var count = 1; count <= 70; count++)
        {
            foreach (var block in (int[])[1, 2, 3, 4, 5, 7, 16, 63, 64, 65, 1000])
            {
                Epoch(new SampleOrder(count, 1, block), 0).Distinct().Count().ShouldBe(count, $"{count} sequences in blocks of {block}");
            }
        }
    }

    [Fact]
    public void Huge_counts_work_in_no_memory()
    {
        var order = new SampleOrder(3_000_000_000_017, 1);
        var places = Enumerable.Range(0, 2000).Select(i => i * 1_500_000_000L).ToArray();
        var sequences = places.Select(place => order.PlaceToSequence(5, place)).ToArray();
        sequences.ShouldAllBe(sequence => sequence >= 0 && sequence < order.Count);
        sequences.Distinct().Count().ShouldBe(places.Length);
        sequences.Count(sequence => sequence < order.Count / 2).ShouldBeInRange(880, 1120);
    }

    [Fact]
    public void Seeds_and_epochs_give_orders_of_their_own_and_the_same_ones_again()
    {
        long[][] orders =
        [
            Epoch(new SampleOrder(1000, 1, 8), 0), Epoch(new SampleOrder(1000, 1, 8), 1), Epoch(new SampleOrder(1000, 2, 8), 0), Epoch(new SampleOrder(1000, 1, 16), 0),
        ];
        for (var i = 0; i < orders.Length; i++)
        {
            for (var j = 0; j < i; j++)
            {
                orders[i].Zip(orders[j]).Count(pair => pair.First == pair.Second).ShouldBeLessThan(20);
            }
        }

        Epoch(new SampleOrder(1000, 1, 8), 0).ShouldBe(orders[0]);
    }

    // Jobs store the order's version: if this changes, the version must.
    [Fact]
    public void Version_1_is_this_order()
    {
        SampleOrder.Version.ShouldBe(1);
        var order = new SampleOrder(1000, 42, 8);
        Enumerable.Range(0, 12).Select(place => order.PlaceToSequence(3, place)).ShouldBe([892L, 638, 301, 299, 99, 889, 996, 937, 989, 407, 238, 101]);
    }

    [Fact]
    public void Storage_is_read_in_runs()
    {
        const int Block = 32;
        const int Window = SampleOrder.WindowBlocks * Block;
        var epoch = Epoch(new SampleOrder(100_003, 9, Block), 0);
        for (var start = 0; start < epoch.Length; start += Window)
        {
            var read = epoch[start..Math.Min(start + Window, epoch.Length)].Order().ToArray();
            var runs = 1 + read.Zip(read.Skip(1)).Count(pair => pair.Second != pair.First + 1);
            runs.ShouldBeLessThanOrEqualTo(SampleOrder.WindowBlocks + 2);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    public void An_epoch_is_shuffled(int block)
    {
        const int Count = 50_000;
        var epoch = Epoch(new SampleOrder(Count, 3, block), 0);

        // Neighbours in the order are not neighbours in the corpus, more often than chance within a window gives.
        epoch.Zip(epoch.Skip(1)).Count(pair => pair.Second == pair.First + 1).ShouldBeLessThan(Count / 500);

        // Each tenth of the epoch draws from all tenths of the corpus. With blocks of 64 a tenth has only 78 blocks.
        foreach (var tenth in epoch.Chunk(Count / 10))
        {
            var counts = new int[10];
            foreach (var sequence in tenth)
            {
                counts[sequence * 10 / Count]++;
            }

            var spread = block == 1 ? 110 : 450;
            counts.ShouldAllBe(count => Math.Abs(count - 500) < spread);
        }

        // Place and sequence do not go together: the correlation of independent ones has a deviation of 1/√blocks.
        var middle = (Count - 1) / 2.0;
        var correlation = epoch.Select((sequence, place) => (sequence - middle) * (place - middle)).Sum() / Enumerable.Range(0, Count).Sum(i => (i - middle) * (i - middle));
        Math.Abs(correlation).ShouldBeLessThan(5 / Math.Sqrt((double)Count / block));
    }

    // For so few sequences all orders can be counted: each must come about equally often.
    [Fact]
    public void Each_order_of_four_sequences_comes_about_equally_often()
    {
        var counts = Enumerable.Range(0, 4800).GroupBy(seed => string.Join(' ', Epoch(new SampleOrder(4, seed, 1), 0))).ToDictionary(group => group.Key, group => group.Count());
        counts.Count.ShouldBe(24);
        counts.Values.ShouldAllBe(count => count > 100 && count < 320);
    }

    [Fact]
    public void Samples_are_numbered_over_steps_and_epochs()
    {
        var order = new SampleOrder(10, 1);
        SampleOrder.SampleNumber(step: 7, globalBatch: 4, j: 3).ShouldBe(31);
        order.Locate(31).ShouldBe((3L, 1L));
        order.SequenceOf(31).ShouldBe(order.PlaceToSequence(3, 1));
        Enumerable.Range(20, 10).Select(i => order.SequenceOf(i)).Order().ShouldBe(Enumerable.Range(0, 10).Select(i => (long)i));
        Should.Throw<ArgumentOutOfRangeException>(() => order.PlaceToSequence(0, 10));
        Should.Throw<ArgumentOutOfRangeException>(() => order.PlaceToSequence(-1, 0));
        Should.Throw<ArgumentOutOfRangeException>(() => order.Locate(-1));
    }

    [Theory]
    [InlineData(0, 64, "0 sequences")]
    [InlineData(-5, 64, "-5 sequences")]
    [InlineData(10, 0, "corpus.shuffleBlock is 0")]
    public void Arguments_out_of_range_are_named(long count, int block, string message) =>
        Should.Throw<BadDataException>(() => new SampleOrder(count, 1, block)).Message.ShouldContain(message);

    private static long[] Epoch(SampleOrder order, long epoch) =>
        [.. Enumerable.Range(0, (int)order.Count).Select(place => order.PlaceToSequence(epoch, place))];
}
