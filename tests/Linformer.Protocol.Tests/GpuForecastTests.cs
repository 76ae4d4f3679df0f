namespace Linformer.Protocol.Tests;

public sealed class GpuForecastTests
{
    private const string Yaml = """
        name: forecast
        corpus: { files: [a.txt] }
        training: { steps: 1000, globalBatch: 64, microBatch: 8, warmupSteps: 0, precision: bf16 }
        ranks: { min: 4, max: 4 }
        """;

    private static readonly JobNeeds Needs = new()
    {
        Parameters = 250_000_000,
        ParameterBytes = 1_500_000_000,
        GradientBytes = 1_000_000_000,
        OptimizerBytes = 3_000_000_000,
        ActivationBytes = 2_000_000_000,
        ProcessBytes = 4_000_000_000,
        MemoryBytes = 11_500_000_000,
        TokensPerStep = 1,
        TotalTokens = 1000,
        OperationsPerMicroBatch = 1.248e13,
        OperationsPerStep = 8 * 1.248e13,
        FullAttentionRatio = 1,
    };

    [Fact]
    public void Arithmetic_and_what_the_network_takes_beyond_the_backward_pass_add_up()
    {
        // Two micro-batches a rank: 24.96 TFLOP at 40 % of 312 TFLOP/s are 0.2 s. 1 GB twice past 3 of 4 ranks at 100 Gbit/s is 0.12 s.
        var quick = GpuForecast.Of(Job(Yaml), Needs, Gpu("a100-80gb"), 100e9);
        new[] { quick.ComputeSeconds, quick.NetworkSeconds, quick.StepSeconds }.ShouldBe([0.2, 0.12, 0.2], 1e-9);
        quick.Seconds.ShouldBe(200, 1e-6);
        quick.Notices.ShouldBeEmpty();

        // A tenth of that: 1.2 s, of which the backward pass hides 0.4/3.
        var slow = GpuForecast.Of(Job(Yaml), Needs, Gpu("a100-80gb"), 10e9);
        slow.StepSeconds.ShouldBe(0.2 + 1.2 - (0.4 / 3), 1e-9);
        slow.Basis.ShouldContain("Calculated, not measured");
    }

    [Fact]
    public void Half_the_bytes_and_rarer_exchanges_take_less_of_the_network()
    {
        GpuForecast.Of(Job(Yaml.Replace("precision: bf16", "precision: bf16, wire: bf16", StringComparison.Ordinal)), Needs, Gpu("a100-80gb"), 100e9)
            .NetworkSeconds.ShouldBe(0.06, 1e-9);
        GpuForecast.Of(Job(Yaml.Replace("precision: bf16", "precision: bf16, localSteps: 10", StringComparison.Ordinal)), Needs, Gpu("a100-80gb"), 100e9)
            .NetworkSeconds.ShouldBe(0.012, 1e-9);
        GpuForecast.Of(Job(Yaml.Replace("{ min: 4, max: 4 }", "{ min: 1, max: 1 }", StringComparison.Ordinal)), Needs, Gpu("a100-80gb"), 1e6)
            .NetworkSeconds.ShouldBe(0);
    }

    [Fact]
    public void What_a_gpu_lacks_is_told()
    {
        var old = GpuForecast.Of(Job(Yaml), Needs with { ActivationBytes = 20_000_000_000, MemoryBytes = 29_500_000_000 }, Gpu("v100-16gb"), 100e9);

        old.ComputeSeconds.ShouldBe(2.496e13 / (0.4 * 15.7e12), 1e-9);
        old.Notices.Count.ShouldBe(2);
        old.Notices[0].ShouldContain("no tensor cores for bf16");
        old.Notices[1].ShouldContain("Lower training.microBatch");
    }

    [Fact]
    public void Every_known_gpu_has_a_name_of_its_own() => GpuModel.Known.Select(gpu => gpu.Name).ShouldBeUnique();

    private static GpuModel Gpu(string name) => GpuModel.Known.Single(gpu => gpu.Name == name);

    private static JobFile Job(string yaml) => JobFileParser.Parse(System.Text.Encoding.UTF8.GetBytes(yaml), "job.yaml").OrThrow();
}
