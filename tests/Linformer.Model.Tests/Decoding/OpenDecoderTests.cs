using System.Text.Json.Nodes;
using Linformer.Model.Decoding;
using Linformer.Model.Generation;
using Linformer.Model.Layers;
using TorchSharp;

namespace Linformer.Model.Tests.Decoding;

/// <summary>Decoders that see all of their target. What they compute is compared with another implementation in ModelFormatTests.</summary>
public sealed class OpenDecoderTests : IDisposable
{
    private const int N = 12;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_position_sees_the_whole_target_and_through_the_masked_map_the_whole_source()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        foreach (var sharing in Enum.GetValues<ProjectionSharing>())
        {
            using var model = Model(Config(sharing), Config(sharing));
            var (source, target) = (DecoderVariants.Ids(model.Config, 1, N), DecoderVariants.Ids(model.Config, 1, N, seed: 4));
            var expected = model.call(source, null, target, null);
            Changes(expected, model.call(source, null, Changed(target, N - 1), null)).ShouldAllBe(change => change > 1e-9);
            Changes(expected, model.call(Changed(source, N - 1), null, target, null)).ShouldAllBe(change => change > 1e-9);
        }
    }

    [Fact]
    public void With_full_attention_a_position_of_one_layer_sees_the_source_up_to_itself()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var config = Config() with { Attention = AttentionKind.Full, Layers = 1 };
        using var decoder = Filled(new OpenDecoder(config, Exact));
        var (target, source) = (DecoderVariants.Ids(config, 1, N), Source(1, N));
        var other = source.clone();
        other.select(1, 7).add_(1);
        var changes = Changes(decoder.call(target, null, source, null), decoder.call(target, null, other, null));
        changes[..7].ShouldAllBe(change => change == 0);
        changes[7..].ShouldAllBe(change => change > 1e-9);
    }

    [Fact]
    public void What_stands_under_padding_changes_nothing()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        foreach (var attention in Enum.GetValues<AttentionKind>())
        {
            using var model = Model(Config() with { Attention = attention }, Config() with { Attention = attention });
            var (source, target) = (DecoderVariants.Ids(model.Config, 2, N), DecoderVariants.Ids(model.Config, 2, N, seed: 4));
            var mask = torch.ones([2, N], dtype: torch.ScalarType.Int64);
            mask[1].narrow(0, 7, 5).zero_();
            var expected = model.call(source, mask, target, mask);
            var alone = model.call(source.narrow(0, 1, 1).narrow(1, 0, 7), null, target.narrow(0, 1, 1).narrow(1, 0, 7), null);
            (alone[0] - expected[1].narrow(0, 0, 7)).abs().max().item<double>().ShouldBeLessThan(1e-10);
        }
    }

    [Fact]
    public void Going_on_token_by_token_gives_what_the_tokens_so_far_give()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Model(Config() with { Hidden = 8 }, Config());
        var (source, target) = (DecoderVariants.Ids(model.Config, 2, 9), DecoderVariants.Ids(model.Config, 2, N, seed: 4));
        var mask = torch.ones([2, 9], dtype: torch.ScalarType.Int64);
        mask[0].narrow(0, 6, 3).zero_();
        using var read = model.Read(source, mask);
        using var state = read.Begin();
        var rows = torch.tensor(new long[] { 1, 0 });
        for (var t = 0; t < N; t++)
        {
            if (t == 5)
            {
                state.Reorder(rows);
                (source, mask, target) = (source.index_select(0, rows), mask.index_select(0, rows), target.index_select(0, rows));
            }

            var expected = model.call(source, mask, target.narrow(1, 0, t + 1), null).select(1, t);
            (read.NextLogits(target.narrow(1, t, 1), state) - expected).abs().max().item<double>().ShouldBeLessThan(1e-10);
        }

        Should.Throw<ArgumentException>(() => read.NextLogits(target.narrow(1, 0, 1), state)).Message.ShouldContain("13 tokens; the model takes at most 12");
        var written = SequenceGenerator.Generate(read, [[1], [1]], new GenerationOptions { Kind = DecodingKind.Beam, MaximumTokens = 4, Beams = 2 });
        written.Count.ShouldBe(2);
    }

    [Fact]
    public void A_folder_gives_the_same_model_again()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var (encoder, config) = (Config(ProjectionSharing.Headwise) with { Hidden = 8, Embedding = 12 }, Config() with { VocabularySize = 19, Layers = 1 });
        using var model = Filled(new OpenSequenceToSequenceModel(encoder, config));
        var (source, target) = (DecoderVariants.Ids(encoder, 1, N), DecoderVariants.Ids(config, 1, N));
        ModelFolder.Save(_folder.File("two"), model, new ModelDescription(ModelKind.OpenSequenceToSequence, encoder, Decoder: config));
        using var two = ModelFolder.Load(_folder.File("two"), ModelKind.OpenSequenceToSequence, of => new OpenSequenceToSequenceModel(of.Config, of.Decoder!));
        two.DecoderConfig.ShouldBe(config);
        two.call(source, null, target, null).Equals(model.call(source, null, target, null)).ShouldBeTrue();

        using var decoder = Filled(new OpenDecoder(config));
        var states = Source(1, N).to_type(torch.ScalarType.Float32);
        ModelFolder.Save(_folder.File("one"), decoder, new ModelDescription(ModelKind.OpenDecoder, config));
        using var one = ModelFolder.Load(_folder.File("one"), ModelKind.OpenDecoder, of => new OpenDecoder(of.Config));
        one.call(target, null, states, null).Equals(decoder.call(target, null, states, null)).ShouldBeTrue();
        Should.Throw<ModelFormatException>(() => ModelFolder.Load(_folder.File("one"))).Message.ShouldContain("the model is for open-decoder; one for masked-lm is needed");
    }

    [Fact]
    public void What_a_file_says_wrong_of_the_decoder_is_named()
    {
        Message(json => json.Remove("decoder")).ShouldContain("decoder is missing; an object is expected");
        Message(json => json["decoder"]!["hidden_size"] = "wide").ShouldContain("decoder: hidden_size is \"wide\"");
        Message(json => json["decoder"]!["num_attention_heads"] = 5).ShouldContain("config.json: decoder: Hidden is 12; it must be a multiple of Heads, which is 5");

        static string Message(Action<JsonObject> change)
        {
            var json = (JsonObject)JsonNode.Parse(ConfigFile.Write(new ModelDescription(ModelKind.OpenSequenceToSequence, Config(), Decoder: Config())))!;
            change(json);
            return Should.Throw<ModelFormatException>(() => ConfigFile.Read(json.ToJsonString(), "config.json")).Message;
        }
    }

    [Fact]
    public void Shapes_that_cannot_be_built_or_do_not_fit_are_named()
    {
        using var scope = torch.NewDisposeScope();
        Message(() => new OpenDecoder(Config() with { Causal = CausalKind.Segments }).Dispose()).ShouldContain("no causal attention in segments");
        Message(() => new OpenDecoder(Config() with { InnerHidden = 7 }).Dispose()).ShouldContain("no inner width");
        Message(() => new OpenDecoder(Config() with { Head = HeadKind.Transformed }).Dispose()).ShouldContain("no head other than a linear one");
        Message(() => new OpenDecoder(Config() with { Checkpointing = Checkpointing.Layer }).Dispose()).ShouldContain("no reversible layers or checkpointing");
        Message(() => new OpenSequenceToSequenceModel(Config(), Config() with { SequenceLength = 10 }).Dispose()).ShouldContain("of the decoder is 10; it must be that of the encoder, which is 12");

        using var decoder = Filled(new OpenDecoder(Config(), Exact));
        var ids = DecoderVariants.Ids(Config(), 2, N);
        Message(() => decoder.call(ids, null, Source(1, N), null)).ShouldContain("The source has shape [1, 12, 12]; it must be [2, length, 12]");
        Message(() => decoder.call(ids, null, Source(2, N + 1), null)).ShouldContain("[2, 13, 12]");
        Message(() => decoder.call(ids, null, Source(2, N).to_type(torch.ScalarType.Float32), null)).ShouldContain("Float32; they must be Float64");
        Message(() => decoder.call(ids, null, Source(2, N), torch.ones([2, 3]))).ShouldContain("mask has shape [2, 3]; it must be [2, 12]");
        Message(() => decoder.call(DecoderVariants.Ids(Config(), 2, N + 1), null, Source(2, N), null)).ShouldContain("target_ids has shape [2, 13]");
        Message(() => decoder.call(ids, torch.ones([2, 5]), Source(2, N), null)).ShouldContain("target_mask has shape [2, 5]");

        static string Message(Action action) => Should.Throw<ArgumentException>(action).Message;
    }

    private static Placement Exact { get; } = new(torch.ScalarType.Float64);

    private static LinformerConfig Config(ProjectionSharing sharing = ProjectionSharing.Layerwise) => new()
    {
        VocabularySize = 23,
        Layers = 2,
        Heads = 2,
        Hidden = 12,
        FeedForward = 16,
        SequenceLength = N,
        ProjectedLength = 4,
        Sharing = sharing,
        Normalization = Normalization.Post,
        OuterNorm = false,
        Head = HeadKind.Linear,
        Causal = CausalKind.MaskMap,
    };

    private static OpenSequenceToSequenceModel Model(LinformerConfig encoder, LinformerConfig decoder) =>
        Filled(new OpenSequenceToSequenceModel(encoder with { Causal = CausalKind.None }, decoder, Exact));

    private static T Filled<T>(T model)
        where T : torch.nn.Module => DecoderVariants.Filled(model);

    private static torch.Tensor Source(int batch, int length) =>
        torch.tensor(Enumerable.Range(0, batch * length * 12).Select(i => CounterRandom.For(3, "source").NormalAt((ulong)i)).ToArray(), [batch, length, 12]);

    private static torch.Tensor Changed(torch.Tensor ids, int position)
    {
        var changed = ids.clone();
        changed.select(1, position).add_(1).remainder_(23);
        return changed;
    }

    // Of each position.
    private static double[] Changes(torch.Tensor before, torch.Tensor after) => (before - after).abs().amax([2], keepdim: false)[0].data<double>().ToArray();
}
