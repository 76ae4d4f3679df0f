using System.Globalization;
using Linformer.Model.Causal;
using Linformer.Model.Layers;
using Linformer.Model.Tests.Decoding;
using TorchSharp;

namespace Linformer.Model.Tests.Causal;

/// <summary>Alone, since the memory is that of the process.</summary>
[CollectionDefinition(nameof(CausalMemoryTests), DisableParallelization = true)]
[Collection(nameof(CausalMemoryTests))]
public sealed class CausalMemoryTests
{
    [Fact]
    [Trait("Speed", "Slow")]
    public void Forward_and_backward_take_some_copies_of_the_scores_over_two_segments_and_k_summaries_at_any_length()
    {
        // Full attention would take 32,768 columns of scores, 170 times as many.
        const int Columns = (2 * 64) + 64;
        const int Heads = 2;
        const int Copies = 16;
        foreach (var n in new[] { 2048, 8192, 32_768 })
        {
            PeakPerToken(n).ShouldBeLessThan(Copies * Columns * Heads * sizeof(float), $"{n} tokens");
        }
    }

    [Fact]
    public void A_token_is_compared_with_two_segments_and_k_summaries_however_long_the_sequence()
    {
        foreach (var n in new[] { 2048, 8192, 32_768 })
        {
            var plan = SegmentPlan.Of(DecoderVariants.Config() with { SequenceLength = n, ProjectedLength = 128, SegmentLength = 256 });
            ((plan.VisibleSegments * plan.SummariesPerSegment) + (2 * plan.Length)).ShouldBe(640);
            (plan.VisibleSegments * plan.Length).ShouldBe(n, "nothing is out of reach");
        }
    }

    private static double PeakPerToken(int n)
    {
        var config = DecoderVariants.Config(ProjectionSharing.KeyValue) with { Hidden = 64, SequenceLength = n, ProjectedLength = 64, SegmentLength = 64 };
        var size = SegmentPlan.Of(config);
        var both = new TorchSharp.Modules.Parameter(torch.ones([size.SummariesPerSegment, size.Length]));
        using var attention = DecoderVariants.Filled(new CausalAttention(config, new BlockProjection(both, both), Placement.Default));
        using var scope = torch.NewDisposeScope();
        var x = torch.randn([1, n, config.Hidden], requires_grad: true);
        File.WriteAllText("/proc/self/clear_refs", "5"); // the peak begins anew
        var before = Status("VmRSS:");
        attention.call(x, CausalMask.For(config, n, mask: null, x.device)).sum().backward();
        return (Status("VmHWM:") - before) / n;
    }

    private static double Status(string name)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return 1024 * double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture);
    }
}
