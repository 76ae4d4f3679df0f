using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups.Nccl;

[Collection(NcclCollection.Name)]
public class NcclCollectiveTests
{
    // The double exchanges 65536 floats at a time.
    private static readonly int[] Counts = [0, 1, 2, 3, 5, 1000, 65_536, 200_003];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void AllReduce_combines_every_type_and_size(int worldSize)
        => NcclRanks.Run(worldSize, group =>
        {
            foreach (var type in Tensors.Types)
            {
                foreach (var count in Counts)
                {
                    using var sum = Tensors.Of(type, Part(group.Rank, count));
                    using var smallest = Tensors.Of(type, Part(group.Rank, count));
                    using var largest = Tensors.Of(type, Part(group.Rank, count));
                    group.AllReduce(sum);
                    group.AllReduce(smallest, ReduceOperation.Min);
                    group.AllReduce(largest, ReduceOperation.Max).Wait();
                    sum.ShouldHold(OfAll(worldSize, count, values => values.Sum()), $"sum of {count} {type}");
                    smallest.ShouldHold(OfAll(worldSize, count, values => values.Min()), $"smallest of {count} {type}");
                    largest.ShouldHold(OfAll(worldSize, count, values => values.Max()), $"largest of {count} {type}");
                }
            }
        });

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void ReduceScatter_gives_each_rank_its_part(int worldSize)
        => NcclRanks.Run(worldSize, group =>
        {
            foreach (var type in Tensors.Types)
            {
                foreach (var count in Counts)
                {
                    using var input = Tensors.Of(type, Part(group.Rank, worldSize * count));
                    using var output = Tensors.Zeros(type, count);
                    group.ReduceScatter(input, output).Wait();
                    var all = OfAll(worldSize, worldSize * count, values => values.Sum());
                    output.ShouldHold(all.AsSpan(group.Rank * count, count), $"{count} {type}");
                    input.ShouldHold(Part(group.Rank, worldSize * count), "the input stays");
                }
            }
        });

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void AllGather_gives_all_inputs_to_all(int worldSize)
        => NcclRanks.Run(worldSize, group =>
        {
            foreach (var type in Tensors.Types)
            {
                foreach (var count in Counts)
                {
                    using var input = Tensors.Of(type, Part(group.Rank, count));
                    using var output = Tensors.Zeros(type, worldSize * count);
                    group.AllGather(input, output).Wait();
                    output.ShouldHold([.. Enumerable.Range(0, worldSize).SelectMany(rank => Part(rank, count))], $"{count} {type}");
                }
            }
        });

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Broadcast_gives_the_roots_values_to_all(int worldSize)
        => NcclRanks.Run(worldSize, group =>
        {
            foreach (var type in Tensors.Types)
            {
                for (var root = 0; root < worldSize; root++)
                {
                    using var buffer = Tensors.Of(type, Part(group.Rank, 1000));
                    group.Broadcast(buffer, root).Wait();
                    buffer.ShouldHold(Part(root, 1000), $"{type} of {root}");
                }
            }
        });

    [Fact]
    public void Parts_of_one_buffer_may_be_input_and_output()
        => NcclRanks.Run(3, group =>
        {
            using var gathered = Tensors.Of(torch.ScalarType.Float32, Part(group.Rank, 30));
            using var mine = gathered.narrow(0, group.Rank * 10, 10);
            group.AllGather(mine, gathered).Wait();
            gathered.ShouldHold([.. Enumerable.Range(0, 3).SelectMany(rank => Part(rank, 30)[(rank * 10)..((rank + 1) * 10)])]);

            using var scattered = Tensors.Of(torch.ScalarType.Float32, Part(group.Rank, 30));
            using var part = scattered.narrow(0, group.Rank * 10, 10);
            group.ReduceScatter(scattered, part).Wait();
            part.ShouldHold(OfAll(3, 30, values => values.Sum()).AsSpan(group.Rank * 10, 10));
        });

    [Fact]
    public void A_view_of_bfloat16_is_reduced_within_its_bounds()
        => NcclRanks.Run(3, group =>
        {
            // Whole numbers to 256 are exact in bfloat16.
            using var flat = Tensors.Of(torch.ScalarType.Float32, Enumerable.Range(0, 60)).to_type(torch.ScalarType.BFloat16);
            using var view = flat.narrow(0, 10, 20);
            group.AllReduce(view).Wait();
            using var values = flat.to_type(torch.ScalarType.Float32);
            values.ShouldHold([.. Enumerable.Range(0, 60).Select(i => i is >= 10 and < 30 ? 3 * i : i)]);
        });

    [Fact]
    public void Sums_of_bfloat16_are_right_to_its_rounding()
        => NcclRanks.Run(3, group =>
        {
            using var buffer = torch.tensor([.. Enumerable.Range(0, 1000).Select(i => (float)Math.Sin(i + group.Rank))]).to_type(torch.ScalarType.BFloat16);
            group.AllReduce(buffer).Wait();
            using var single = buffer.to_type(torch.ScalarType.Float32);
            var sums = single.Floats();
            for (var i = 0; i < sums.Length; i++)
            {
                // Eight bits of each of three numbers of at most 1, and of their sum.
                var exact = Math.Sin(i) + Math.Sin(i + 1) + Math.Sin(i + 2);
                Math.Abs(sums[i] - exact).ShouldBeLessThan((3 * Math.Pow(2, -9)) + (3 * Math.Pow(2, -9)), $"place {i}");
            }
        });

