using Linformer.Model.Causal;
using Linformer.Model.Layers;
using Linformer.Model.Tests.Decoding;
using TorchSharp;

namespace Linformer.Model.Tests.Causal;

/// <summary>Causal attention against plain loops in float64 that follow its definition token by token.</summary>
public sealed class CausalAttentionTests
{
    private const int Width = 12;
    private const int Heads = 2;

    public static TheoryData<ProjectionSharing, int, int, int> Shapes()
    {
        var data = new TheoryData<ProjectionSharing, int, int, int>();
        foreach (var sharing in Enum.GetValues<ProjectionSharing>())
        {
            foreach (var (segment, k) in new[] { (4, 3), (10, 12), (1, 5), (7, 40) })
            {
                foreach (var length in new[] { 1, 9, 38, 40 })
                {
                    data.Add(sharing, segment, k, length);
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Segments_give_what_loops_give(ProjectionSharing sharing, int segment, int k, int length)
    {
        var config = DecoderVariants.Config(sharing) with { SegmentLength = segment, ProjectedLength = k };
        Compare(config, length, isPadding: _ => false);
        Compare(config, length, isPadding: token => token % 5 == 3 || token is > 11 and < 17);
    }

    [Theory]
    [InlineData(ProjectionSharing.None)]
    [InlineData(ProjectionSharing.Headwise)]
    public void A_mask_over_the_map_gives_what_loops_give(ProjectionSharing sharing) =>
        Compare(DecoderVariants.Config(sharing, causal: CausalKind.MaskMap) with { ProjectedLength = 6 }, 17, isPadding: _ => false);

    [Fact]
    public void Full_attention_gives_what_loops_give() =>
        Compare(DecoderVariants.Config(attention: AttentionKind.Full), 17, isPadding: token => token is 2 or 3);

    [Theory]
    [InlineData(512, 128, null, 64, 16, 8)]
    [InlineData(128, 32, null, 16, 4, 8)]
    [InlineData(32_768, 128, null, 256, 1, 128)]
    [InlineData(32_768, 128, 128, 128, 1, 128)]
    [InlineData(8, 4, null, 8, 4, 1)]
    public void A_model_s_summaries_are_as_many_as_k(int n, int k, int? segment, int length, int perSegment, int visible) =>
        SegmentPlan.Of(DecoderVariants.Config() with { SequenceLength = n, ProjectedLength = k, SegmentLength = segment })
            .ShouldBe(new SegmentPlan(length, perSegment, visible));

    [Fact]
    public void A_segment_longer_than_a_sequence_and_linear_attention_without_causality_are_named()
    {
        Should.Throw<ArgumentException>(() => DecoderVariants.Causal(DecoderVariants.Config() with { SegmentLength = 41 }))
            .Message.ShouldBe("SegmentLength is 41; it must be from 1 to SequenceLength (n), which is 40.");
        Should.Throw<ArgumentException>(() => DecoderVariants.Causal(DecoderVariants.Config(causal: CausalKind.None)))
            .Message.ShouldContain("Causal is None");
    }

    private static void Compare(LinformerConfig config, int length, Func<int, bool> isPadding)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var placement = new Placement(torch.ScalarType.Float64);
        var parameters = new List<(string Name, TorchSharp.Modules.Parameter Parameter)>();
        var projection = CausalReference.Projection(config, placement, parameters);
        using var attention = DecoderVariants.Filled(new CausalAttention(config, projection, placement));
        foreach (var (name, parameter) in parameters)
        {
            var drawn = Enumerable.Range(0, (int)parameter.numel()).Select(i => CounterRandom.For(9, name).NormalAt((ulong)i)).ToArray();
            parameter.copy_(torch.tensor(drawn, parameter.shape));
        }

        var values = Enumerable.Range(0, 2 * length * Width).Select(i => CounterRandom.For(2, "x").NormalAt((ulong)i)).ToArray();
        var x = torch.tensor(values, [2, length, Width]);
        var keep = torch.tensor([.. Enumerable.Range(0, 2 * length).Select(i => isPadding(i % length) ? 0L : 1L)], [2, length]);
        var any = Enumerable.Range(0, length).Any(isPadding);
        var actual = attention.call(x, CausalMask.For(config, length, any ? keep : null, x.device));

        for (var row = 0; row < 2; row++)
        {
            var expected = new CausalReference(attention, projection, config, Heads).Attend(values.AsSpan(row * length * Width, length * Width).ToArray(), length, isPadding);
            var got = actual[row].reshape(-1).data<double>().ToArray();
            for (var i = 0; i < expected.Length; i++)
            {
                if (!isPadding(i / Width))
                {
                    got[i].ShouldBe(expected[i], 1e-10 * Math.Max(1, Math.Abs(expected[i])));
                }
            }
        }
    }
}
