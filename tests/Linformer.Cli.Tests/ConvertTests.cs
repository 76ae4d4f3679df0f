using System.Text.Json.Nodes;
using Linformer.Data.Tokenizers;
using Linformer.Model;

namespace Linformer.Cli.Tests;

public sealed class ConvertTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-convert-test-");
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    private static LinformerConfig Lucid { get; } = new()
    {
        VocabularySize = 12,
        Layers = 2,
        Heads = 2,
        Hidden = 8,
        FeedForward = 32,
        SequenceLength = 16,
        ProjectedLength = 4,
        Sharing = ProjectionSharing.Headwise,
        AttentionBias = false,
        OuterNorm = false,
        Head = HeadKind.Linear,
    };

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _output.Dispose();
        _error.Dispose();
    }

    [Fact]
    public async Task A_model_goes_out_and_comes_back_as_it_was()
    {
        Save("model", Lucid);
        (await Run("convert", At("model"), "--from", "linformer", "--to-format", "lucidrains", "--to", At("out/model.pt"))).ShouldBe(0, _error.ToString());
        ((int)JsonNode.Parse(File.ReadAllText(At("out/model.json")))!["heads"]!).ShouldBe(2);
        (await Run("convert", At("out/model.pt"), "--from", "lucidrains", "--options", At("out/model.json"), "--to", At("back"), "--output", "json")).ShouldBe(0, _error.ToString());
        File.ReadAllBytes(At("back/model.safetensors")).ShouldBe(File.ReadAllBytes(At("model/model.safetensors")));
        ModelFolder.LoadConfig(At("back")).HeadSize.ShouldBe(4);
    }

    [Fact]
    public async Task A_transformer_with_a_vocabulary_becomes_a_linformer_with_its_tokenizer()
    {
        Save("full", Lucid with { Attention = AttentionKind.Full, Normalization = Normalization.Post, AttentionBias = true, OuterNorm = true, Head = HeadKind.Transformed });
        (await Run("convert", At("full"), "--from", "linformer", "--to-format", "bert", "--to", At("bert"))).ShouldBe(0, _error.ToString());
        File.WriteAllLines(At("bert/vocab.txt"), ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "on", "mat", "."]);
        File.WriteAllText(At("text.txt"), string.Concat(Enumerable.Repeat("The cat sat on the mat. ", 30)));

        (await Run("convert", At("bert"), "--from", "bert", "--k", "4", "--sharing", "layerwise", "--rule", "fit", "--sample", At("text.txt"), "--to", At("linear"), "--output", "json")).ShouldBe(0, _error.ToString());
        var config = ModelFolder.LoadConfig(At("linear"));
        (config.Attention, config.ProjectedLength, config.Sharing).ShouldBe((AttentionKind.Linear, 4, ProjectionSharing.Layerwise));
        TokenizerFile.Load(At("linear/tokenizer.json")).Encode("the cats").ShouldBe([5, 6, 8]);
        JsonNode.Parse(_output.ToString().Trim().Split('\n')[^1])!["tokenizer"]!.GetValue<bool>().ShouldBeTrue();
        using var model = ModelFolder.Load(At("linear"));
        model.Config.VocabularySize.ShouldBe(12);
    }

    [Fact]
    public async Task What_is_wrong_is_named()
    {
        Save("model", Lucid);
        await Fails("gpt2", "--from", "gpt2", "--to", At("x"));
        await Fails("gpt2", "--from", "linformer", "--to-format", "gpt2", "--to", At("x"));
        await Fails("linear attention already", "--from", "linformer", "--k", "2", "--to", At("x"));
        await Fails("attention is linear", "--from", "linformer", "--to-format", "bert", "--to", At("x"));
        await Fails("--force", "--from", "linformer", "--to", At("model"));
        await Fails("--rule is 'best'", "--from", "linformer", "--k", "2", "--rule", "best", "--to", At("x"));
        await Fails("--sample are for", "--from", "linformer", "--sample", "text", "--to", At("x"));
        await Fails("no roberta model", "--from", "roberta", "--to", At("x"));
        Directory.Exists(At("x")).ShouldBeFalse();
    }

    private async Task Fails(string said, params string[] arguments)
    {
        _error.GetStringBuilder().Clear();
        (await Run(["convert", At("model"), .. arguments])).ShouldBe(1);
        _error.ToString().ShouldContain(said);
    }

    private void Save(string name, LinformerConfig config)
    {
        using var model = new MaskedLanguageModel(config);
        Initialization.Apply(model, seed: 3);
        ModelFolder.Save(At(name), model);
    }

    private string At(string name) => Path.Combine(_folder.FullName, name);

    private Task<int> Run(params string[] arguments) =>
        CommandLineApp.RunAsync(CommandLineApp.CreateRoot(), arguments, _output, _error, CancellationToken.None);
}
