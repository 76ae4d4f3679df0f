using Linformer.Training.ProcessGroups;
using Linformer.Training.Tests.ProcessGroups.Nccl;
using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups;

/// <summary>Sums of float32 of which bfloat16 travels.</summary>
[Collection(NcclCollection.Name)]
public class WireFormatTests
{
    // Below the world size, around the parts' alignment, odd, over several messages, and over more than have room at a time.
    private static readonly int[] Counts = [0, 1, 2, 3, 5, 15, 16, 17, 33, 1000, 4099, 131_073, 1_500_007];

    // Half the distance between two neighbours of bfloat16, as a share of either: it has eight bits.
    private static readonly double Rounding = Math.Pow(2, -8);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Whole_numbers_that_bfloat16_holds_are_summed_exactly(int worldSize) => Ranks.Run(worldSize, group =>
    {
        foreach (var count in Counts)
        {
            // Up to 10 · 25 = 250; eight bits hold all to 256.
            using var buffer = Tensors.Of(torch.ScalarType.Float32, Enumerable.Range(0, count).Select(i => (group.Rank + 1) * (1 + (i % 25))));
            Sum(group, buffer);
            buffer.ShouldHold([.. Enumerable.Range(0, count).Select(i => worldSize * (worldSize + 1) / 2 * (1 + (i % 25)))], $"{count}");
        }
    });

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Sums_are_right_to_one_rounding_of_each_addend_and_of_the_sum_with_the_same_bits_everywhere(int worldSize)
    {
        const int Count = 200_003;
        var results = new List<float[]>();
        for (var run = 0; run < 3; run++)
        {
            Ranks.Run(worldSize, group =>
            {
                using var buffer = torch.tensor(Scattered(group.Rank, Count));
                Sum(group, buffer);
                lock (results)
                {
                    results.Add(buffer.Floats());
                }
            });
        }

        results.Count.ShouldBe(3 * worldSize);
        results.ShouldAllBe(result => BitsOf(result).SequenceEqual(BitsOf(results[0])));
        var addends = Enumerable.Range(0, worldSize).Select(rank => Scattered(rank, Count)).ToArray();
        for (var i = 0; i < Count; i++)
        {
            var (sum, sizes) = (addends.Sum(a => (double)a[i]), addends.Sum(a => Math.Abs((double)a[i])));
            Math.Abs(results[0][i] - sum).ShouldBeLessThanOrEqualTo(Rounding * 1.01 * (sizes + Math.Abs(sum)), $"place {i}");
            (BitConverter.SingleToInt32Bits(results[0][i]) & 0xffff).ShouldBe(0, $"place {i} is no bfloat16");
        }
    }

    [Fact]
    public void What_lies_between_two_neighbours_becomes_the_nearer_or_the_even_one() => Ranks.Run(2, group =>
    {
        // (before, after), of which the steps from 1 to 2 are 1/128.
        (float Before, float After)[] cases =
        [
            (1 + (1f / 256), 1), (1 + (3f / 256), 1 + (4f / 256)), (1 + (1.01f / 256), 1 + (2f / 256)), (1 + (0.99f / 256), 1),
            (-1 - (3f / 256), -1 - (4f / 256)), (-0.0f, -0.0f), (1e-40f, 1e-40f), (float.MaxValue, float.PositiveInfinity),
        ];
        // Over both parts, of which each rank sums one.
        var all = Enumerable.Range(0, 8).SelectMany(_ => cases).ToArray();
        using var buffer = torch.tensor([.. all.Select(c => group.Rank == 0 ? c.Before : c.Before is 0 ? -0.0f : 0)]);
        Sum(group, buffer);
        var sums = buffer.Floats();
        for (var i = 0; i < all.Length; i++)
        {
            if (all[i].Before == 1e-40f)
            {
                sums[i].ShouldBe(1e-40f, 1e-40f, "a number below the normal ones");
            }
            else
            {
                BitConverter.SingleToInt32Bits(sums[i]).ShouldBe(BitConverter.SingleToInt32Bits(all[i].After), $"{all[i].Before:r} became {sums[i]:r}");
            }
        }
    });

    [Theory]
    [InlineData(2, 3)]
    [InlineData(3, 4099)]
    [InlineData(2, 300_007)]
    public void Infinity_and_NaN_on_any_rank_are_the_result(int worldSize, int count) => Ranks.Run(worldSize, group =>
    {
        // The NaNs have a bit that only the lower half of a float has, and one that rounding up would carry into the sign.
        var quiet = BitConverter.Int32BitsToSingle(0x7f800001);
        var all = BitConverter.Int32BitsToSingle(0x7fffffff);
        using var buffer = torch.tensor([.. Enumerable.Range(0, count).Select(i => i % worldSize != group.Rank ? 1 : (i % 5) switch
        {
            0 => quiet,
            1 => all,
            2 => float.PositiveInfinity,
            3 => float.NegativeInfinity,
            _ => 1f,
        })]);
        Sum(group, buffer);
        var sums = buffer.Floats();
        for (var i = 0; i < count; i++)
        {
            sums[i].ShouldBe((i % 5) switch { 0 or 1 => float.NaN, 2 => float.PositiveInfinity, 3 => float.NegativeInfinity, _ => worldSize }, $"place {i}");
        }
    });

