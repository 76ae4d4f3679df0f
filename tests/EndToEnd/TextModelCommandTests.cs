using System.Globalization;
using System.Text;
using System.Text.Json;
using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Model.SafeTensors;
using TorchSharp;

namespace EndToEnd;

/// <summary>Models that write text: trained from a job file, measured, and asked to go on or to translate.</summary>
[Trait("Lane", "Processes")]
public sealed class TextModelCommandTests : IClassFixture<TextModels>
{
    private readonly Workspace _workspace;
    private readonly TextModels _models;

    public TextModelCommandTests(TextModels models) => (_models, _workspace) = (models, models.Workspace);

    [Fact]
    public async Task A_causal_model_learns_is_measured_and_goes_on_from_a_text_the_same_way_for_the_same_seed()
    {
        using var trained = JsonDocument.Parse(_models.Causal);
        var summary = trained.RootElement.GetProperty("summary");
        summary.GetProperty("heldOutPerplexity").GetDouble().ShouldBeLessThan(0.9 * summary.GetProperty("unigramPerplexity").GetDouble());

        using var evaluated = JsonDocument.Parse(await LinformerProcess.SucceedAsync("evaluate", Causal, _workspace.Corpus("00.txt"), "--output", "json"));
        evaluated.RootElement.GetProperty("perplexity").GetDouble().ShouldBe(
            summary.GetProperty("heldOutPerplexity").GetDouble(), 0.35 * summary.GetProperty("heldOutPerplexity").GetDouble());

        string[] draw = ["generate", Causal, "whale captain", "--max-tokens", "12", "--seed", "3", "--output", "json"];
        var first = await LinformerProcess.SucceedAsync(draw);
        (await LinformerProcess.SucceedAsync(draw)).ShouldBe(first);
        using var result = JsonDocument.Parse(first);
        result.RootElement.GetProperty("input").GetString().ShouldBe("whale captain");
        result.RootElement.GetProperty("tokens").GetInt32().ShouldBeInRange(0, 12);
        result.RootElement.GetProperty("logProbability").GetDouble().ShouldBeLessThan(0);

        var shown = await LinformerProcess.SucceedAsync("generate", Causal, "whale captain", "--max-tokens", "5");
        shown.ShouldStartWith("whale captain");
        shown.Trim().Length.ShouldBeGreaterThan("whale captain".Length);
    }

    [Fact]
    public async Task A_causal_model_goes_on_from_the_values_of_another()
    {
        var text = TextModels.CausalJob.Replace("name: causal", "name: causal-more\ninitializeFrom: models/causal", StringComparison.Ordinal)
            .Replace("steps: 150", "steps: 1", StringComparison.Ordinal).Replace("1.0e-2", "1.0e-9", StringComparison.Ordinal)
            .Replace("warmupSteps: 10", "warmupSteps: 0", StringComparison.Ordinal);
        var file = Path.Combine(_workspace.Root, "causal-more.yaml");
        await File.WriteAllTextAsync(file, text);
        using var more = JsonDocument.Parse(await LinformerProcess.SucceedAsync(_workspace.Train(file, "--output", "json")));
        using var trained = JsonDocument.Parse(_models.Causal);
        more.RootElement.GetProperty("summary").GetProperty("heldOutLoss").GetDouble()
            .ShouldBe(trained.RootElement.GetProperty("summary").GetProperty("heldOutLoss").GetDouble(), 1e-3);
    }

    [Fact]
    public async Task A_model_of_pairs_translates_a_text_and_the_lines_of_a_file()
    {
        using var trained = JsonDocument.Parse(_models.Pairs);
        var measures = trained.RootElement.GetProperty("summary").GetProperty("measures");
        measures.GetProperty("exact-match").GetDouble().ShouldBeInRange(0, 1);
        measures.GetProperty("bleu").GetDouble().ShouldBeInRange(0, 100);

        var file = Path.Combine(_workspace.Root, "lines.txt");
        await File.WriteAllLinesAsync(file, ["ab", "", "cabbac", "a"]);
        var lines = (await LinformerProcess.SucceedAsync("translate", Pairs, "--file", file, "--output", "json")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("input").GetString()).ShouldBe(["ab", "cabbac", "a"]);
        using var alone = JsonDocument.Parse(await LinformerProcess.SucceedAsync("translate", Pairs, "cabbac", "--output", "json"));
        alone.RootElement.GetProperty("text").GetString().ShouldBe(JsonDocument.Parse(lines[1]).RootElement.GetProperty("text").GetString());
        await LinformerProcess.SucceedAsync("translate", Pairs, "cab", "--beams", "3");
    }

