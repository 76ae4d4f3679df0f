using System.Collections.Concurrent;
using Linformer.Training.Tasks;

namespace Linformer.Training.Tests.Tasks;

public class PrefetcherTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ConcurrentBag<Batch> _read = [];

    [Fact]
    public void What_was_announced_is_read_on_another_thread_and_what_was_not_on_this_one()
    {
        using var read = new SemaphoreSlim(0);
        using var prefetcher = new Prefetcher<Batch>((first, count) =>
        {
            var batch = Read(first, count);
            read.Release();
            return batch;
        });
        prefetcher.Take(1, 2).Thread.ShouldBe(Environment.CurrentManagedThreadId);
        read.Wait(Patience).ShouldBeTrue();
        prefetcher.Announce(3, 2);
        read.Wait(Patience).ShouldBeTrue("it is read before it is asked for");
        var announced = prefetcher.Take(3, 2);
        (announced.First, announced.Count).ShouldBe((3, 2));
        announced.Thread.ShouldNotBe(Environment.CurrentManagedThreadId);
        _read.Count.ShouldBe(2);
    }

    [Fact]
    public void What_is_being_read_is_waited_for()
    {
        using var begun = new SemaphoreSlim(0);
        using var goOn = new SemaphoreSlim(0);
        using var prefetcher = new Prefetcher<Batch>((first, count) =>
        {
            begun.Release();
            goOn.Wait(Patience);
            return Read(first, count);
        });
        prefetcher.Announce(5, 1);
        begun.Wait(Patience).ShouldBeTrue();
        var later = new Thread(() => goOn.Release());
        later.Start();
        prefetcher.Take(5, 1).First.ShouldBe(5);
        later.Join();
        _read.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void After_going_back_nothing_stale_is_given(bool whileItIsRead)
    {
        using var begun = new SemaphoreSlim(0);
        using var goOn = new SemaphoreSlim(whileItIsRead ? 0 : 1);
        using (var prefetcher = new Prefetcher<Batch>((first, count) =>
        {
            if ((first, count) == (100, 4))
            {
                begun.Release();
                goOn.Wait(Patience);
            }

            return Read(first, count);
        }))
        {
            prefetcher.Announce(100, 4);
            begun.Wait(Patience).ShouldBeTrue();
            prefetcher.Announce(104, 4);
            prefetcher.Take(20, 4).First.ShouldBe(20);
            goOn.Release();
            prefetcher.Announce(24, 4);
            prefetcher.Take(24, 4).First.ShouldBe(24);
            prefetcher.Take(100, 8).Count.ShouldBe(8, "another number of samples is another batch");
        }

        // What nobody got was given up once, and what somebody got was left to him.
        _read.Where(batch => batch is { First: 100, Count: 4 } or { First: 104 }).ShouldAllBe(batch => batch.Disposals == 1);
        _read.Where(batch => batch is not ({ First: 100, Count: 4 } or { First: 104 })).ShouldAllBe(batch => batch.Disposals == 0);
    }

    [Fact]
    public void Errors_arrive_with_their_type_at_whoever_asks_and_reading_goes_on()
    {
        using var failed = new SemaphoreSlim(0);
        using var prefetcher = new Prefetcher<Batch>((first, count) =>
        {
            if (first % 2 == 1)
            {
                failed.Release();
                throw new InvalidTimeZoneException($"sample {first}");
            }

            return Read(first, count);
        });
        prefetcher.Announce(1, 1);
        failed.Wait(Patience).ShouldBeTrue();
        Should.Throw<InvalidTimeZoneException>(() => prefetcher.Take(1, 1)).Message.ShouldBe("sample 1");
        prefetcher.Announce(3, 1);
        failed.Wait(Patience).ShouldBeTrue();
        prefetcher.Take(4, 1).First.ShouldBe(4, "nobody asks for what failed");
        prefetcher.Announce(6, 1);
        prefetcher.Take(6, 1).First.ShouldBe(6);
    }

    [Fact]
    public void More_than_two_are_not_read_ahead()
    {
        using var read = new SemaphoreSlim(0);
        using (var prefetcher = new Prefetcher<Batch>((first, count) =>
        {
            var batch = Read(first, count);
            read.Release();
            return batch;
        }))
        {
            for (var first = 0; first < 10; first++)
            {
                prefetcher.Announce(first, 1);
            }

            read.Wait(Patience).ShouldBeTrue();
            read.Wait(Patience).ShouldBeTrue();
        }

        _read.Select(batch => batch.First).Order().ShouldBe([0, 1]);
        _read.ShouldAllBe(batch => batch.Disposals == 1);
    }

    [Fact]
    public void Whatever_is_announced_each_batch_is_the_one_that_was_asked_for_and_none_is_lost()
    {
        var random = new Random(11);
        var given = new HashSet<Batch>();
        using (var prefetcher = new Prefetcher<Batch>((first, count) =>
        {
            Thread.SpinWait((int)(first * 7919 % 3000));
            return Read(first, count);
        }))
        {
            for (var i = 0; i < 20_000; i++)
            {
                var (first, count) = (random.Next(6), random.Next(1, 3));
                if (random.Next(3) > 0)
                {
                    prefetcher.Announce(first, count);
                }

                if (random.Next(3) > 0)
                {
                    (first, count) = random.Next(2) == 0 ? (first, count) : (random.Next(6), random.Next(1, 3));
                    var batch = prefetcher.Take(first, count);
                    (batch.First, batch.Count, batch.Disposals).ShouldBe((first, count, 0));
                    given.Add(batch).ShouldBeTrue("a batch is given once");
                }
            }

            prefetcher.Dispose();
            prefetcher.Announce(1, 1);
        }

        _read.ShouldAllBe(batch => batch.Disposals == (given.Contains(batch) ? 0 : 1));
    }

    private Batch Read(long first, int count)
    {
        var batch = new Batch(first, count);
        _read.Add(batch);
        return batch;
    }

    private sealed class Batch(long first, int count) : IDisposable
    {
        private int _disposals;

        public long First { get; } = first;

        public int Count { get; } = count;

        public int Thread { get; } = Environment.CurrentManagedThreadId;

        public int Disposals => Volatile.Read(ref _disposals);

        public void Dispose() => Interlocked.Increment(ref _disposals);
    }
}
