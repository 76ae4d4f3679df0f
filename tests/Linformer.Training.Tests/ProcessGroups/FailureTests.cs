using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups;

/// <summary>Between ranks that share memory.</summary>
public sealed class FailureTests() : FailureTestsOfATransport(new GlooOptions());

/// <summary>Between ranks that have nothing but TCP.</summary>
public sealed class TcpFailureTests() : FailureTestsOfATransport(new GlooOptions { ShareMemory = false });

public abstract class FailureTestsOfATransport(GlooOptions options)
{
    private readonly GlooOptions _shortRendezvous = options with { RendezvousTimeout = TimeSpan.FromMilliseconds(300) };

    [Fact]
    public void Abort_ends_a_collective_that_runs_and_those_that_wait()
    {
        using var aborted = new ManualResetEventSlim();
        var errors = Ranks.Try(2, options, group =>
        {
            group.Connected.Wait();
            if (group.Rank == 1)
            {
                aborted.Wait(Ranks.Patience);
                return;
            }

            // Larger than what the system buffers, so it cannot end without rank 1.
            using var buffer = Tensors.Zeros(torch.ScalarType.Float32, 30_000_000);
            var running = group.AllReduce(buffer);
            var queued = group.Barrier();
            new Thread(() => group.Abort(new InvalidOperationException("a rank was lost"))).Start();

            var error = Should.Throw<ProcessGroupAbortedException>(running.Wait);
            error.Message.ShouldStartWith("all-reduce of 120000000 bytes on rank 0 of 2, generation ");
            error.Message.ShouldEndWith(": aborted: a rank was lost");
            error.InnerException.ShouldBeOfType<InvalidOperationException>();
            Should.Throw<ProcessGroupAbortedException>(queued.Wait);
            Should.Throw<ProcessGroupAbortedException>(running.Wait);
            Should.Throw<ProcessGroupAbortedException>(() => group.Barrier());
            Should.Throw<ProcessGroupAbortedException>(() => group.AllReduce(buffer));
            aborted.Set();
        });
        errors.ShouldAllBe(error => error == null);
    }

    [Fact]
    public void Abort_of_an_idle_rank_makes_the_others_fail()
    {
        var errors = Ranks.Try(4, options, group =>
        {
            group.Barrier().Wait();
            if (group.Rank == 3)
            {
                group.Abort();
            }

            group.Barrier().Wait();
        });
        errors[3].ShouldBeOfType<ProcessGroupAbortedException>();
        errors[..3].ShouldAllBe(error => error is ProcessGroupException && !(error is ProcessGroupAbortedException));
    }

    [Fact]
    public void Abort_ends_the_wait_for_the_store()
    {
        using var group = new GlooProcessGroup(0, 2, 1, new InMemoryRendezvousStore(), options);
        var waiting = group.Barrier();
        group.Abort(new InvalidOperationException("no longer needed"));
        Should.Throw<ProcessGroupAbortedException>(group.Connected.Wait).Message
            .ShouldBe("rendezvous on rank 0 of 2, generation 1: aborted: no longer needed");
        Should.Throw<ProcessGroupAbortedException>(waiting.Wait);
    }

    [Theory]
    [InlineData(0)] // Waits to be connected to.
    [InlineData(1)] // Waits for an answer.
    public void Abort_ends_the_wait_for_a_connection(int rank)
    {
        using var silent = new SilentPeer();
        var store = new StoreThatTells(silent.Endpoint, rank);
        using var group = new GlooProcessGroup(rank, 2, 1, store, options);
        store.AllRead.Wait(Ranks.Patience).ShouldBeTrue();
        group.Connected.IsCompleted.ShouldBeFalse();
        group.Abort();
        Should.Throw<ProcessGroupAbortedException>(group.Connected.Wait);
    }

    [Fact]
    public void Dispose_ends_what_still_runs()
    {
        var group = new GlooProcessGroup(0, 2, 1, new InMemoryRendezvousStore(), options);
        var waiting = group.Barrier();
        group.Dispose();
        group.Dispose();
        group.Abort();
        Should.Throw<ProcessGroupAbortedException>(waiting.Wait);
        Should.Throw<ObjectDisposedException>(() => group.Barrier());
    }

    [Fact]
    public void A_rank_may_leave_when_its_own_part_is_done()
    {
        for (var repetition = 0; repetition < 5; repetition++)
        {
            Ranks.Run(4, options, group =>
            {
                using var buffer = Tensors.Of(torch.ScalarType.Float32, Enumerable.Repeat(1 + group.Rank, 1_000_003));
                group.Broadcast(buffer, 3).Wait();
                group.AllReduce(buffer).Wait();
                group.Broadcast(buffer, repetition % 4).Wait();
                group.Dispose();
                buffer.Values().ShouldAllBe(value => value == 16);
            });
        }
    }

    [Fact]
    public void Who_leaves_early_is_not_missed_by_those_who_still_wait_for_others()
    {
        for (var repetition = 0; repetition < 200; repetition++)
        {
            Ranks.Run(4, options, group =>
            {
                for (var barrier = 0; barrier < 4; barrier++)
                {
                    group.Barrier().Wait();
                }
            });
        }
    }

