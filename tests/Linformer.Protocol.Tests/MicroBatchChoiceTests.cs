using FsCheck;
using FsCheck.Fluent;

namespace Linformer.Protocol.Tests;

/// <summary>What <c>microBatch: auto</c> comes to.</summary>
public class MicroBatchChoiceTests
{
    private const long Much = 1L << 50;
    private const int Vocabulary = 8192;

    [Theory]
    // 16 sequences of 512 tokens are 8,192.
    [InlineData(64, 1, 512, "cpu", 16)]
    [InlineData(64, 2, 512, "cpu", 16)]
    // 16 would be 4 for three ranks, so that one has 32 sequences instead of 22; with 8 it has 24.
    [InlineData(64, 3, 512, "cpu", 8)]
    [InlineData(64, 64, 512, "cpu", 1)]
    [InlineData(24, 2, 512, "cpu", 12)]
    [InlineData(7, 2, 512, "cpu", 1)]
    [InlineData(7, 1, 512, "cpu", 7)]
    [InlineData(64, 1, 4096, "cpu", 2)]
    [InlineData(64, 1, 100_000, "cpu", 1)]
    [InlineData(64, 1, 512, "cuda", 64)]
    [InlineData(128, 1, 512, "cuda", 64)]
    public void With_memory_enough_it_is_as_large_as_is_of_use(int globalBatch, int ranks, int n, string device, int expected) =>
        Choose(Job(globalBatch, n), ranks, [new SlotFacts(device, Bfloat16: true, Much)]).ShouldBe(expected);

    [Fact]
    public void The_smallest_slot_that_the_job_may_get_decides()
    {
        var job = Job(64, 512);
        var tight = (long)(Bytes(job, 4) / 0.75) + 1;

        Choose(job, 1, [Cpu(Much)]).ShouldBe(16);
        Choose(job, 1, [Cpu(Much), Cpu(tight)]).ShouldBe(4);
        Choose(job, 1, [Cpu(tight - 2)]).ShouldBe(2);
        Choose(job, 1, [Cpu(1)]).ShouldBe(1);
        Choose(job with { Device = DeviceKind.Cuda }, 1, [Cpu(1), new SlotFacts("cuda", false, Much)]).ShouldBe(64);
        // What is not known does not count beside what is.
        Choose(job, 1, [Cpu(0), Cpu(tight)]).ShouldBe(4);
        Choose(job, 1, []).ShouldBe(Choose(job, 1, [Cpu(4L << 30)]));
        Choose(job, 1, [Cpu(0)]).ShouldBe(Choose(job, 1, [Cpu(4L << 30)]));
    }

    [Fact]
    public void Half_as_much_to_keep_leaves_room_for_more()
    {
        var job = Job(64, 512);
        var bf16 = job with { Training = job.Training with { Precision = PrecisionKind.Bf16 } };
        var memory = (long)(Bytes(bf16, 16) / 0.75) + 1;

        Choose(bf16, 1, [Cpu(memory)]).ShouldBe(16);
        Choose(job, 1, [Cpu(memory)]).ShouldBe(8);
    }

    [Fact]
    public void What_a_job_says_stays() =>
        Choose(Job(64, 512) with { Training = Job(64, 512).Training with { MicroBatch = 32 } }, 1, [Cpu(1)]).ShouldBe(32);

    // By trying all sizes, with the ranks' shares counted one by one.
    [Fact]
    public void It_is_the_largest_that_keeps_all_rules()
    {
        Prop.ForAll(Cases().ToArbitrary(), one =>
        {
            var job = Job(one.GlobalBatch, one.N);
            var chosen = Choose(job, one.Ranks, [Cpu(one.Memory)]);

            var allowed = Enumerable.Range(1, one.GlobalBatch).Where(size =>
                one.GlobalBatch % size == 0 && size * one.N <= 8192 && Bytes(job, size) <= 0.75 * one.Memory && Shares(one.GlobalBatch / size, one.Ranks) is var shares
                && shares.Min() >= 1 && shares.Max() * size <= 1.125 * Shares(one.GlobalBatch, one.Ranks).Max());
            chosen.ShouldBe(allowed.DefaultIfEmpty(1).Max(), $"{one}");
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));
    }

    [Fact]
    public void More_memory_is_never_a_smaller_micro_batch()
    {
        Prop.ForAll(Cases().ToArbitrary(), one =>
            Choose(Job(one.GlobalBatch, one.N), one.Ranks, [Cpu(one.Memory)]) <= Choose(Job(one.GlobalBatch, one.N), one.Ranks, [Cpu(2 * one.Memory)]))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Fact]
    public void The_resolved_job_keeps_the_rules_of_job_files()
    {
        Prop.ForAll(Cases().ToArbitrary(), one =>
        {
            var job = Job(one.GlobalBatch, one.N) with { Ranks = new RanksSection { Min = 1, Max = one.Ranks } };
            var json = JobResolution.Resolve(job, [Cpu(one.Memory)], Vocabulary).ToJson();
            JobFileParser.Parse(json, "job.json").OrThrow().ToJson().ShouldBe(json);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));
    }

    [Fact]
    public void A_rank_fits_where_its_memory_is_there_or_not_known()
    {
        var job = JobResolution.Resolve(Job(64, 512), [Cpu(1)], Vocabulary);
        var needed = Bytes(job, job.Training.MicroBatch!.Value);

        MicroBatchChoice.Fits(job, [Cpu(needed)], Vocabulary).ShouldBeTrue();
        MicroBatchChoice.Fits(job, [Cpu(needed), Cpu(needed - 1)], Vocabulary).ShouldBeFalse();
        MicroBatchChoice.Fits(job, [Cpu(0)], Vocabulary).ShouldBeTrue();
        MicroBatchChoice.Fits(job, [], Vocabulary).ShouldBeTrue();
    }

    private static int[] Shares(int microBatches, int ranks)
    {
        var shares = new int[ranks];
        for (var microBatch = 0; microBatch < microBatches; microBatch++)
            shares[microBatch % ranks]++;
        return shares;
    }

    private static SlotFacts Cpu(long memory) => new("cpu", Bfloat16: false, memory);

    private static int Choose(JobFile job, int ranks, SlotFacts[] slots) => MicroBatchChoice.Of(job, slots, Vocabulary, ranks);

    private static long Bytes(JobFile job, int microBatch) =>
        JobNeeds.Of(job with { Training = job.Training with { MicroBatch = microBatch } }, Vocabulary).MemoryBytes;

    private static JobFile Job(int globalBatch, int n) => JobFileParser.Parse(
        $"name: a\ncorpus: {{ files: [a] }}\nmodel: {{ sequenceLength: {n}, projectedLength: 8 }}\ntraining: {{ precision: fp32, globalBatch: {globalBatch}, microBatch: auto }}\n", "job.yaml").OrThrow();

    private static Gen<(int GlobalBatch, int Ranks, int N, long Memory)> Cases() =>
        from globalBatch in Gen.Elements(1, 2, 6, 7, 12, 24, 36, 60, 64, 96, 120, 128, 256)
        from ranks in Gen.Choose(1, globalBatch)
        from few in Gen.Choose(1, Math.Min(8, globalBatch))
        from n in Gen.Elements(32, 100, 128, 512, 1024, 3000, 9000)
        from megabytes in Gen.Choose(300, 6000)
        select (globalBatch, Math.Min(few, ranks), n, (long)megabytes << 20);
}