    [Fact]
    public async Task A_model_of_pairs_is_measured_on_pairs_the_same_in_either_layout()
    {
        var table = _workspace.Corpus("pairs.tsv");
        var first = await LinformerProcess.SucceedAsync("evaluate", Pairs, table, "--text", "forwards", "--label", "backwards", "--output", "json");
        using var result = JsonDocument.Parse(first);
        result.RootElement.GetProperty("pairs").GetInt32().ShouldBe(300);
        var loss = result.RootElement.GetProperty("loss").GetDouble();
        result.RootElement.GetProperty("perplexity").GetDouble().ShouldBe(Math.Exp(loss), 1e-6);
        result.RootElement.GetProperty("measures").GetProperty("exact-match").GetDouble().ShouldBeInRange(0, 1);
        result.RootElement.GetProperty("measures").GetProperty("bleu").GetDouble().ShouldBeInRange(0, 100);
        // Each letter is a token or more, and each target has an end.
        result.RootElement.GetProperty("predictedTokens").GetInt64().ShouldBeGreaterThan(600);

        var values = Path.Combine(_workspace.Root, "pairs.csv");
        await File.WriteAllLinesAsync(values, (await File.ReadAllLinesAsync(table)).Select(line => string.Join(',', line.Split('\t').Select(field => $"\"{field}\""))));
        (await LinformerProcess.SucceedAsync("evaluate", Pairs, values, "--text", "1", "--label", "2", "--output", "json")).ShouldBe(first);
    }

