using FsCheck;
using FsCheck.Fluent;
using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups;

public class CollectiveTests
{
    // Below the world size, around it, odd, and over several segments of the ring.
    private static readonly int[] Counts = [0, 1, 2, 3, 4, 5, 7, 1000, 4099, 300_007];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void AllReduce_sums_every_type_and_size(int worldSize)
        => Ranks.Run(worldSize, group =>
        {
            foreach (var type in Tensors.Types)
            {
                foreach (var count in Counts)
                {
                    using var buffer = Tensors.Of(type, Part(group.Rank, count));
                    group.AllReduce(buffer).Wait();
                    buffer.ShouldHold(Sum(worldSize, count), $"{count} of {type}");
                }
            }
        });

    [Fact]
    public void AllReduce_of_any_size_is_the_sum()
    {
        var shapes = Gen.Zip(Gen.Choose(1, 4), Gen.Choose(0, 3000)).ToArbitrary();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(40), Prop.ForAll(shapes, shape =>
        {
            var (worldSize, count) = shape;
            Ranks.Run(worldSize, group =>
            {
                using var buffer = Tensors.Of(torch.ScalarType.Float32, Part(group.Rank, count));
                group.AllReduce(buffer).Wait();
                buffer.ShouldHold(Sum(worldSize, count));
            });
        }));
    }

    [Fact]
    public void AllReduce_finds_the_smallest_and_the_largest()
        => Ranks.Run(3, group =>
        {
            using var smallest = torch.tensor(new float[] { group.Rank, -group.Rank, 5 });
            using var largest = torch.tensor(new long[] { group.Rank, -group.Rank, 5 });
            group.AllReduce(smallest, ReduceOperation.Min);
            group.AllReduce(largest, ReduceOperation.Max).Wait();
            smallest.Floats().ShouldBe([0, -2, 5]);
            largest.Values().ShouldBe([2, 0, 5]);
        });

    [Theory]
    [InlineData(ReduceOperation.Sum)]
    [InlineData(ReduceOperation.Min)]
    [InlineData(ReduceOperation.Max)]
    public void A_NaN_on_any_rank_is_the_result(ReduceOperation operation)
        => Ranks.Run(3, group =>
        {
            // Rank r has its NaN at place r.
            using var buffer = torch.tensor([.. Enumerable.Range(0, 4).Select(i => i == group.Rank ? float.NaN : i)]);
            group.AllReduce(buffer, operation).Wait();
            buffer.Floats().Select(float.IsNaN).ShouldBe([true, true, true, false]);
        });

    [Fact]
    public void A_view_is_reduced_within_its_bounds()
        => Ranks.Run(2, group =>
        {
            using var flat = Tensors.Of(torch.ScalarType.Float32, Enumerable.Range(0, 100));
            using var view = flat.narrow(0, 10, 20);
            group.AllReduce(view).Wait();
            flat.Values().ShouldBe(Enumerable.Range(0, 100).Select(i => i is >= 10 and < 30 ? 2 * i : i));
        });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Broadcast_copies_from_every_root(int worldSize)
        => Ranks.Run(worldSize, group =>
        {
            for (var root = 0; root < worldSize; root++)
            {
                foreach (var count in Counts)
                {
                    using var buffer = Tensors.Of(torch.ScalarType.Int64, Part(group.Rank, count));
                    group.Broadcast(buffer, root).Wait();
                    buffer.ShouldHold(Part(root, count));
                }
            }
        });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(6)]
    public void ReduceScatter_then_AllGather_is_the_sum(int worldSize)
        => Ranks.Run(worldSize, group =>
        {
            foreach (var type in Tensors.Types)
            {
                foreach (var count in new[] { 0, 1, 5, 1000, 70_003 })
                {
                    using var input = Tensors.Of(type, Part(group.Rank, count * worldSize));
                    using var part = Tensors.Zeros(type, count);
                    using var all = Tensors.Zeros(type, count * worldSize);
                    group.ReduceScatter(input, part).Wait();
                    group.AllGather(part, all).Wait();

                    var sum = Sum(worldSize, count * worldSize);
                    part.ShouldHold(sum.AsSpan(count * group.Rank, count));
                    all.ShouldHold(sum);
                    input.ShouldHold(Part(group.Rank, count * worldSize), "the input must not change");
                }
            }
        });

    [Fact]
    public void ReduceScatter_and_AllGather_work_in_place()
        => Ranks.Run(3, group =>
        {
            using var flat = Tensors.Of(torch.ScalarType.Float32, Part(group.Rank, 300));
            using var own = flat.narrow(0, 100 * group.Rank, 100);
            group.ReduceScatter(flat, own);
            group.AllGather(own, flat).Wait();
            flat.ShouldHold(Sum(3, 300));
        });

    [Fact]
    public void Many_works_in_flight_run_in_the_order_of_the_calls()
        => Ranks.Run(3, group =>
        {
            // Each doubles or triples the same buffer, so another order gives another result.
            using var buffer = torch.tensor(new long[] { 1 });
            var works = new List<IWork>();
            for (var i = 0; i < 30; i++)
            {
                works.Add(group.AllReduce(buffer));
                works.Add(group.Broadcast(buffer, i % 3));
                works.Add(group.Barrier());
            }

            works[^1].Wait();
            works.ShouldAllBe(work => work.IsCompleted);
            buffer.data<long>().ToArray().ShouldBe([(long)Math.Pow(3, 30)]);
        });

    [Fact]
    public void A_tensor_disposed_by_the_caller_stays_alive_until_the_work_is_done()
        => Ranks.Run(2, group =>
        {
            using var gate = Tensors.Zeros(torch.ScalarType.Float32, 1);
            using var flat = Tensors.Of(torch.ScalarType.Float32, Part(group.Rank, 100_000));
            group.AllReduce(gate);
            using (var view = flat.narrow(0, 0, 100_000))
            {
                group.AllReduce(view);
            }

            group.Barrier().Wait();
            flat.ShouldHold(Sum(2, 100_000));
        });

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Sums_have_the_same_bits_on_all_ranks_and_in_every_run(int worldSize)
    {
        var results = new List<float[]>();
        for (var run = 0; run < 3; run++)
        {
            Ranks.Run(worldSize, group =>
            {
                // Sizes from 1e-8 to 1e8: any other order of summation rounds otherwise.
                var random = new Random(group.Rank);
                var values = Enumerable.Range(0, 100_003)
                    .Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-8, 9))));
                using var buffer = torch.tensor(values.ToArray());
                group.AllReduce(buffer).Wait();
                lock (results)
                {
                    results.Add(buffer.Floats());
                }
            });
        }

        results.Count.ShouldBe(3 * worldSize);
        foreach (var result in results)
        {
            result.Select(BitConverter.SingleToInt32Bits).SequenceEqual(results[0].Select(BitConverter.SingleToInt32Bits)).ShouldBeTrue();
        }
    }

    // What rank r holds at place i: (r + 1) · (1 + i mod 97).
    private static int[] Part(int rank, int count)
        => [.. Enumerable.Range(0, count).Select(i => (rank + 1) * (1 + (i % 97)))];

    // The sum of it over all ranks.
    private static int[] Sum(int worldSize, int count)
        => [.. Enumerable.Range(0, count).Select(i => worldSize * (worldSize + 1) / 2 * (1 + (i % 97)))];
}
