using System.Diagnostics;
using Linformer.Training.ProcessGroups;

namespace Linformer.Training.Tests.ProcessGroups;

[Collection(nameof(Alone))]
public class LeakTests
{
    [Fact]
    public void Groups_that_were_disposed_leave_nothing_behind()
    {
        void Cycles(int count)
        {
            for (var i = 0; i < count; i++)
            {
                var store = new InMemoryRendezvousStore();
                using var first = new GlooProcessGroup(0, 2, i, store);
                using var second = new GlooProcessGroup(1, 2, i, store);
                using var one = Tensors.Zeros(TorchSharp.torch.ScalarType.Float32, 1000);
                using var other = Tensors.Zeros(TorchSharp.torch.ScalarType.Float32, 1000);
                var work = first.AllReduce(one);
                second.AllReduce(other).Wait();
                work.Wait();
                if (i % 2 == 1)
                {
                    first.Abort();
                }
            }
        }

        Cycles(20);
        var before = Held();
        Cycles(200);
        var after = Held();

        // A leak would show 200 times. The runtime itself opens and starts a few.
        after.Descriptors.ShouldBeLessThan(before.Descriptors + 20);
        after.Threads.ShouldBeLessThan(before.Threads + 20);
        after.Bytes.ShouldBeLessThan(before.Bytes + (64 << 20));
    }

    private static (int Descriptors, int Threads, long Bytes) Held()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        return (Directory.GetFiles("/proc/self/fd").Length, process.Threads.Count, process.WorkingSet64);
    }
}
