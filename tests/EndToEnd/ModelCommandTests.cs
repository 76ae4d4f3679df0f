using System.Text.Json;
using Linformer.Model;
using Linformer.Model.SafeTensors;

namespace EndToEnd;

/// <summary>What a trained model can be asked.</summary>
[Trait("Lane", "Processes")]
public sealed class ModelCommandTests : IClassFixture<TrainedModel>
{
    private readonly TrainedModel _trained;

    public ModelCommandTests(TrainedModel trained) => _trained = trained;

    private string Model => _trained.Workspace.Model("model");

    [Fact]
    public void The_summary_beats_word_frequencies()
    {
        using var json = JsonDocument.Parse(_trained.Output);
        var summary = json.RootElement.GetProperty("summary");
        summary.GetProperty("heldOutPerplexity").GetDouble().ShouldBeLessThan(0.8 * summary.GetProperty("unigramPerplexity").GetDouble());
        summary.GetProperty("steps").GetInt64().ShouldBe(1500);
        var shares = json.RootElement.GetProperty("timePercent").EnumerateObject().ToDictionary(phase => phase.Name, phase => phase.Value.GetDouble(), StringComparer.Ordinal);
        shares.Keys.ShouldBe(["data", "forward", "backward", "reduce", "update", "other"]);
        shares.Values.ShouldAllBe(share => share >= 0);
        shares.Values.Sum().ShouldBe(100, 0.5);
        // How much of it they take is for the machine to say.
        (shares["forward"], shares["backward"]).ShouldSatisfyAllConditions(both => both.Item1.ShouldBePositive(), both => both.Item2.ShouldBePositive());
    }

    [Fact]
    public async Task Evaluate_gives_the_perplexity_that_training_gave()
    {
        using var json = JsonDocument.Parse(_trained.Output);
        var expected = json.RootElement.GetProperty("summary").GetProperty("heldOutPerplexity").GetDouble();
        var printed = await LinformerProcess.SucceedAsync("evaluate", Model, _trained.Workspace.Corpus("00.txt"), "--output", "json");
        using var result = JsonDocument.Parse(printed);
        result.RootElement.GetProperty("perplexity").GetDouble().ShouldBe(expected, 0.35 * expected); // other text of the same kind
    }

    [Fact]
    public async Task Fill_mask_gives_words_with_probabilities()
    {
        using var result = JsonDocument.Parse(await LinformerProcess.SucceedAsync(
            "fill-mask", Model, "whale <mask> captain harpoon <mask>", "--top", "3", "--output", "json"));
        result.RootElement.GetArrayLength().ShouldBe(2);
        var candidates = result.RootElement[0].GetProperty("candidates").EnumerateArray().ToList();
        candidates.Count.ShouldBe(3);
        candidates.Select(c => c.GetProperty("probability").GetDouble()).ShouldBeInOrder(SortDirection.Descending);
    }

    [Theory]
    [InlineData("no mask here", "<mask>")]
    [InlineData("<mask> a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a", "at most 32")]
    public async Task Fill_mask_refuses_what_it_cannot_do(string text, string expected)
    {
        var result = await LinformerProcess.RunAsync("fill-mask", Model, text);
        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain(expected);
    }

    [Theory]
    [InlineData("missing.txt", "0.15", "missing.txt: there is no such file.")]
    [InlineData("corpora/00.txt", "1.5", "--mask-probability")]
    public async Task Evaluate_refuses_what_it_cannot_do(string file, string maskProbability, string expected)
    {
        var path = file == "missing.txt" ? file : Path.Combine(_trained.Workspace.Root, file);
        var result = await LinformerProcess.RunAsync("evaluate", Model, path, "--mask-probability", maskProbability);
        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain(expected);
    }

    [Fact]
    public async Task Evaluate_refuses_a_model_with_the_tokenizer_of_another()
    {
        var folder = Path.Combine(_trained.Workspace.Root, "mixed");
        Directory.CreateDirectory(folder);
        foreach (var path in Directory.GetFiles(Model))
        {
            File.Copy(path, Path.Combine(folder, Path.GetFileName(path)), overwrite: true);
        }

        var config = Path.Combine(folder, ConfigFile.Name);
        var size = ModelFolder.LoadConfig(Model).VocabularySize;
        File.WriteAllText(config, File.ReadAllText(config).Replace($"\"vocab_size\": {size}", $"\"vocab_size\": {size - 1}", StringComparison.Ordinal));

        var result = await LinformerProcess.RunAsync("evaluate", folder, _trained.Workspace.Corpus("00.txt"));

        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain($"the tokenizer has {size} tokens and the model {size - 1}");
    }

    [Fact]
    public async Task Forward_reads_ids_and_writes_hidden_states_and_logits()
    {
        var (input, output) = (Path.Combine(_trained.Workspace.Root, "in.safetensors"), Path.Combine(_trained.Workspace.Root, "out.safetensors"));
        SafeTensorsWriter.Write(input, [Ids([5, 6, 7, 8, 9, 1], 2, 3), new("attention_mask", ElementType.I64, [2, 3], Bytes([1, 1, 1, 1, 1, 0]))]);

        await LinformerProcess.SucceedAsync("forward", Model, "--input", input, "--to", output);

        using var file = SafeTensorsFile.Open(output);
        file["hidden_states"].Shape.ShouldBe([2, 3, 32]);
        file["logits"].Shape.ShouldBe([2, 3, ModelFolder.LoadConfig(Model).VocabularySize]);
    }

