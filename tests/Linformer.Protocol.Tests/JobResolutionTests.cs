namespace Linformer.Protocol.Tests;

/// <summary>What the machines settle of a job.</summary>
public class JobResolutionTests
{
    private static readonly SlotFacts Quick = new("cpu", Bfloat16: true);
    private static readonly SlotFacts Plain = new("cpu", Bfloat16: false);
    private static readonly SlotFacts QuickGpu = new("cuda", Bfloat16: true);
    private static readonly SlotFacts OldGpu = new("cuda", Bfloat16: false);

    [Fact]
    public void Auto_is_bf16_where_all_slots_that_the_job_may_get_have_it()
    {
        Auto("auto", Quick, QuickGpu).ShouldBe(PrecisionKind.Bf16);
        Auto("auto", Quick, OldGpu).ShouldBe(PrecisionKind.Fp32);
        Auto("auto", Quick, Plain).ShouldBe(PrecisionKind.Fp32);
        Auto("cpu", Quick, OldGpu).ShouldBe(PrecisionKind.Bf16);
        Auto("cpu", Plain, QuickGpu).ShouldBe(PrecisionKind.Fp32);
        Auto("cuda", Plain, QuickGpu).ShouldBe(PrecisionKind.Bf16);
        Auto("cuda", Quick, QuickGpu, OldGpu).ShouldBe(PrecisionKind.Fp32);
    }

    [Fact]
    public void Auto_is_fp32_where_no_slot_is_known()
    {
        Auto("auto").ShouldBe(PrecisionKind.Fp32);
        Auto("cuda", Quick).ShouldBe(PrecisionKind.Fp32);
    }

    [Theory]
    [InlineData("fp32", PrecisionKind.Fp32)]
    [InlineData("bf16", PrecisionKind.Bf16)]
    public void What_a_job_says_stays(string precision, PrecisionKind expected)
    {
        foreach (var slots in (SlotFacts[][])[[], [Quick], [Plain]])
            JobResolution.Resolve(Job(precision), slots, 8192).Training.Precision.ShouldBe(expected);
    }

    [Fact]
    public void Nothing_but_what_is_open_changes()
    {
        var job = Job("auto");
        var resolved = JobResolution.Resolve(job, [Plain], 8192);

        (resolved with { Training = resolved.Training with { Precision = PrecisionKind.Auto } }).ToJson().ShouldBe(job.ToJson());
        JobResolution.Resolve(resolved, [Quick], 8192).ToJson().ShouldBe(resolved.ToJson());
    }

    [Theory]
    [InlineData("auto", "bf16", PrecisionKind.Bf16)]
    [InlineData("auto", "fp32", PrecisionKind.Fp32)]
    [InlineData("auto", "auto", PrecisionKind.Fp32)]
    [InlineData("fp32", "bf16", PrecisionKind.Fp32)]
    [InlineData("bf16", "auto", PrecisionKind.Bf16)]
    public void A_job_that_goes_on_keeps_what_was_settled(string now, string before, PrecisionKind expected) =>
        JobResolution.KeepOf(Job(now), Job(before)).Training.Precision.ShouldBe(expected);

    [Fact]
    public void Half_of_what_is_kept_and_a_copy_of_the_parameters_are_the_memory_of_bf16()
    {
        var fp32 = JobNeeds.Of(Job("fp32"), 8192);
        var bf16 = JobNeeds.Of(Job("bf16"), 8192);

        bf16.ParameterBytes.ShouldBe(6 * fp32.Parameters);
        bf16.GradientBytes.ShouldBe(4 * fp32.Parameters);
        bf16.OptimizerBytes.ShouldBe(fp32.OptimizerBytes);
        bf16.ProcessBytes.ShouldBe(fp32.ProcessBytes);
        // What is kept of a layer is most of it, and never all.
        ((double)bf16.ActivationBytes / fp32.ActivationBytes).ShouldBeInRange(0.5, 0.75);
        bf16.MemoryBytes.ShouldBe(bf16.ParameterBytes + bf16.GradientBytes + bf16.OptimizerBytes + bf16.ActivationBytes + bf16.ProcessBytes);
        (bf16.OperationsPerStep, bf16.FullAttentionRatio).ShouldBe((fp32.OperationsPerStep, fp32.FullAttentionRatio));
    }

    [Theory]
    [InlineData(1, 1.0)]
    [InlineData(2, 1.0)]
    [InlineData(3, 2.0 / 3)]
    [InlineData(8, 0.25)]
    public void Moments_that_are_shared_out_take_less_from_three_ranks_on(int fewest, double share)
    {
        var job = Job("fp32");
        job = job with { Ranks = job.Ranks with { Min = fewest, Max = 8 } };
        var plain = JobNeeds.Of(job, 8192);
        var sharded = JobNeeds.Of(job with { Training = job.Training with { ShardOptimizer = true } }, 8192);

        // Two moments of four bytes.
        ((double)(plain.OptimizerBytes - sharded.OptimizerBytes) / (8 * plain.Parameters)).ShouldBe(1 - share, 1e-6);
        (plain.MemoryBytes - sharded.MemoryBytes).ShouldBe(plain.OptimizerBytes - sharded.OptimizerBytes);
    }

    [Fact]
    public void Local_steps_take_four_buffers_more_and_one_in_a_checkpoint()
    {
        var plain = JobNeeds.Of(Job("fp32"), 8192);
        var job = Job("fp32");
        var rounds = JobNeeds.Of(job with { Training = job.Training with { LocalSteps = 2 } }, 8192);

        (rounds.OptimizerBytes - plain.OptimizerBytes).ShouldBe(4 * 4 * plain.Parameters);
        (rounds.ProcessBytes - plain.ProcessBytes).ShouldBe(4 * plain.Parameters);
        (rounds.MemoryBytes - plain.MemoryBytes).ShouldBe(5 * 4 * plain.Parameters);
    }

    private static PrecisionKind Auto(string device, params SlotFacts[] slots) =>
        JobResolution.Resolve(Job("auto", device), slots, 8192).Training.Precision;

    private static JobFile Job(string precision, string device = "auto") => JobFileParser.Parse(
        $"name: a\ncorpus: {{ files: [a.txt] }}\ndevice: {device}\ntraining: {{ precision: {precision} }}\n", "job.yaml", cuda: true).OrThrow();
}
