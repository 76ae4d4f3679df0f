using Linformer.Training.ProcessGroups;
using TorchSharp;

namespace Linformer.Training.Tests.ProcessGroups;

public class SingleProcessGroupTests
{
    [Fact]
    public void Every_operation_is_an_identity()
    {
        using var group = new SingleProcessGroup(generation: 7);
        (group.Generation, group.Rank, group.WorldSize).ShouldBe((7, 0, 1));

        using var buffer = Tensors.Of(torch.ScalarType.Float32, [1, 2, 3]);
        group.AllReduce(buffer).Wait();
        group.Broadcast(buffer, 0).Wait();
        group.Barrier().Wait();
        buffer.Values().ShouldBe([1, 2, 3]);

        using var scattered = Tensors.Zeros(torch.ScalarType.Float32, 3);
        group.ReduceScatter(buffer, scattered).IsCompleted.ShouldBeTrue();
        scattered.Values().ShouldBe([1, 2, 3]);

        using var gathered = Tensors.Zeros(torch.ScalarType.Float32, 3);
        group.AllGather(buffer, gathered).IsCompleted.ShouldBeTrue();
        gathered.Values().ShouldBe([1, 2, 3]);
    }

    [Fact]
    public void After_an_abort_every_call_throws_with_the_first_reason()
    {
        using var group = new SingleProcessGroup(generation: 7);
        group.Abort(new InvalidOperationException("drained"));
        group.Abort(new InvalidOperationException("later"));

        using var buffer = Tensors.Zeros(torch.ScalarType.Float32, 3);
        var error = Should.Throw<ProcessGroupAbortedException>(() => group.AllReduce(buffer));
        error.Message.ShouldBe("all-reduce of 12 bytes on rank 0 of 1, generation 7: aborted: drained");
        error.InnerException!.Message.ShouldBe("drained");
    }

    [Fact]
    public void After_dispose_every_call_throws()
    {
        var group = new SingleProcessGroup();
        group.Dispose();
        Should.Throw<ObjectDisposedException>(() => group.Barrier());
    }
}