    [Theory]
    [InlineData("pairs", "pairs.tsv", "--text-pair x", "--text-pair is for classification")]
    [InlineData("pairs", "pairs.tsv", "", "has no column \"text\"")]
    [InlineData("pairs", "00.txt", "", "have no targets")]
    [InlineData("pairs", "pairs.tsv", "--layout csv --text forwards --label backwards", "which end in .csv or .csv.gz")]
    [InlineData("causal", "00.txt", "--label x", "--label is for models of classification and sequence-to-sequence")]
    public async Task What_cannot_be_measured_is_named(string model, string file, string options, string expected)
    {
        var result = await LinformerProcess.RunAsync(["evaluate", _workspace.Model(model), _workspace.Corpus(file), .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain(expected);
    }

    [Theory]
    [InlineData("generate", "causal", "--beams 2 --seed 1", "--beams keeps the likeliest")]
    [InlineData("generate", "causal", "--top-p 2", "--top-p is 2; it must be above 0 and at most 1")]
    [InlineData("generate", "causal", "--file no.txt", "Texts are given as arguments and by --file; choose one.")]
    [InlineData("generate", "pairs", "", "the model is for sequence-to-sequence; one for causal-lm is needed")]
    [InlineData("translate", "causal", "", "the model is for causal-lm; one for sequence-to-sequence is needed")]
    public async Task What_cannot_be_done_is_named(string command, string model, string options, string expected)
    {
        var result = await LinformerProcess.RunAsync([command, _workspace.Model(model), "ab", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain(expected);
    }

    [Fact]
    public async Task Forward_gives_what_a_causal_model_computes_and_its_logits_are_products_with_the_token_embeddings()
    {
        var (input, output) = (Path.Combine(_workspace.Root, "causal-in.safetensors"), Path.Combine(_workspace.Root, "causal-out.safetensors"));
        long[] ids = [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 100, 101, 102, 103, 104, 105, 20, 21, 22, 0, 0, 0];
        long[] keep = [.. Enumerable.Range(0, ids.Length).Select(i => i < 21 ? 1L : 0)];
        SafeTensorsWriter.Write(input, [Integers("input_ids", ids, 2, 12), Integers("attention_mask", keep, 2, 12)]);

        await LinformerProcess.SucceedAsync("forward", Causal, "--input", input, "--to", output);

        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var file = SafeTensorsFile.Open(output);
        var (hidden, logits) = (Weights.Read(file, "hidden_states"), Weights.Read(file, "logits"));
        using var model = ModelFolder.Load(Causal, ModelKind.CausalLanguage, found => new CausalLanguageModel(found.Config));
        logits.data<float>().ToArray().ShouldBe(model.call(torch.tensor(ids, [2, 12]), torch.tensor(keep, [2, 12])).data<float>().ToArray(), 1e-5);

        // The head by hand, in double precision, from the file of the weights.
        using var weights = SafeTensorsFile.Open(Path.Combine(Causal, ModelFolder.WeightsName));
        var (states, embeddings) = (hidden.data<float>().ToArray(), Weights.Read(weights, "token.weight").data<float>().ToArray());
        var (width, vocabulary) = ((int)hidden.shape[2], (int)logits.shape[2]);
        logits.data<float>().ToArray().ShouldBe(
            Enumerable.Range(0, ids.Length * vocabulary).Select(at => (float)Enumerable.Range(0, width).Sum(i => (double)states[(at / vocabulary * width) + i] * embeddings[(at % vocabulary * width) + i])),
            1e-4);
    }

    [Fact]
    public async Task Forward_names_a_kind_of_model_that_it_does_not_run()
    {
        var input = Path.Combine(_workspace.Root, "pairs-in.safetensors");
        SafeTensorsWriter.Write(input, [Integers("input_ids", [5], 1, 1)]);

        var result = await LinformerProcess.RunAsync("forward", Pairs, "--input", input, "--to", input + ".out");

        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain("the model is for sequence-to-sequence; forward runs models for masked-lm, causal-lm, open-decoder, open-sequence-to-sequence.");
    }

    [Fact]
    public async Task Texts_that_are_too_long_are_named()
    {
        var result = await LinformerProcess.RunAsync("generate", Causal, string.Join(' ', Enumerable.Repeat("xyz", 40)));
        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain("the model goes on from at most 30");
        result = await LinformerProcess.RunAsync("translate", Pairs, new string('q', 40));
        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain("the model reads at most 15");
    }

    private static SafeTensorEntry Integers(string name, long[] values, params long[] shape) =>
        new(name, ElementType.I64, shape, System.Runtime.InteropServices.MemoryMarshal.AsBytes<long>(values).ToArray());

    private string Causal => _workspace.Model("causal");

    private string Pairs => _workspace.Model("pairs");
}

/// <summary>A causal model of the workspace's corpus, and one that spells words backwards.</summary>
public sealed class TextModels : IAsyncLifetime
{
    internal const string CausalJob = """
        name: causal
        task: causal-lm
        corpus:
          files: ["corpora/*.txt"]
          tokenizer: { kind: byte-bpe, vocabularySize: 400 }
          heldOut: 0.1
        model: { layers: 2, heads: 2, hidden: 32, feedForward: 64, sequenceLength: 32, projectedLength: 8, segmentLength: 8, dropout: 0 }
        training: { steps: 150, globalBatch: 16, microBatch: 8, learningRate: 1.0e-2, warmupSteps: 10, evaluateEvery: 100, checkpointEvery: 100 }
        ranks: { max: 2 }
        """;

    private const string PairsJob = """
        name: pairs
        task: sequence-to-sequence
        corpus:
          files: ["corpora/pairs.tsv"]
          examples: { layout: tsv, text: forwards, label: backwards }
          tokenizer: { kind: byte-bpe, vocabularySize: 270 }
          heldOut: 0.1
        model: { layers: 1, decoderLayers: 1, heads: 2, hidden: 32, feedForward: 64, sequenceLength: 16, projectedLength: 8, segmentLength: 4, dropout: 0 }
        training: { steps: 40, globalBatch: 16, microBatch: 8, learningRate: 5.0e-3, warmupSteps: 10, evaluateEvery: 20, checkpointEvery: 20 }
        ranks: { max: 2 }
        """;

    internal Workspace Workspace { get; } = new();

    internal string Causal { get; private set; } = "";

    internal string Pairs { get; private set; } = "";

    public async Task InitializeAsync()
    {
        var table = new StringBuilder("forwards\tbackwards\n");
        var random = new Random(1);
        for (var i = 0; i < 300; i++)
        {
            var word = new string([.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => "abc"[random.Next(3)])]);
            table.Append(CultureInfo.InvariantCulture, $"{word}\t{new string([.. word.Reverse()])}\n");
        }

        await File.WriteAllTextAsync(Workspace.Corpus("pairs.tsv"), table.ToString());
        Causal = await TrainAsync("causal", CausalJob);
        Pairs = await TrainAsync("pairs", PairsJob);
    }

    public Task DisposeAsync()
    {
        Workspace.Dispose();
        return Task.CompletedTask;
    }

    private async Task<string> TrainAsync(string name, string job)
    {
        var file = Path.Combine(Workspace.Root, name + ".yaml");
        await File.WriteAllTextAsync(file, job);
        return await LinformerProcess.SucceedAsync(Workspace.Train(file, "--output", "json"));
    }
}
