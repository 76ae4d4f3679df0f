using Linformer.Training.ProcessGroups;
using Linformer.Training.ProcessGroups.Nccl;
using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups.Nccl;

[Collection(NcclCollection.Name)]
public class NcclFailureTests
{
    [Fact]
    public void Abort_ends_a_collective_that_others_do_not_enter()
    {
        using var held = new ManualResetEventSlim();
        var errors = NcclRanks.Try(2, group =>
        {
            using var buffer = torch.ones(100);
            group.AllReduce(buffer).Wait();
            if (group.Rank == 1)
            {
                held.Wait(Ranks.Patience);
                return;
            }

            var work = group.AllReduce(buffer);
            new Thread(() =>
            {
                SpinWait.SpinUntil(() => NcclDouble.Double.CollectivesInStreams > 0);
                group.Abort(new InvalidOperationException("told to"));
            }).Start();
            try
            {
                work.Wait();
            }
            finally
            {
                held.Set();
            }
        });
        var aborted = errors[0].ShouldBeOfType<ProcessGroupAbortedException>();
        aborted.Message.ShouldBe($"all-reduce of 400 bytes on rank 0 of 2, generation {aborted.Operation.Generation}: aborted: told to");
        errors[1].ShouldBeNull();
    }

    [Fact]
    public void Abort_of_one_rank_fails_the_others_and_all_that_they_call_later()
    {
        var errors = NcclRanks.Try(3, group =>
        {
            using var buffer = torch.ones(100);
            group.AllReduce(buffer).Wait();
            if (group.Rank == 2)
            {
                group.Abort();
                return;
            }

            var first = Should.Throw<ProcessGroupException>(() => group.AllReduce(buffer).Wait());
            first.Reason.ShouldContain("remote process exited or there was a network error (NCCL 6)");
            var later = Should.Throw<ProcessGroupException>(() => group.Barrier());
            later.Message.ShouldContain("the group has failed before, in all-reduce of 400 bytes");
            Should.Throw<ProcessGroupException>(group.ThrowIfFailed);
        });
        errors.ShouldAllBe(error => error == null);
    }

    [Fact]
    public void Abort_ends_the_rendezvous()
    {
        var store = new InMemoryRendezvousStore();
        foreach (var rank in new[] { 0, 1 })
        {
            // Alone in a world of two: rank 0 waits in the library, rank 1 for its id.
            using var group = new NcclProcessGroup(rank, 2, 77 + rank, store, NcclRanks.Options);
            group.Connected.IsCompleted.ShouldBeFalse();
            group.Abort(new InvalidOperationException("enough"));
            Should.Throw<ProcessGroupAbortedException>(group.Connected.Wait).Message.ShouldContain("rendezvous on rank");
        }

        NcclDouble.Double.Refused().ShouldBeEmpty();
    }

    [Fact]
    public void A_rank_that_does_not_come_is_noticed_at_the_timeout()
    {
        var options = NcclRanks.Options with { RendezvousTimeout = TimeSpan.FromMilliseconds(300), Timeout = TimeSpan.FromMilliseconds(300) };
        var store = new InMemoryRendezvousStore();
        using (var alone = new NcclProcessGroup(0, 2, 80, store, options))
        {
            Should.Throw<ProcessGroupException>(alone.Connected.Wait).Reason.ShouldBe("timed out waiting to connect");
        }

        using (var without = new NcclProcessGroup(1, 2, 81, store, options))
        {
            Should.Throw<ProcessGroupException>(without.Connected.Wait).Reason.ShouldBe("nobody published 'process-group/81/nccl' within 0.3 s");
        }

        var (met, noticed) = (false, new ManualResetEventSlim());
        var errors = NcclRanks.Try(
            2,
            group =>
            {
                using var buffer = torch.ones(10);
                group.AllReduce(buffer).Wait();
                if (group.Rank == 1)
                {
                    noticed.Wait(Ranks.Patience);
                    return;
                }

                met = true;
                try
                {
                    group.AllReduce(buffer).Wait();
                }
                finally
                {
                    noticed.Set();
                }
            },
            options with { RendezvousTimeout = Ranks.Patience, Timeout = TimeSpan.FromSeconds(5) });
        met.ShouldBeTrue("the first collective succeeds");
        errors[0].ShouldBeOfType<ProcessGroupException>().Reason.ShouldBe("timed out waiting for the other ranks");
    }

    [Fact]
    public void Other_sizes_on_other_ranks_hang_until_the_timeout()
    {
        var errors = NcclRanks.Try(
            2,
            group =>
            {
                using var buffer = torch.ones(10 + group.Rank);
                group.Connected.Wait();
                group.AllReduce(buffer).Wait();
            },
            NcclRanks.Options with { Timeout = TimeSpan.FromMilliseconds(300) });
        errors.ShouldAllBe(error => error is ProcessGroupException);
        errors.ShouldContain(error => ((ProcessGroupException)error!).Reason == "timed out waiting for the other ranks");
    }

    [Fact]
    public void An_asynchronous_error_ends_a_collective_and_its_values_do_not_count()
    {
        var errors = NcclRanks.Try(2, group =>
        {
            using var buffer = torch.ones(10);
            group.AllReduce(buffer).Wait();
            group.Barrier().Wait();
            using var error = NcclDouble.Double.With("NCCL_DOUBLE_FAIL", "asynchronous=3");
            group.AllReduce(buffer).Wait();
        });
        errors.ShouldContain(error => error is ProcessGroupException && error.Message.Contains("internal error (NCCL 3)", StringComparison.Ordinal));
        errors.ShouldAllBe(error => error is ProcessGroupException);
    }

