using Grpc.Core;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed class WorkerReadingTests : IAsyncLifetime
{
    private TestCoordinator _coordinator = null!;

    public async Task InitializeAsync() => _coordinator = await TestCoordinator.StartAsync();

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public async Task GPUs_and_their_newest_readings_are_shown_by_slot()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.SendAsync(Hello());
        await agent.ReadAsync();
        await agent.SendAsync(new Proto.Status { GpuReadings = { [0] = Reading(1, 40, 3), [1] = Reading(2, 41, 0) } });
        await agent.SendAsync(new Proto.Status { GpuReadings = { [1] = Reading(-5, 99_999, 400), [7] = Reading(1, 1, 1), [-1] = Reading(1, 1, 1) } });
        await agent.SendAsync(new Proto.Status { Draining = true });

        var worker = await UntilAsync(one => one.Draining);

        worker.Slots.Select(slot => (slot.Device, slot.Gpu.Uuid, slot.Gpu.Name, slot.Gpu.MemoryBytes))
            .ShouldBe([("cuda", "GPU-0", "a GPU", 24L << 30), ("cuda", "GPU-1", "a GPU", 24L << 30)]);
        worker.Slots[0].GpuReading.ShouldBe(Reading(1, 40, 3));
        worker.Slots[1].GpuReading.ShouldBe(Reading(0, 1000, 100));
    }

    [Fact]
    public async Task A_worker_of_CPU_slots_has_neither()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync();

        var worker = await UntilAsync(_ => true);

        worker.Slots.ShouldAllBe(slot => slot.Device == "cpu" && slot.Gpu == null && slot.GpuReading == null);
    }

    [Fact]
    public async Task How_busy_the_machine_is_stands_until_the_next_reading_and_is_never_more_than_all()
    {
        using var agent = new FakeAgent(_coordinator);
        await agent.JoinAsync();
        (await UntilAsync(_ => true)).Load.ShouldBeNull();

        var load = new Proto.MachineLoad { ProcessorPercent = 41.5, Processors = 8, UsedMemoryBytes = 3, MemoryBytes = 5, FreeStorageBytes = 7 };
        await agent.SendAsync(new Proto.Status { Load = load });
        await agent.SendAsync(new Proto.Status { Load = new Proto.MachineLoad { ProcessorPercent = double.NaN, Processors = 1 } });
        await agent.SendAsync(new Proto.Status { LostLogLines = 1 });
        (await UntilAsync(one => one.LostLogLines == 1)).Load.ShouldBe(load);

        var wrong = new Proto.MachineLoad { ProcessorPercent = 1e300, Processors = int.MinValue, UsedMemoryBytes = long.MaxValue, MemoryBytes = 5, FreeStorageBytes = -1 };
        await agent.SendAsync(new Proto.Status { Load = wrong, LostLogLines = 2 });
        (await UntilAsync(one => one.LostLogLines == 2)).Load.ShouldBe(new Proto.MachineLoad { ProcessorPercent = 100, UsedMemoryBytes = 5, MemoryBytes = 5 });
    }

    [Fact]
    public async Task What_no_GPU_can_be_called_is_refused()
    {
        await RefusedAsync(offer => offer.Gpu.Name = new string('x', 129), "gpu.name has 129 characters; at most 128 are allowed.");
        await RefusedAsync(offer => offer.Gpu.Uuid = "GPU\n", "gpu.uuid 'GPU");
        await RefusedAsync(offer => offer.Gpu.MemoryBytes = -1, "has -1 bytes of memory");
        await RefusedAsync(offer => offer.Device = "cpu", "Slot 1 of worker 'w1' has a GPU and the device 'cpu'");
    }

    private async Task RefusedAsync(Action<Proto.SlotOffer> change, string message)
    {
        using var agent = new FakeAgent(_coordinator);
        var hello = Hello();
        change(hello.Slots[1]);
        await agent.SendAsync(hello);
        var refused = await Should.ThrowAsync<RpcException>(agent.ReadAsync);
        refused.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        refused.Status.Detail.ShouldContain(message);
    }

    private async Task<Proto.Worker> UntilAsync(Func<Proto.Worker, bool> fits)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            var workers = (await _coordinator.Workers.ListAsync(new Proto.ListWorkersRequest(), cancellationToken: patience.Token)).Workers;
            if (workers.FirstOrDefault(fits) is { } worker)
                return worker;
            await Task.Delay(10, patience.Token);
        }
    }

    private static Proto.Hello Hello()
    {
        var hello = FakeAgent.Hello(slots: 0);
        hello.Slots.AddRange(Enumerable.Range(0, 2).Select(number => new Proto.SlotOffer
        {
            Number = number,
            Device = "cuda",
            Gpu = new Proto.Gpu { Uuid = $"GPU-{number}", Name = "a GPU", MemoryBytes = 24L << 30 },
        }));
        return hello;
    }

    private static Proto.GpuReading Reading(long used, int temperature, int utilization) =>
        new() { UsedMemoryBytes = used, Temperature = temperature, Utilization = utilization };
}
