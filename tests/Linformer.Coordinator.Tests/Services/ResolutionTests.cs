using Google.Protobuf;
using Grpc.Core;
using Linformer.Protocol;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

/// <summary>What a job file leaves to the machines is settled by the workers' slots, once.</summary>
public sealed class ResolutionTests : IAsyncLifetime
{
    private TestCoordinator _coordinator = null!;

    public async Task InitializeAsync() => _coordinator = await TestCoordinator.StartAsync();

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public async Task Auto_is_settled_by_the_workers_and_stored()
    {
        using var quick = await JoinAsync("quick", bfloat16: true);
        var first = await SubmitAsync("auto");
        Precision(first.ResolvedJob).ShouldBe(PrecisionKind.Bf16);
        using var plain = await JoinAsync("plain", bfloat16: false);
        var second = await SubmitAsync("auto");

        Precision(second.ResolvedJob).ShouldBe(PrecisionKind.Fp32);
        Precision((await _coordinator.Jobs.CheckAsync(new Proto.CheckJobRequest { JobFile = File("auto") })).ResolvedJob).ShouldBe(PrecisionKind.Fp32);
        foreach (var response in (Proto.SubmitResponse[])[first, second])
            (await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = response.Job.Id })).JobFile.ShouldBe(response.ResolvedJob);
    }

    [Fact]
    public async Task A_second_try_with_the_key_finds_what_the_first_has_settled()
    {
        using var quick = await JoinAsync("quick", bfloat16: true);
        var key = Guid.NewGuid().ToString();
        var first = await SubmitAsync("auto", key);
        using var plain = await JoinAsync("plain", bfloat16: false);

        var second = await SubmitAsync("auto", key);

        second.Existed.ShouldBeTrue();
        second.ResolvedJob.ShouldBe(first.ResolvedJob);
    }

    [Fact]
    public async Task Without_a_worker_auto_is_fp32()
    {
        var response = await SubmitAsync("auto");

        Precision(response.ResolvedJob).ShouldBe(PrecisionKind.Fp32);
        response.Notices.ShouldHaveSingleItem().ShouldContain("precision: auto is fp32");
    }

    [Fact]
    public async Task Workers_without_hardware_for_bf16_are_told_of()
    {
        using var quick = await JoinAsync("quick", bfloat16: true);
        (await SubmitAsync("bf16")).Notices.ShouldBeEmpty();
        using var one = await JoinAsync("plain-1", bfloat16: false);

        var response = await SubmitAsync("bf16");

        Precision(response.ResolvedJob).ShouldBe(PrecisionKind.Bf16);
        response.Notices.ShouldHaveSingleItem().ShouldBe("The job computes in bf16, for which plain-1 has no hardware: there it trains more slowly than in fp32.");
        (await SubmitAsync("fp32")).Notices.ShouldBeEmpty();
        var agents = await Task.WhenAll(Enumerable.Range(2, 3).Select(n => JoinAsync($"plain-{n}", bfloat16: false)));
        (await SubmitAsync("bf16")).Notices.ShouldHaveSingleItem().ShouldContain("4 workers have no hardware");
        foreach (var agent in agents)
            agent.Dispose();
    }

    [Fact]
    public async Task A_micro_batch_is_settled_by_the_smallest_slot_and_stored()
    {
        // 16 sequences of 512 tokens are as many as are of use; 48 have no larger divisor up to that.
        using var large = await JoinAsync("large", bfloat16: false, memory: 64L << 30);
        var first = await SubmitAsync("fp32", more: ", microBatch: auto, globalBatch: 48");
        MicroBatch(first.ResolvedJob).ShouldBe(16);
        using var small = await JoinAsync("small", bfloat16: false, memory: 1L << 30);
        var second = await SubmitAsync("fp32", more: ", microBatch: auto, globalBatch: 48");

        MicroBatch(second.ResolvedJob)!.Value.ShouldBeLessThan(16);
        var check = await _coordinator.Jobs.CheckAsync(new Proto.CheckJobRequest { JobFile = File("fp32", ", microBatch: auto, globalBatch: 48") });
        MicroBatch(check.ResolvedJob).ShouldBe(MicroBatch(second.ResolvedJob));
        check.Estimate.MemoryBytes.ShouldBeLessThan((1L << 30) * 3 / 4);
        second.Notices.ShouldBeEmpty();
        foreach (var response in (Proto.SubmitResponse[])[first, second])
            (await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = response.Job.Id })).JobFile.ShouldBe(response.ResolvedJob);
    }

    [Fact]
    public async Task A_rank_that_is_too_large_for_a_slot_is_told_of()
    {
        using var small = await JoinAsync("small", bfloat16: false, memory: 100L << 20);

        var response = await SubmitAsync("fp32", more: ", microBatch: auto");

        MicroBatch(response.ResolvedJob).ShouldBe(1);
        response.Notices.ShouldHaveSingleItem().ShouldMatch("^Even with micro-batches of 1 a rank takes about 0\\.[0-9] GB, more than a slot of this cluster has\\.$");
    }

    [Fact]
    public async Task The_list_of_workers_shows_what_their_slots_can()
    {
        using var agent = await JoinAsync("quick", bfloat16: true);

        var slot = (await _coordinator.Workers.ListAsync(new Proto.ListWorkersRequest())).Workers.ShouldHaveSingleItem().Slots.ShouldHaveSingleItem();

        (slot.Bfloat16, slot.MemoryBytes).ShouldBe((true, 3L << 30));
    }

    [Fact]
    public async Task A_slot_of_less_than_no_memory_is_refused()
    {
        var hello = FakeAgent.Hello();
        hello.Slots[1].MemoryBytes = -1;
        using var agent = new FakeAgent(_coordinator);
        await agent.SendAsync(hello);

        var refusal = await Refused.With(StatusCode.InvalidArgument, async () => await agent.ReadAsync());
        refusal.Status.Detail.ShouldBe("Slot 1 of worker 'w1' has -1 bytes of memory; at least 0 are possible.");
    }

    private async Task<FakeAgent> JoinAsync(string name, bool bfloat16, long memory = 3L << 30)
    {
        var hello = FakeAgent.Hello(name, slots: 1);
        hello.Slots[0].Bfloat16 = bfloat16;
        hello.Slots[0].MemoryBytes = memory;
        var agent = new FakeAgent(_coordinator);
        await agent.SendAsync(hello);
        (await agent.ReadAsync()).Welcome.ShouldNotBeNull();
        await agent.SendAsync(new Proto.Status());
        return agent;
    }

    private async Task<Proto.SubmitResponse> SubmitAsync(string precision, string? key = null, string more = "") =>
        await _coordinator.Jobs.SubmitAsync(new Proto.SubmitRequest { JobFile = File(precision, more), IdempotencyKey = key ?? Guid.NewGuid().ToString() });

    private static ByteString File(string precision, string more = "") =>
        ByteString.CopyFromUtf8($"name: a\ncorpus: {{ files: [a.txt] }}\ntraining: {{ precision: {precision}{more} }}\n");

    private static int? MicroBatch(string json) => JobFileParser.Parse(json, "job").OrThrow().Training.MicroBatch;

    private static PrecisionKind Precision(string json) => JobFileParser.Parse(json, "job").OrThrow().Training.Precision;
}