    [Theory]
    [InlineData("ncclAllReduce=1", "launch: unhandled cuda error (NCCL 1): ncclAllReduce was told to fail")]
    [InlineData("ncclCommInitRankConfig=2", "ncclCommInitRankConfig: unhandled system error (NCCL 2): ncclCommInitRankConfig was told to fail")]
    [InlineData("ncclGetUniqueId=2", "ncclGetUniqueId: unhandled system error (NCCL 2): ncclGetUniqueId was told to fail")]
    public void What_the_library_says_is_in_the_message(string failure, string message)
    {
        using var setting = NcclDouble.Double.With("NCCL_DOUBLE_FAIL", failure);
        var errors = NcclRanks.Try(1, group =>
        {
            using var buffer = torch.ones(10);
            group.AllReduce(buffer).Wait();
        });
        errors[0].ShouldBeOfType<ProcessGroupException>().Message.ShouldContain(message);
    }

    [Theory]
    [InlineData("cudaEventQuery")]
    [InlineData("cudaEventRecord")]
    [InlineData("cudaPointerGetAttributes")]
    public void A_GPU_that_fails_is_told_from_ranks_that_are_lost(string function)
    {
        var errors = NcclRanks.Try(1, group =>
        {
            using var buffer = torch.ones(10);
            group.AllReduce(buffer).Wait();
            using var setting = NcclDouble.Double.With("NCCL_DOUBLE_FAIL", $"{function}=700");
            group.AllReduce(buffer).Wait();
        });
        errors[0].ShouldBeOfType<GpuFailedException>().Reason
            .ShouldBe($"the GPU has failed, and this process cannot use it any more: {function}: an illegal memory access was encountered (CUDA 700)");
    }

    [Fact]
    public void A_tensor_is_kept_until_a_launch_that_failed_has_left_the_GPU()
    {
        using var slow = NcclDouble.Double.With("NCCL_DOUBLE_DELAY_MS", "200");
        using var slower = NcclDouble.Double.With("NCCL_DOUBLE_LINGER_MS", "300");
        NcclRanks.Run(1, group =>
        {
            using var buffer = torch.ones(10);
            group.AllReduce(buffer).Wait();
            group.Barrier().Wait();
            using var error = NcclDouble.Double.With("NCCL_DOUBLE_FAIL", "asynchronous=3");
            Should.Throw<ProcessGroupException>(group.AllReduce(buffer).Wait);
            NcclDouble.Double.CollectivesInStreams.ShouldBe(0);
        });
    }

    [Fact]
    public void Operations_that_never_run_leave_nothing_behind()
    {
        NcclDouble.Double.Use();
        var before = NcclDouble.Double.Events;
        var store = new InMemoryRendezvousStore();
        using (var alone = new NcclProcessGroup(0, 2, 91, store, NcclRanks.Options))
        {
            using var buffer = torch.ones(10);
            var queued = Enumerable.Range(0, 5).Select(_ => alone.AllReduce(buffer)).ToList();
            alone.Abort();
            queued.ForEach(work => Should.Throw<ProcessGroupAbortedException>(work.Wait));
        }

        NcclDouble.Double.Events.ShouldBe(before);
    }

    [Fact]
    public void A_group_can_be_left_while_collectives_run()
    {
        using var delay = NcclDouble.Double.With("NCCL_DOUBLE_DELAY_MS", "100");
        IWork[] works = new IWork[2];
        NcclRanks.Run(2, group =>
        {
            using var buffer = torch.ones(10);
            group.AllReduce(buffer).Wait();
            works[group.Rank] = group.AllReduce(buffer);
        });
        Array.ForEach(works, work => Should.Throw<ProcessGroupException>(work.Wait));
    }

    [Fact]
    public void Tensors_that_are_not_in_the_memory_of_the_GPU_are_refused()
        => NcclRanks.Run(1, group =>
        {
            using var host = NcclDouble.Double.With("NCCL_DOUBLE_HOST_MEMORY", "1");
            using var buffer = torch.ones(10);
            Should.Throw<ArgumentException>(() => group.AllReduce(buffer)).Message.ShouldContain("buffer is on cpu, not in the memory of GPU 0");
            using var bits = torch.zeros([4], dtype: torch.ScalarType.Bool);
            Should.Throw<ArgumentException>(() => group.AllReduce(bits)).Message.ShouldContain("buffer is of type Bool");
            Should.Throw<ArgumentException>(() => group.AllReduce([])).Message.ShouldContain("buffers is empty");
            Should.Throw<ArgumentException>(() => group.Broadcast(buffer, 1)).Message.ShouldContain("root must be a rank");
        });

    [Fact]
    public void Another_version_on_rank_0_is_refused()
    {
        var store = new InMemoryRendezvousStore();
        var bytes = new byte[132];
        BitConverter.TryWriteBytes(bytes, 21805);
        store.Set("process-group/90/nccl", bytes);
        NcclDouble.Double.Use();
        using var group = new NcclProcessGroup(1, 2, 90, store, NcclRanks.Options);
        Should.Throw<ProcessGroupException>(group.Connected.Wait).Reason
            .ShouldBe("rank 0 has NCCL 2.18.5, rank 1 has 2.27.3: it must be the same on all machines");
    }

    [Fact]
    public void Closing_does_not_wait_for_ever_for_a_rank_that_does_not_leave()
    {
        using var silent = NcclDouble.Double.With("NCCL_DOUBLE_SILENT_PEERS", "1");
        using var left = new CountdownEvent(1);
        var errors = NcclRanks.Try(2, group =>
        {
            using var buffer = torch.ones(10);
            group.AllReduce(buffer).Wait();
            if (group.Rank == 1)
            {
                left.Wait(Ranks.Patience);
            }
            else
            {
                group.Dispose();
                left.Signal();
            }
        });
        errors.ShouldAllBe(error => error == null);
    }
}
