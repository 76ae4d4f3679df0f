using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Data;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Model.Kernels;
using Linformer.Model.Layers;
using Linformer.Model.SafeTensors;
using Linformer.Protocol;
using Linformer.Training.ProcessGroups;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;
using static TorchSharp.torch;

namespace Linformer.Worker.Tests.Inference;

public sealed class InferenceJobTests : IDisposable
{
    private const int Documents = 23;

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("linformer-inference-");
    private readonly LinformerConfig _config;
    private readonly string[] _texts = [.. Enumerable.Range(0, Documents).Select(i => string.Join(' ', Enumerable.Range(0, 1 + (i * 5 % 17)).Select(word => $"word{(i * 31) + word}")))];

    public InferenceJobTests()
    {
        var corpus = new StringBuilder();
        foreach (var text in _texts)
        {
            corpus.Append(CultureInfo.InvariantCulture, $"{text}\n\n");
        }

        File.WriteAllText(PathOf("posts.txt"), corpus.ToString());
        var trained = CorpusPreparation.Prepare(new CorpusSettings { Files = ["posts.txt"], Separator = "", VocabularySize = 300 }, _root.FullName, PathOf("first-cache"));
        _config = new LinformerConfig
        {
            VocabularySize = trained.Tokenizer.VocabularySize,
            Layers = 2,
            Heads = 2,
            Hidden = 16,
            FeedForward = 32,
            SequenceLength = 32,
            ProjectedLength = 8,
            Dropout = 0.1,
        };
        using var model = new MaskedLanguageModel(_config, Placement.Default);
        Initialization.Apply(model, 3);
        ModelFolder.Save(PathOf("models/base"), model, trained.TokenizerPath);
        using var classes = new ClassificationModel(_config, new ClassificationHead { Classes = ["ham", "spam"] }, Placement.Default);
        Initialization.Apply(classes, 4);
        ModelFolder.Save(PathOf("models/spam"), classes, new ModelDescription(ModelKind.Classification, _config, classes.Head), trained.TokenizerPath);
    }

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void Each_document_gets_the_mean_over_its_hidden_states_in_the_order_of_the_input()
    {
        Run(Job("models/base"));

        var given = new List<float[]>();
        for (var part = 0; part < 4; part++)
        {
            using var file = SafeTensorsFile.Open(PathOf($"out/part-{part:0000000}.safetensors"));
            using var tensor = Weights.Read(file, "embeddings");
            tensor.shape.ShouldBe([part == 3 ? 2 : 7, 16]);
            given.AddRange(tensor.data<float>().ToArray().Chunk(16));
        }

        given.Count.ShouldBe(Documents);
        using var model = ModelFolder.Load(PathOf("models/base"));
        for (var i = 0; i < Documents; i++)
        {
            var expected = Windows(i).Select(row => Alone(model.Encoder.call(Row(row), null).mean([1]))).ToList();
            for (var j = 0; j < 16; j++)
            {
                given[i][j].ShouldBe(expected.Average(window => window[j]), 2e-5f, $"document {i}, {expected.Count} windows");
            }
        }

        Enumerable.Range(0, Documents).Count(i => Windows(i).Count > 1).ShouldBeGreaterThan(2);
    }

    [Fact]
    public void Each_document_gets_a_class_with_scores()
    {
        Run(Job("models/spam", "kind: classify, longDocuments: truncate"));

        var lines = Directory.GetFiles(PathOf("out"), "part-*.jsonl").Order(StringComparer.Ordinal).SelectMany(File.ReadAllLines).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        lines.Select(line => line.GetProperty("document").GetInt32()).ShouldBe(Enumerable.Range(0, Documents));
        using var model = ModelFolder.Load(PathOf("models/spam"), ModelKind.Classification, found => new ClassificationModel(found.Config, found.Classification!));
        for (var i = 0; i < Documents; i++)
        {
            using var logits = model.call(Row(Windows(i)[0]), null);
            var scores = Alone(nn.functional.softmax(logits, 1));
            lines[i].GetProperty("scores").GetProperty("spam").GetSingle().ShouldBe(scores[1], 1e-5f);
            lines[i].GetProperty("class").GetString().ShouldBe(scores[1] > scores[0] ? "spam" : "ham");
        }
    }

    [Fact]
    public void What_is_done_stays_and_what_is_missing_or_cut_off_is_made_again_to_the_byte()
    {
        Run(Job("models/base"));
        var whole = Files();
        var kept = File.GetLastWriteTimeUtc(PathOf("out/part-0000000.safetensors"));
        File.Delete(PathOf("out/manifest.json"));
        File.Delete(PathOf("out/part-0000001.json"));
        File.WriteAllText(PathOf("out/part-0000002.safetensors.tmp-1-of-a-process-that-was-killed"), "half");
        File.WriteAllBytes(PathOf("out/part-0000002.safetensors"), whole["part-0000002.safetensors"][..50]);
        File.Delete(PathOf("out/part-0000003.safetensors"));

        Run(Job("models/base"));

        var again = Files();
        again.Keys.ShouldBe(whole.Keys, ignoreOrder: true);
        foreach (var (name, content) in whole)
        {
            again[name].ShouldBe(content, name);
        }

        File.GetLastWriteTimeUtc(PathOf("out/part-0000000.safetensors")).ShouldBe(kept);
    }

