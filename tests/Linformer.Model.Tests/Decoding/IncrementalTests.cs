using TorchSharp;

namespace Linformer.Model.Tests.Decoding;

/// <summary>Token by token gives what whole sequences give.</summary>
public sealed class IncrementalTests
{
    public static TheoryData<int> Kinds() => [.. Enumerable.Range(0, DecoderVariants.Exact().Count())];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Token_by_token_gives_the_logits_of_the_whole_sequence(int kind)
    {
        var config = DecoderVariants.Exact().ElementAt(kind);
        using var model = DecoderVariants.Causal(config);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var ids = DecoderVariants.Ids(config, 3, config.SequenceLength);
        var expected = model.call(ids, null); // [3, n, vocabulary]
        foreach (var prompt in new[] { 1, 3, 8, 9, 29, config.SequenceLength })
        {
            using var state = model.Begin();
            ShouldBeClose(model.NextLogits(ids.narrow(1, 0, prompt), state), expected.select(1, prompt - 1));
            for (var t = prompt; t < config.SequenceLength; t++)
            {
                using var inner = torch.NewDisposeScope();
                ShouldBeClose(model.NextLogits(ids.narrow(1, t, 1), state), expected.select(1, t));
            }

            state.Position.ShouldBe(config.SequenceLength);
        }
    }

    [Fact]
    public void Several_tokens_at_once_and_a_map_that_is_computed_anew_give_the_logits_of_the_whole()
    {
        foreach (var config in new[] { DecoderVariants.Config(), DecoderVariants.Config(causal: CausalKind.MaskMap) })
        {
            using var model = DecoderVariants.Causal(config);
            using var scope = torch.NewDisposeScope();
            using var noGrad = torch.no_grad();
            var ids = DecoderVariants.Ids(config, 2, 30);
            using var state = model.Begin();
            foreach (var (from, count) in new[] { (0, 5), (5, 11), (16, 1), (17, 13) })
            {
                var whole = model.call(ids.narrow(1, 0, from + count), null);
                ShouldBeClose(model.NextLogits(ids.narrow(1, from, count), state), whole.select(1, from + count - 1));
            }
        }
    }

    [Fact]
    public void Sequences_can_be_exchanged_dropped_and_doubled()
    {
        foreach (var config in new[] { DecoderVariants.Config(), DecoderVariants.Config(attention: AttentionKind.Full), DecoderVariants.Config(causal: CausalKind.MaskMap) })
        {
            using var model = DecoderVariants.Causal(config);
            using var scope = torch.NewDisposeScope();
            using var noGrad = torch.no_grad();
            var ids = DecoderVariants.Ids(config, 3, 30);
            var rows = torch.tensor(new long[] { 2, 0, 2, 1 });
            using var state = model.Begin();
            model.NextLogits(ids.narrow(1, 0, 25), state);
            state.Reorder(rows);
            var moved = ids.index_select(0, rows);
            for (var t = 25; t < 30; t++)
            {
                ShouldBeClose(model.NextLogits(moved.narrow(1, t, 1), state), model.call(moved.narrow(1, 0, t + 1), null).select(1, t));
            }
        }
    }

    [Fact]
    public void A_translation_goes_on_from_its_source_alone()
    {
        foreach (var attention in Enum.GetValues<AttentionKind>())
        {
            var config = DecoderVariants.Config(attention: attention);
            using var model = DecoderVariants.SequenceToSequence(config);
            using var scope = torch.NewDisposeScope();
            using var noGrad = torch.no_grad();
            var source = DecoderVariants.Ids(config, 2, 12, seed: 4);
            var mask = torch.ones([2, 12], dtype: torch.ScalarType.Int64);
            mask[1].narrow(0, 7, 5).zero_();
            var target = DecoderVariants.Ids(config, 2, 26);
            var expected = model.call(source, mask, target, null);
            using var read = model.Read(source, mask);
            using var state = read.Begin();
            for (var t = 0; t < 26; t++)
            {
                ShouldBeClose(read.NextLogits(target.narrow(1, t, 1), state), expected.select(1, t));
            }

            // What stands under the source's padding changes nothing, and the source without it gives the same.
            var alone = model.call(source.narrow(0, 1, 1).narrow(1, 0, 7), null, target.narrow(0, 1, 1), null);
            ShouldBeClose(alone[0], expected[1]);
        }
    }

    [Fact]
    public void A_target_token_changes_no_bit_before_it_and_a_source_token_changes_all()
    {
        var config = DecoderVariants.Config();
        using var model = DecoderVariants.SequenceToSequence(config);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var (source, target) = (DecoderVariants.Ids(config, 1, 12, seed: 4), DecoderVariants.Ids(config, 1, 26));
        var expected = model.call(source, null, target, null);
        for (var t = 1; t < 26; t++)
        {
            var changed = target.clone();
            changed.select(1, t).add_(1).remainder_(config.VocabularySize);
            model.call(source, null, changed, null).narrow(1, 0, t).Equals(expected.narrow(1, 0, t)).ShouldBeTrue();
        }

        var other = source.clone();
        other.select(1, 11).add_(1).remainder_(config.VocabularySize);
        (model.call(other, null, target, null) - expected).abs().amax([2], keepdim: false)[0].data<double>().ToArray().ShouldAllBe(difference => difference > 1e-9);
    }

    [Fact]
    public void Sequences_that_are_too_long_and_shapes_that_do_not_fit_are_named()
    {
        var config = DecoderVariants.Config();
        using var model = DecoderVariants.Causal(config);
        using var scope = torch.NewDisposeScope();
        using var state = model.Begin();
        Should.Throw<ArgumentException>(() => model.call(DecoderVariants.Ids(config, 1, 41), null)).Message.ShouldContain("41 tokens; the model takes at most 40");
        model.NextLogits(DecoderVariants.Ids(config, 1, 40), state);
        Should.Throw<ArgumentException>(() => model.NextLogits(DecoderVariants.Ids(config, 1, 1), state)).Message.ShouldContain("41 tokens");
        Should.Throw<ArgumentException>(() => model.call(torch.zeros([2, 3]), null)).Message.ShouldContain("Float32");
        Should.Throw<ArgumentException>(() => model.call(torch.zeros([3], dtype: torch.ScalarType.Int64), null)).Message.ShouldContain("[3]");
        Should.Throw<ArgumentException>(() => model.call(DecoderVariants.Ids(config, 2, 8), torch.ones([2, 7], dtype: torch.ScalarType.Int64))).Message.ShouldContain("[2, 7]");
    }

    private static void ShouldBeClose(torch.Tensor actual, torch.Tensor expected)
    {
        actual.shape.ShouldBe(expected.shape);
        (actual - expected).abs().max().item<double>().ShouldBeLessThan(1e-10);
    }
}
