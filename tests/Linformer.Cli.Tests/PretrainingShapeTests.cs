using Linformer.Bench.Pretraining;
using Linformer.Protocol;

namespace Linformer.Cli.Tests;

/// <summary>What the benchmark of pretraining counts and asks for.</summary>
public sealed class PretrainingShapeTests
{
    // Counted product by product: multiplications and additions of each of a sequence's matrices.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OperationsOfATokenAreThoseOfItsMatrixProducts(bool full)
    {
        var shape = PretrainingShape.Of("small", 512) with { FullAttention = full };
        const double N = 512, H = 256, K = 128, F = 1024, V = 8192, Predicted = 0.15 * N;
        static double Product(double m, double k, double n) => 2 * m * k * n;
        var attention = full
            ? Product(N, H, N) + Product(N, N, H)
            : (2 * Product(K, N, H)) + Product(N, H, K) + Product(N, K, H);
        var layer = (4 * Product(N, H, H)) + attention + Product(N, H, F) + Product(N, F, H);
        var forward = (4 * layer) + Product(Predicted, H, H) + Product(Predicted, H, V);

        (shape.FlopsPerToken * N).ShouldBe(3 * forward, tolerance: 1);
    }

    [Theory]
    [InlineData("small", 64)]
    [InlineData("small", 512)]
    [InlineData("base", 4096)]
    [InlineData("small", 8192)]
    public void ItsJobFilesAreValid(string size, int length)
    {
        var shape = PretrainingShape.Of(size, length);
        var text = PretrainingStorage.JobFile("job", shape, new PretrainingJob(7, Ranks: 2, "fp32") { Wire = "bf16", CheckpointEvery = 5 });

        var job = JobFileParser.Parse(text, "job").OrThrow();

        job.Model.SequenceLength.ShouldBe(length);
        job.Model.Hidden.ShouldBe(shape.Hidden);
        job.Training.Wire.ShouldBe(WireKind.Bf16);
        job.Training.MicroBatches.ShouldBe(2);
        job.Training.CheckpointEvery.ShouldBe(5);
    }

    [Fact]
    public void RatiosAreOfNeighbouringRunsThatBothSucceeded()
    {
        Spread.OfRatios([10, null, 30, 40], [5, 1, 10, 10]).ShouldBe(new Spread(3, 2, 4));
        Spread.OfRatios([null], [5]).ShouldBeNull();
        Spread.Of([4, 1, 2, 3]).ShouldBe(new Spread(2.5, 1, 4));
    }
}
