using Linformer.Worker.Agents;

namespace Linformer.Worker.Tests.Agents;

/// <summary>Looks at a storage that hangs.</summary>
public sealed class StorageIdTests
{
    [Fact]
    public async Task AStorageThatHangsHoldsOneThreadHoweverOftenItIsLookedAt()
    {
        using var back = new ManualResetEventSlim();
        var reads = 0;
        string Read(string path)
        {
            Interlocked.Increment(ref reads);
            back.Wait();
            return "0123\n";
        }

        var hanging = new StorageId("/data", TimeSpan.FromMilliseconds(50), Read);
        try
        {
            for (var look = 0; look < 3; look++)
            {
                var (found, problem, maybeLater) = await hanging.FindAsync("0123");
                found.ShouldBeEmpty();
                problem.ShouldBe("cannot be read within 0.05 s");
                maybeLater.ShouldBeTrue();
            }

            Volatile.Read(ref reads).ShouldBeLessThanOrEqualTo(1);
        }
        finally
        {
            back.Set();
        }
    }

    [Fact]
    public async Task WhatIsFoundWasReadAfterTheLookBegan()
    {
        using var back = new ManualResetEventSlim();
        var reads = 0;
        string Read(string path)
        {
            // What the first read has found was so before the storage was lost.
            if (Interlocked.Increment(ref reads) > 1)
            {
                throw new FileNotFoundException();
            }

            back.Wait();
            return "0123\n";
        }

        var id = new StorageId("/data", TimeSpan.FromMinutes(1), Read);
        var first = id.FindAsync("0123");
        var second = id.FindAsync("0123");
        back.Set();

        (await first).Problem.ShouldBeNull();
        (await second).Problem.ShouldBe("is not there");
    }
}