    [Fact]
    public void A_view_is_summed_within_its_bounds_between_other_collectives() => Ranks.Run(3, group =>
    {
        using var flat = Tensors.Of(torch.ScalarType.Float32, Enumerable.Range(0, 60));
        using var view = flat.narrow(0, 5, 20);
        using var sum = Tensors.Of(torch.ScalarType.Int64, [1]);
        for (var i = 0; i < 2; i++)
        {
            group.AllReduce(view, wire: WireFormat.BFloat16);
            group.AllReduce(sum);
        }

        group.Barrier().Wait();
        flat.ShouldHold([.. Enumerable.Range(0, 60).Select(i => i is >= 5 and < 25 ? 9 * i : i)]);
        sum.Values().ShouldBe([9]);
    });

    [Fact]
    public void A_single_rank_rounds_nothing()
    {
        using var single = new SingleProcessGroup();
        using var gloo = new GlooProcessGroup(0, 1, 1, new InMemoryRendezvousStore());
        foreach (var group in (IProcessGroup[])[single, gloo])
        {
            using var buffer = torch.tensor(new[] { 1.0000001f, float.NaN });
            Sum(group, buffer);
            buffer.Floats().ShouldBe([1.0000001f, float.NaN]);
        }
    }

    [Fact]
    public void What_cannot_travel_so_is_refused()
    {
        using var single = new SingleProcessGroup();
        using var gloo = new GlooProcessGroup(0, 1, 1, new InMemoryRendezvousStore());
        using var doubles = Tensors.Zeros(torch.ScalarType.Float64, 3);
        using var floats = Tensors.Zeros(torch.ScalarType.Float32, 3);
        foreach (var group in (IProcessGroup[])[single, gloo])
        {
            Refused(() => group.AllReduce(doubles, wire: WireFormat.BFloat16), "buffer is of type Float64; only Float32");
            Refused(() => group.AllReduce(floats, ReduceOperation.Max, WireFormat.BFloat16), "operation is Max; only a Sum");
            Refused(() => group.AllReduce(floats, wire: (WireFormat)7), "wire must be Full or BFloat16");
        }

        static void Refused(Action action, string message) => Should.Throw<ArgumentException>(action).Message.ShouldContain(message);
    }

    [Fact]
    public void Ranks_that_disagree_on_it_are_told()
    {
        var errors = Ranks.Try(2, group =>
        {
            using var buffer = Tensors.Zeros(torch.ScalarType.Float32, 1000);
            group.AllReduce(buffer, wire: group.Rank == 0 ? WireFormat.Full : WireFormat.BFloat16).Wait();
        });
        errors.ShouldAllBe(error => error is ProcessGroupException);
        errors.ShouldContain(error => error!.Message.Contains("all ranks must call the same collectives"));
    }

    [Fact]
    public void A_rank_that_leaves_in_the_middle_ends_it_on_the_others()
    {
        var errors = Ranks.Try(3, group =>
        {
            using var buffer = torch.ones(3_000_000);
            group.Barrier().Wait();
            for (var i = 0; i < 1000; i++)
            {
                var work = group.AllReduce(buffer, wire: WireFormat.BFloat16);
                if (group.Rank == 1 && i == 2)
                {
                    group.Abort(new InvalidOperationException("killed"));
                }

                work.Wait();
            }
        });
        errors.ShouldAllBe(error => error is ProcessGroupException);
    }

    [Fact]
    public void Over_NCCL_the_sum_is_there_once_it_was_waited_for() => NcclRanks.Run(3, group =>
    {
        using var flat = torch.tensor(Scattered(group.Rank, 1000));
        using var view = flat.narrow(0, 100, 800);
        var work = group.AllReduce(view, wire: WireFormat.BFloat16);
        work.Wait();
        work.Wait();
        work.IsCompleted.ShouldBeTrue();
        var sums = flat.Floats();
        var addends = Enumerable.Range(0, 3).Select(rank => Scattered(rank, 1000)).ToArray();
        for (var i = 0; i < sums.Length; i++)
        {
            if (i is < 100 or >= 900)
            {
                sums[i].ShouldBe(addends[group.Rank][i]);
                continue;
            }

            // Its sums are rounded at every rank.
            var sizes = addends.Sum(a => Math.Abs((double)a[i]));
            Math.Abs(sums[i] - addends.Sum(a => (double)a[i])).ShouldBeLessThanOrEqualTo(3 * Rounding * sizes, $"place {i}");
        }
    });

    [Fact]
    public void Over_NCCL_a_group_that_was_aborted_throws() => NcclRanks.Run(1, group =>
    {
        using var buffer = torch.ones(3);
        group.Abort();
        Should.Throw<ProcessGroupAbortedException>(() => group.AllReduce(buffer, wire: WireFormat.BFloat16));
    });

    private static void Sum(IProcessGroup group, torch.Tensor buffer) => group.AllReduce(buffer, wire: WireFormat.BFloat16).Wait();

    // Sizes from 1e-8 to 1e8: any other order of summation rounds otherwise.
    private static float[] Scattered(int rank, int count)
    {
        var random = new Random(rank);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-8, 9))))];
    }

    private static IEnumerable<int> BitsOf(float[] values) => values.Select(BitConverter.SingleToInt32Bits);
}