    [Fact]
    public void A_folder_with_results_of_something_else_is_refused()
    {
        Run(Job("models/base"));

        Should.Throw<BadDataException>(() => Run(Job("models/base", "pooling: first"))).Message.ShouldContain("holds the results of another model, corpus or settings");
        File.Delete(PathOf("out/inference.json"));
        Should.Throw<BadDataException>(() => Run(Job("models/base"))).Message.ShouldContain("and no inference.json that says of what");
    }

    [Fact]
    public void Whether_kernels_compute_is_written_down_and_a_machine_without_them_may_go_on()
    {
        Run(Job("models/base"));
        var identity = JsonNode.Parse(File.ReadAllText(PathOf("out/inference.json")))!;
        identity["kernels"]!.GetValue<bool>().ShouldBe(KernelLibrary.IsAvailable);

        identity["kernels"] = !KernelLibrary.IsAvailable;
        File.WriteAllText(PathOf("out/inference.json"), identity.ToJsonString());
        var (begun, now) = KernelLibrary.IsAvailable ? ("without", "with") : ("with", "without");
        Run(Job("models/base"))
            .ShouldBe($"The results in {PathOf("out")} were begun {begun} kernels, and this rank computes {now} them: the same to rounding, not to the bit.");

        // As versions wrote it that did not tell.
        identity.AsObject().Remove("kernels");
        File.WriteAllText(PathOf("out/inference.json"), identity.ToJsonString());
        Run(Job("models/base")).ShouldBeNull();
    }

    [Fact]
    public void A_model_that_is_not_for_that_is_named()
    {
        Should.Throw<ModelFormatException>(() => Run(Job("models/base", "kind: classify"))).Message.ShouldContain("is needed");
        Should.Throw<BadDataException>(() => Run(Job("models/none"))).Message.ShouldContain("models/none");
        Should.Throw<BadDataException>(() => Run(Job("models/base", "longDocuments: error"))).Message.ShouldContain("tokens");
    }

    private JobFile Job(string model, string more = "") => JobFileParser.Parse(
        $$"""
        name: posts
        task: inference
        corpus: { files: [posts.txt], separator: "" }
        inference: { model: {{model}}, output: out, shardDocuments: 7, batch: 4{{(more.Length > 0 ? ", " + more : "")}} }
        training: { precision: fp32 }
        ranks: { max: 2 }
        """,
        "posts.yaml").OrThrow();

    // Gives what the user is to know.
    private string? Run(JobFile job)
    {
        var corpus = CorpusPreparation.Prepare(JobMapping.CorpusSettings(job), _root.FullName, PathOf("cache"));
        job = InferenceJobs.Settle(job, corpus.Manifest.Documents);
        job.Training.Steps.ShouldBe(2);
        Directory.CreateDirectory(PathOf("run"));
        using var loaded = new LoadedJob(new StartMessage(1, 1, job.ToJson(), _root.FullName, corpus.Folder, PathOf("run"), PathOf("model")), CPU);
        using var group = new SingleProcessGroup();
        loaded.Trainer.Join(group);
        loaded.Trainer.TrainStep().Tokens.ShouldBe(14);
        loaded.Trainer.TrainStep().Tokens.ShouldBe(9);
        loaded.Save();
        return loaded.Note;
    }

    private Dictionary<string, byte[]> Files() => Directory.GetFiles(PathOf("out")).ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes, StringComparer.Ordinal);

    // As the documentation has it: <s> tokens </s>, and whole windows that follow one another.
    private List<long[]> Windows(int document)
    {
        var tokenizer = ByteBpeTokenizer.Load(PathOf("models/base/tokenizer.json"));
        var tokens = new List<int>();
        tokenizer.Encode(Encoding.UTF8.GetBytes(_texts[document]), tokens);
        return [.. tokens.Chunk(30).Select(window => (long[])[tokenizer.Special.Begin!.Value, .. window.Select(token => (long)token), tokenizer.Special.Separator!.Value])];
    }

    private static Tensor Row(long[] ids) => tensor(ids).unsqueeze(0);

    private static float[] Alone(Tensor values)
    {
        using (values)
        {
            return values.data<float>().ToArray();
        }
    }

    private string PathOf(string relative) => Path.Combine(_root.FullName, relative);
}