    [Fact]
    public void Several_buffers_are_one_launch()
        => NcclRanks.Run(3, group =>
        {
            using var first = Tensors.Of(torch.ScalarType.Float32, Part(group.Rank, 100));
            using var second = Tensors.Of(torch.ScalarType.Int64, Part(group.Rank, 77_000));
            group.AllReduce([first, second], ReduceOperation.Max).Wait();
            first.ShouldHold(OfAll(3, 100, values => values.Max()));
            second.ShouldHold(OfAll(3, 77_000, values => values.Max()));
        });

    [Fact]
    public void Nobody_passes_a_barrier_alone()
    {
        var arrived = 0;
        NcclRanks.Run(3, group =>
        {
            for (var round = 1; round <= 20; round++)
            {
                Interlocked.Increment(ref arrived);
                group.Barrier().Wait();
                Volatile.Read(ref arrived).ShouldBeGreaterThanOrEqualTo(3 * round);
            }
        });
    }

    [Fact]
    public void A_collective_starts_after_what_was_computed_before_its_call()
        => NcclRanks.Run(2, group =>
        {
            // Two rounds: the first connects, and so is launched later in any case.
            for (var round = 0; round < 2; round++)
            {
                using var buffer = torch.zeros(1000);
                NcclDouble.Double.Fill(AddressOf(buffer), 1000, 1 + group.Rank, milliseconds: 100);
                group.AllReduce(buffer).Wait();
                buffer.Floats().ShouldAllBe(value => value == 3);
            }
        });

    [Fact]
    public void A_collective_reads_its_input_long_after_its_call()
    {
        using var delay = NcclDouble.Double.With("NCCL_DOUBLE_DELAY_MS", "50");
        NcclRanks.Run(2, group =>
        {
            for (var round = 0; round < 3; round++)
            {
                using var buffer = torch.ones(1000);
                var work = group.AllReduce(buffer);
                work.IsCompleted.ShouldBeFalse();
                buffer.Floats().ShouldAllBe(value => value == 1);
                work.Wait();
                work.IsCompleted.ShouldBeTrue();
                buffer.Floats().ShouldAllBe(value => value == 2);
            }
        });
    }

    [Fact]
    public void A_tensor_is_kept_until_its_collective_has_ended()
    {
        using var delay = NcclDouble.Double.With("NCCL_DOUBLE_DELAY_MS", "50");
        NcclRanks.Run(2, group =>
        {
            IWork last = null!;
            for (var i = 0; i < 5; i++)
            {
                using var buffer = torch.ones(100_000);
                last = group.AllReduce(buffer);
            }

            last.Wait();
        });
    }

    [Fact]
    public void Groups_follow_each_other()
    {
        for (var generation = 0; generation < 5; generation++)
        {
            NcclRanks.Run(3, group =>
            {
                using var buffer = torch.ones(10);
                group.AllReduce(buffer).Wait();
                buffer.Floats().ShouldAllBe(value => value == 3);
            });
        }
    }

    [Fact]
    public void Nothing_that_the_library_was_given_moves_while_it_connects()
    {
        using var slow = NcclDouble.Double.With("NCCL_DOUBLE_CONNECT_MS", "300");
        NcclRanks.Run(2, group =>
        {
            var garbage = new List<byte[]>();
            while (!group.Connected.IsCompleted)
            {
                garbage.AddRange(Enumerable.Range(0, 1000).Select(_ => Enumerable.Repeat((byte)0xaa, 200).ToArray()));
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
            }

            group.Connected.Wait();
        });
    }

    [Fact]
    public void The_thread_that_launched_the_collectives_closes_the_communicator()
        => NcclRanks.Run(2, group =>
        {
            using var buffer = torch.ones(10);
            group.AllReduce(buffer).Wait();
            group.Dispose();
            NcclDouble.Double.Refused().ShouldBeEmpty();
        });

    private static unsafe nint AddressOf(torch.Tensor tensor)
    {
        fixed (byte* first = tensor.bytes)
        {
            return (nint)first;
        }
    }

    // Small whole numbers, other ones on each rank: sums of three are exact in every type.
    private static int[] Part(int rank, int count) => [.. Enumerable.Range(0, count).Select(i => ((i * 7) + (rank * 13)) % 101 * (rank + 1))];

    private static int[] OfAll(int worldSize, int count, Func<IEnumerable<int>, int> combine)
    {
        var parts = Enumerable.Range(0, worldSize).Select(rank => Part(rank, count)).ToArray();
        return [.. Enumerable.Range(0, count).Select(i => combine(parts.Select(part => part[i])))];
    }
}