    [Fact]
    public void A_rank_that_never_comes_is_noticed_at_the_timeout()
    {
        using var group = new GlooProcessGroup(0, 2, 5, new InMemoryRendezvousStore(), _shortRendezvous);
        var error = Should.Throw<ProcessGroupException>(group.Connected.Wait);
        error.Message.ShouldContain("nobody published 'process-group/5/1'");
        error.InnerException.ShouldBeOfType<TimeoutException>();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_rank_that_never_connects_is_noticed_at_the_timeout(int rank)
    {
        using var silent = new SilentPeer();
        using var group = new GlooProcessGroup(rank, 2, 1, new StoreThatTells(silent.Endpoint, rank), _shortRendezvous);
        var error = Should.Throw<ProcessGroupException>(group.Connected.Wait);
        error.Message.ShouldContain($"no connection with rank {1 - rank} in time");
        error.Peer.ShouldBe(1 - rank);
    }

    [Fact]
    public void A_rank_that_is_late_is_named_at_the_timeout_and_fails_too()
    {
        using var timedOut = new ManualResetEventSlim();
        var errors = Ranks.Try(
            2,
            options with { Timeout = TimeSpan.FromMilliseconds(300) },
            group =>
            {
                if (group.Rank == 1)
                {
                    group.Connected.Wait();
                    timedOut.Wait(Ranks.Patience);
                }

                using var buffer = Tensors.Zeros(torch.ScalarType.Int64, 1000);
                try
                {
                    group.AllReduce(buffer).Wait();
                }
                finally
                {
                    timedOut.Set();
                }
            });

        var error = errors[0].ShouldBeOfType<ProcessGroupException>();
        error.Message.ShouldContain("timed out waiting for rank 1");
        error.Peer.ShouldBe(1);
        error.Operation.Name.ShouldBe("all-reduce");
        error.Operation.Bytes.ShouldBe(8000);
        errors[1].ShouldBeOfType<ProcessGroupException>().Peer.ShouldBe(0);
    }

    [Fact]
    public void Ranks_that_call_different_collectives_are_told_so()
    {
        var errors = Ranks.Try(2, options, group =>
        {
            using var buffer = Tensors.Zeros(torch.ScalarType.Float32, 8);
            (group.Rank == 0 ? group.AllReduce(buffer) : group.Broadcast(buffer, 1)).Wait();
            group.Barrier().Wait();
        });
        // Whoever notices it first leaves, so that the other may have lost a rank before it has looked.
        errors.ShouldAllBe(error => error is ProcessGroupException);
        errors.ShouldContain(error => error!.Message.Contains("bytes for all-reduce number 0")
            && error.Message.Contains("all ranks must call the same collectives, with the same sizes, in the same order"));
    }

    [Fact]
    public void Ranks_that_bring_different_sizes_are_told_so()
    {
        var errors = Ranks.Try(2, options, group =>
        {
            using var buffer = Tensors.Zeros(torch.ScalarType.Float32, 8 + (8 * group.Rank));
            group.AllReduce(buffer).Wait();
        });
        errors.ShouldAllBe(error => error is ProcessGroupException);
        errors.ShouldContain(error => error!.Message.Contains("with the same sizes"));
    }

    [Fact]
    public void What_a_store_throws_is_passed_on()
    {
        using var group = new GlooProcessGroup(0, 2, 1, new BrokenStore(), options);
        var error = Should.Throw<ProcessGroupException>(group.Connected.Wait);
        error.Message.ShouldBe("rendezvous on rank 0 of 2, generation 1: the disk is full");
        error.InnerException.ShouldBeOfType<IOException>();
        Should.Throw<ProcessGroupException>(() => group.Barrier()).Message
            .ShouldContain("the group has failed before, in rendezvous on rank 0 of 2, generation 1: the disk is full");
    }

    [Theory]
    [InlineData("garbage")]
    [InlineData("127.0.0.1 99999 00112233445566778899aabbccddeeff")]
    [InlineData("127.0.0.1 1 00112233445566778899aabbccddeef")]
    [InlineData("host.example 1 00112233445566778899aabbccddeeff")]
    public void A_wrong_endpoint_in_the_store_is_an_error(string endpoint)
    {
        using var group = new GlooProcessGroup(1, 2, 1, new StoreThatTells(endpoint, 1), options);
        Should.Throw<ProcessGroupException>(group.Connected.Wait);
    }

    [Fact]
    public void After_a_failure_the_survivors_make_the_next_generation()
    {
        var store = new InMemoryRendezvousStore();
        var errors = Ranks.Parallel(3, rank =>
        {
            using (var first = new GlooProcessGroup(rank, 3, 1, store, options))
            {
                if (rank == 2)
                {
                    first.Barrier().Wait();
                    return;
                }

                // Rank 2 may be gone before the others have noticed that even the first barrier is complete.
                Should.Throw<ProcessGroupException>(() =>
                {
                    while (true)
                    {
                        first.Barrier().Wait();
                    }
                });
            }

            using var second = new GlooProcessGroup(rank, 2, 2, store, options);
            using var buffer = Tensors.Of(torch.ScalarType.Int32, [1 + rank]);
            second.AllReduce(buffer).Wait();
            buffer.Values().ShouldBe([3]);
        });
        errors.ShouldAllBe(error => error == null);
    }

    private sealed class BrokenStore : IRendezvousStore
    {
        public void Set(string key, ReadOnlySpan<byte> value) => throw new IOException("the disk is full");

        public byte[] Get(string key, TimeSpan timeout, CancellationToken cancellationToken = default)
            => throw new IOException("the disk is full");
    }
}