    [Fact]
    public async Task Forward_names_ids_outside_the_vocabulary_and_missing_tensors()
    {
        var input = Path.Combine(_trained.Workspace.Root, "bad.safetensors");
        SafeTensorsWriter.Write(input, [Ids([5, 400], 1, 2)]);
        var outside = await LinformerProcess.RunAsync("forward", Model, "--input", input, "--to", input + ".out");
        SafeTensorsWriter.Write(input, [new("other", ElementType.I64, [1], Bytes([1]))]);
        var missing = await LinformerProcess.RunAsync("forward", Model, "--input", input, "--to", input + ".out");

        (outside.ExitCode, missing.ExitCode).ShouldBe((1, 1));
        outside.Error.ShouldContain("400");
        missing.Error.ShouldContain("input_ids");
    }

    [Fact]
    public async Task Attention_map_writes_pictures()
    {
        var (png, svg) = (Path.Combine(_trained.Workspace.Root, "map.png"), Path.Combine(_trained.Workspace.Root, "spectrum.svg"));

        using var result = JsonDocument.Parse(await LinformerProcess.SucceedAsync("attention-map", Model, "whale captain harpoon", "--to", png, "--spectrum", svg, "--output", "json"));

        File.ReadAllBytes(png).Take(8).ShouldBe(new byte[] { 0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A });
        var text = File.ReadAllText(svg);
        text.ShouldContain("layer 1");
        System.Xml.Linq.XDocument.Parse(text).Root!.Name.LocalName.ShouldBe("svg");
        var shares = result.RootElement.GetProperty("spectra")[0].GetProperty("share").EnumerateArray().Select(share => share.GetDouble()).ToList();
        shares.Count.ShouldBe(result.RootElement.GetProperty("tokens").GetInt32());
        shares[^1].ShouldBe(1, 1e-9);
    }

    [Theory]
    [InlineData("map.gif", "1", ".png or .svg")]
    [InlineData("map.png", "0", "numbers and ranges from 1")]
    [InlineData("map.png", "7", "the model has 1 to")]
    public async Task Attention_map_refuses_what_it_cannot_draw(string file, string layers, string expected)
    {
        var result = await LinformerProcess.RunAsync("attention-map", Model, "whale", "--to", Path.Combine(_trained.Workspace.Root, file), "--layers", layers);
        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain(expected);
    }

    [Fact]
    public async Task A_new_job_can_start_from_the_model()
    {
        var tokenizer = Path.Combine(_trained.Workspace.Root, "tokenizer.json");
        File.Copy(Path.Combine(Model, "tokenizer.json"), tokenizer, overwrite: true);
        var file = _trained.Workspace.Job("further", steps: 6, more: "initializeFrom: models/model");
        File.WriteAllText(file, File.ReadAllText(file)
            .Replace("{ kind: byte-bpe, vocabularySize: 400 }", "{ file: tokenizer.json }", StringComparison.Ordinal)
            .Replace(TrainedModel.Shape.Text, TrainedModel.Shape.Replacement, StringComparison.Ordinal));

        await LinformerProcess.SucceedAsync(_trained.Workspace.Train(file));

        _trained.Workspace.Losses("further")[0].ShouldBeLessThan(_trained.Workspace.Losses("model")[0] - 0.5);
    }

    private static SafeTensorEntry Ids(long[] ids, params long[] shape) => new("input_ids", ElementType.I64, shape, Bytes(ids));

    private static byte[] Bytes(long[] values) => System.Runtime.InteropServices.MemoryMarshal.AsBytes<long>(values).ToArray();
}

/// <summary>A model that several tests ask.</summary>
public sealed class TrainedModel : IAsyncLifetime
{
    /// <summary>What of the workspace's job file becomes what, for a model that learns the text's rule.</summary>
    internal static (string Text, string Replacement) Shape => ("projectedLength: 8, dropout: 0.1", "projectedLength: 16, dropout: 0");

    internal Workspace Workspace { get; } = new();

    internal string Output { get; private set; } = "";

    public async Task InitializeAsync()
    {
        var file = Workspace.Job("model", steps: 1500);
        var text = File.ReadAllText(file)
            .Replace("1.0e-3", "5.0e-3", StringComparison.Ordinal)
            .Replace(Shape.Text, Shape.Replacement, StringComparison.Ordinal)
            .Replace("Every: ", "Every: 50", StringComparison.Ordinal); // 5025 and 5010: only at the end
        await File.WriteAllTextAsync(file, text);
        Output = await LinformerProcess.SucceedAsync(Workspace.Train(file, "--output", "json"));
    }

    public Task DisposeAsync()
    {
        Workspace.Dispose();
        return Task.CompletedTask;
    }
}
