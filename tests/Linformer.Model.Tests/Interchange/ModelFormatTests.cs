using System.Text.Json.Nodes;
using Linformer.Model.Decoding;
using Linformer.Model.Interchange;
using Linformer.Model.Interchange.Pickle;
using Linformer.Model.SafeTensors;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Linformer.Model.Tests.Interchange;

/// <summary>Models of other projects against implementations in Python that share nothing with this one.</summary>
public sealed class ModelFormatTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("Lane", "Processes")]
    public void Outputs_agree_to_1e_5_and_what_is_taken_back_gives_them_there()
    {
        Reference("make");
        var cases = Directory.GetDirectories(_folder.Path).Order(StringComparer.Ordinal).ToList();
        cases.Count.ShouldBeGreaterThan(20);
        var failures = cases.Select(Failure).OfType<string>().ToList();
        failures.ShouldBeEmpty();
        var taken = Reference("check").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        cases.Select(path => Path.GetFileName(path)!).Except(taken).ShouldBeEmpty();
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public void A_file_of_another_project_is_named()
    {
        Reference("make");
        Message(() => ModelFormats.Import("tatp22", _folder.File("lucidrains-plain/state.pt"))).ShouldContain("look like lucidrains");
        Message(() => ModelFormats.Import("lucidrains", _folder.File("fairseq-kv/state.pt"))).ShouldContain("look like fairseq");
        Message(() => ModelFormats.Import("fairseq", _folder.File("roberta"))).ShouldContain("look like roberta");
        Message(() => ModelFormats.Import("roberta", _folder.File("tatp22-kv/state.pt"))).ShouldContain("look like tatp22");
        Message(() => ModelFormats.Import("bert", _folder.File("roberta"))).ShouldContain("look like roberta");
        Message(() => ModelFormats.Import("gpt2", _folder.File("roberta"))).ShouldContain("roberta, bert, lucidrains, tatp22, fairseq");
        Message(() => ModelFormats.Import("bert", _folder.Path)).ShouldContain("pytorch_model.bin");
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public void Options_that_models_here_lack_are_named()
    {
        Reference("make");
        var file = _folder.File("tatp22-kv/state.pt");
        Message(() => ModelFormats.Import("tatp22", file, new JsonObject { ["ff_intermediate"] = 7 })).ShouldContain("ff_intermediate is 7, and the second layer's width is 12");
        Message(() => ModelFormats.Import("tatp22", file, new JsonObject { ["include_ff"] = false })).ShouldContain("include_ff is false, and the tensors");
        Message(() => ModelFormats.Import("tatp22", file, new JsonObject { ["return_emb"] = true })).ShouldContain("return_emb is true, and the tensors");
        Message(() => ModelFormats.Import("tatp22", file, new JsonObject { ["parameter_sharing"] = "layerwise" })).ShouldContain("parameter_sharing is layerwise, and the tensors are shared less");
        Message(() => ModelFormats.Import("tatp22", file, new JsonObject { ["activation"] = "swish" })).ShouldContain("'swish'");
        Message(() => ModelFormats.Import("tatp22", file, new JsonObject { ["dim"] = 7 })).ShouldContain("'dim' is not an option");
        Message(() => ModelFormats.Import("fairseq", _folder.File("fairseq-kv/state.pt"))).ShouldContain("'encoder_attention_heads' is missing");
        Message(() => ModelFormats.Import("fairseq", _folder.File("fairseq-kv/state.pt"), new JsonObject { ["encoder_attention_heads"] = 3, ["activation_fn"] = "gelu_accurate" })).ShouldContain("'gelu_accurate'");
        Message(() => ModelFormats.Import("fairseq", _folder.File("fairseq-kv/state.pt"), new JsonObject { ["encoder_attention_heads"] = 3, ["no_scale_embedding"] = false })).ShouldContain("no_scale_embedding is false");
        Message(() => ModelFormats.Import("lucidrains", _folder.File("lucidrains-plain/state.pt"))).ShouldContain("heads");
        Message(() => ModelFormats.Import("roberta", _folder.File("roberta"), new JsonObject { ["hidden_act"] = "gelu_new" })).ShouldContain("'gelu_new'");
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public void Options_that_no_decoder_of_tatp22_has_are_named()
    {
        Reference("make");
        var file = _folder.File("tatp22-decoder-kv/state.pt");
        Message(() => ModelFormats.Import("tatp22", _folder.File("tatp22-inner/state.pt"), new JsonObject { ["decoder_mode"] = true })).ShouldContain("there are 3, an odd number");
        Message(() => ModelFormats.Import("tatp22", file, new JsonObject { ["decoder_mode"] = true, ["ff_intermediate"] = 7 })).ShouldContain("ff_intermediate is 7");
        Message(() => ModelFormats.Import("tatp22", file, new JsonObject { ["decoder_mode"] = true, ["checkpoint_level"] = "C1" })).ShouldContain("checkpoint_level is C1");
        var two = _folder.File("tatp22-two-plain/state.pt");
        Message(() => ModelFormats.Import("tatp22", two, new JsonObject { ["causal"] = true })).ShouldContain("'causal' is not an option");
        Message(() => ModelFormats.Import("tatp22", two, new JsonObject { ["dec_ff_intermediate"] = 7 })).ShouldContain("dec_ff_intermediate is 7");
        Message(() => ModelFormats.Import("tatp22", two, new JsonObject { ["enc_include_ff"] = false })).ShouldContain("enc_include_ff is false");
        Message(() => ModelFormats.Import("tatp22", two, new JsonObject { ["dec_parameter_sharing"] = "layerwise" })).ShouldContain("dec_parameter_sharing is layerwise");
        Message(() => ModelFormats.Import("tatp22", _folder.File("tatp22-two-convolution/state.pt"), new JsonObject { ["enc_input_size"] = 12 })).ShouldContain("'dec_input_size' is missing");
        using var imported = ModelFormats.Import("tatp22", two);
        Message(() => imported.Build()).ShouldContain("open-sequence-to-sequence; one for masked-lm is needed");
        using var model = imported.BuildAny();
        Message(() => ModelFormats.Export("lucidrains", model, imported.Description)).ShouldContain("for lucidrains, models for masked-lm can be written");
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public void An_encoder_and_a_decoder_that_do_not_fit_are_named()
    {
        Reference("make");
        using var scope = NewDisposeScope();
        using var first = StateDict.Open(_folder.File("tatp22-two-plain/state.pt"));
        using var second = StateDict.Open(_folder.File("tatp22-two-small/state.pt"));
        var file = _folder.File("mixed.safetensors");
        var parts = new[] { (first, "encoder."), (second, "decoder.") };
        Weights.Write(file, parts.SelectMany(part => part.Item1.Names.Where(name => name.StartsWith(part.Item2, StringComparison.Ordinal)), (part, name) => (name, part.Item1.Read(name))));

        Message(() => ModelFormats.Import("tatp22", file)).ShouldContain("the encoder gives vectors of width 12 (enc_emb_dim, or else enc_channels), and dec_channels is 6");
    }

    [Fact]
    public void Parts_of_other_projects_that_are_no_language_model_are_named()
    {
        var file = _folder.File("part.safetensors");
        Write("linformer.seq.0.fn.to_q.0.weight", "tatp22", "to_token_emb.weight");
        Write("seq.0.fn.to_q.0.weight", "tatp22", "A Linformer by itself");
        Write("encoder.linformer.seq.0.fn.to_q.0.weight", "tatp22", "encoder.to_token_emb.weight");
        Write("net.layers.0.0.fn.to_q.weight", "lucidrains", "A Linformer by itself");

        void Write(string name, string format, string said)
        {
            using var values = zeros(2, 2);
            Weights.Write(file, [(name, values)]);
            Message(() => ModelFormats.Import(format, file)).ShouldContain(said);
        }
    }

    [Fact]
    [Trait("Lane", "Processes")]
    public void A_model_without_a_head_gives_the_same_hidden_states_and_gets_a_new_head()
    {
        Reference("make");
        using var whole = ModelFormats.Import("tatp22", _folder.File("tatp22-kv/state.pt"));
        using var state = StateDict.Open(_folder.File("tatp22-kv/state.pt"));
        var names = state.Names.Where(name => !name.StartsWith("to_logits", StringComparison.Ordinal)).ToList();
        using var scope = NewDisposeScope();
        Weights.Write(_folder.File("headless.safetensors"), names.Select(name => (name, state.Read(name))));
        using var headless = ModelFormats.Import("tatp22", _folder.File("headless.safetensors"));

        headless.Notes.ShouldContain(note => note.Contains("return_emb", StringComparison.Ordinal));
        using var first = whole.Build();
        using var second = headless.Build();
        var ids = arange(12).view(1, 12);
        first.Encoder.call(ids, null).Equals(second.Encoder.call(ids, null)).ShouldBeTrue();
    }

    [Fact]
    public void What_another_project_lacks_is_named()
    {
        using var model = ModelVariants.Build(ModelVariants.Config());
        Message(() => ModelFormats.Export("lucidrains", model)).ShouldContain("outerNorm: false");
        Message(() => ModelFormats.Export("tatp22", model)).ShouldContain("normalization: post");
        Message(() => ModelFormats.Export("roberta", model)).ShouldContain("attention is linear");
        using var inner = ModelVariants.Build(ModelVariants.Config(normalization: Normalization.Post) with { InnerHidden = 7 });
        Message(() => ModelFormats.Export("fairseq", inner)).ShouldContain("inner_hidden_size is 7");
        using var post = ModelVariants.Build(ModelVariants.Config(normalization: Normalization.Post) with { ProjectedLength = 4 });
        Message(() => ModelFormats.Export("fairseq", post)).ShouldContain("attentionBias: false");
    }

    private static string Message(Action action) => Should.Throw<ModelFormatException>(action).Message;

    private string Reference(string what) =>
        Python.Run(Path.Combine(AppContext.BaseDirectory, "Interchange", "interchange_reference.py"), what, _folder.Path);

    private string? Failure(string path)
    {
        var name = Path.GetFileName(path);
        try
        {
            var difference = Compare(path);
            output.WriteLine($"{name}: {difference:0.0e+0}");
            return difference < 1e-5 ? null : $"{name} differs by {difference}";
        }
        catch (Exception e) when (e is ModelFormatException or SafeTensorsException or PickleException)
        {
            output.WriteLine($"{name}: {e.Message}");
            return $"{name}: {e.Message}";
        }
    }

    private double Compare(string path)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var given = JsonNode.Parse(File.ReadAllText(Path.Combine(path, "case.json")))!;
        var format = (string)given["format"]!;
        using var imported = ModelFormats.Import(format, Path.Combine(path, (string)given["file"]!), given["options"]!.AsObject());
        using var model = imported.BuildAny();
        using var io = SafeTensorsFile.Open(Path.Combine(path, "io.safetensors"));
        var expected = Weights.Read(io, "logits");
        var actual = Logits(model, io).to_type(ScalarType.Float64);
        Export(format, path, model, imported.Description);
        return (actual - expected).abs().max().item<double>() / Math.Max(1, expected.abs().max().item<double>());
    }

    private static Tensor Logits(nn.Module model, SafeTensorsFile io) => model switch
    {
        OpenDecoder decoder => decoder.call(Weights.Read(io, "target_ids"), null, Weights.Read(io, "source_states"), null),
        OpenSequenceToSequenceModel two => two.call(Weights.Read(io, "input_ids"), null, Weights.Read(io, "target_ids"), null),
        _ => ((MaskedLanguageModel)model).call(Weights.Read(io, "input_ids"), null),
    };

    private void Export(string format, string path, nn.Module model, ModelDescription description)
    {
        try
        {
            using var exported = ModelFormats.Export(format, model, description);
            exported.Write(Path.Combine(path, "exported.pt"));
            File.WriteAllText(Path.Combine(path, "exported.json"), exported.Options.ToJsonString());
        }
        catch (ModelFormatException e)
        {
            output.WriteLine($"{path}: not taken back: {e.Message}");
            File.WriteAllText(Path.Combine(path, "refused.txt"), e.Message);
        }
    }
}
