using Linformer.Model.Causal;
using Linformer.Model.Decoding;
using Linformer.Model.Layers;
using TorchSharp;

namespace Linformer.Model.Tests.Decoding;

/// <summary>No output depends on a later token: not by a bit, and not by a gradient.</summary>
public sealed class CausalityTests
{
    public static TheoryData<int> Kinds() => [.. Enumerable.Range(0, DecoderVariants.Exact().Count())];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Another_token_changes_no_bit_of_what_comes_before_it_and_something_from_it_on(int kind)
    {
        var config = DecoderVariants.Exact().ElementAt(kind);
        using var model = DecoderVariants.Causal(config);
        foreach (var length in new[] { 7, 8, 33, config.SequenceLength })
        {
            ShouldNotSeeLaterTokens(model, length, mask: null);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void That_holds_with_padding_anywhere_and_for_the_outputs_at_padding(int kind)
    {
        var config = DecoderVariants.Exact().ElementAt(kind);
        using var model = DecoderVariants.Causal(config);
        using var mask = torch.ones([1, 33], dtype: torch.ScalarType.Int64);
        foreach (var (from, count) in new[] { (0, 9), (12, 1), (14, 6), (28, 5) })
        {
            mask.narrow(1, from, count).zero_();
        }

        ShouldNotSeeLaterTokens(model, 33, mask);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_gradient_of_an_output_is_exactly_zero_at_later_inputs(int kind)
    {
        var config = DecoderVariants.Exact().ElementAt(kind) with { Dropout = 0 };
        using var decoder = DecoderVariants.Filled(new Decoder(config, config.Layers, hasSource: false, new Placement(torch.ScalarType.Float64)));
        const int Length = 33;
        for (var output = 0; output < Length; output++)
        {
            using var scope = torch.NewDisposeScope();
            var values = Enumerable.Range(0, Length * config.Hidden).Select(i => CounterRandom.For(3, "inputs").NormalAt((ulong)i)).ToArray();
            var inputs = torch.tensor(values, [1, Length, config.Hidden], requires_grad: true);
            decoder.call(inputs, null, null, null)[0].select(0, output).pow(2).sum().backward();
            var reached = inputs.grad!.abs().sum(2L)[0].data<double>().ToArray();
            for (var input = 0; input < Length; input++)
            {
                if (input > output)
                {
                    reached[input].ShouldBe(0, $"output {output}, input {input}");
                }
            }

            reached[output].ShouldBeGreaterThan(0);
        }
    }

    [Fact]
    public void A_token_reaches_the_window_and_the_visible_segments_and_nothing_older()
    {
        var config = DecoderVariants.Config() with { Layers = 1 };
        var plan = SegmentPlan.Of(config);
        plan.ShouldBe(new SegmentPlan(Length: 4, SummariesPerSegment: 1, VisibleSegments: 3));
        using var decoder = DecoderVariants.Filled(new Decoder(config, 1, hasSource: false, new Placement(torch.ScalarType.Float64)));
        using var scope = torch.NewDisposeScope();
        var values = Enumerable.Range(0, 32 * config.Hidden).Select(i => CounterRandom.For(3, "inputs").NormalAt((ulong)i)).ToArray();
        var inputs = torch.tensor(values, [1, 32, config.Hidden], requires_grad: true);
        decoder.call(inputs, null, null, null)[0].select(0, 29).pow(2).sum().backward();
        var reached = inputs.grad!.abs().sum(2L)[0].data<double>().ToArray();

        // Token 29 is in segment 7: it sees 6 and 7 exactly, 3 to 5 as summaries.
        Enumerable.Range(0, 32).Where(input => reached[input] > 0).ShouldBe(Enumerable.Range(12, 18));
    }

    [Fact]
    public void A_mask_over_the_map_leaks_the_future()
    {
        var config = DecoderVariants.Config(causal: CausalKind.MaskMap);
        using var model = DecoderVariants.Causal(config);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var ids = DecoderVariants.Ids(config, 1, 20);
        var before = model.call(ids, null);
        var changed = ids.clone();
        changed.select(1, 19).add_(1).remainder_(config.VocabularySize);
        var difference = (model.call(changed, null) - before).abs().amax([2], keepdim: false)[0].data<double>().ToArray();
        difference.ShouldAllBe(d => d > 1e-6, "every output sees the last token");
    }

    private static void ShouldNotSeeLaterTokens(CausalLanguageModel model, int length, torch.Tensor? mask)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var vocabulary = model.Config.VocabularySize;
        var ids = DecoderVariants.Ids(model.Config, 1, length);
        var before = model.call(ids, mask);
        for (var t = 0; t < length; t++)
        {
            using var inner = torch.NewDisposeScope();
            var changed = ids.clone();
            changed.select(1, t).add_(1).remainder_(vocabulary);
            var after = model.call(changed, mask);
            if (t > 0)
            {
                after.narrow(1, 0, t).Equals(before.narrow(1, 0, t)).ShouldBeTrue($"token {t} of {length}");
            }

            after.select(1, t).Equals(before.select(1, t)).ShouldBeFalse($"token {t} of {length}");
        }
    }
}
