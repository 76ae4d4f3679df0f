using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Classification;
using TorchSharp;

namespace EndToEnd;

/// <summary>A model that tells whether two words have the same first letter: trained from a job file, measured, and asked.</summary>
[Trait("Lane", "Processes")]
public sealed class ClassifierCommandTests(PairClassifier classifier) : IClassFixture<PairClassifier>
{
    private const int Hidden = 32;

    private string Model => classifier.Workspace.Model("pairs");

    [Fact]
    public async Task Classes_are_those_of_the_model_as_it_is_defined_and_are_measured_so()
    {
        var answers = (await LinformerProcess.SucceedAsync("classify", Model, "--file", classifier.Lines, "--pairs", "--output", "json"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement)
            .ToList();

        answers.Select(answer => $"{answer.GetProperty("text").GetString()}\t{answer.GetProperty("textPair").GetString()}").ShouldBe(await File.ReadAllLinesAsync(classifier.Lines));
        foreach (var (answer, expected) in answers.Zip(ProbabilitiesOfYes()))
        {
            var probabilities = answer.GetProperty("probabilities");
            var (no, yes) = (probabilities.GetProperty("no").GetDouble(), probabilities.GetProperty("yes").GetDouble());
            yes.ShouldBe(expected, 1e-4);
            (no + yes).ShouldBe(1, 1e-9);
            answer.GetProperty("label").GetString().ShouldBe(yes > no ? "yes" : "no");
        }

        var right = answers.Zip(File.ReadLines(classifier.Table).Skip(1)).Count(pair => pair.Second.EndsWith("\t" + pair.First.GetProperty("label").GetString(), StringComparison.Ordinal));
        using var measured = JsonDocument.Parse(await LinformerProcess.SucceedAsync(
            "evaluate", Model, classifier.Table, "--text", "first", "--text-pair", "second", "--label", "same", "--output", "json"));
        measured.RootElement.GetProperty("measures").GetProperty("accuracy").GetDouble().ShouldBe((double)right / answers.Count, 1e-6);
    }

    [Fact]
    public async Task Vectors_of_texts_are_written_as_numbers_that_others_read()
    {
        var lines = (await LinformerProcess.SucceedAsync("embed", Model, "abc", "b", "--pooling", "first"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("embedding").EnumerateArray().Select(number => number.GetSingle()).ToArray())
            .ToList();
        var path = Path.Combine(classifier.Workspace.Root, "vectors.npy");
        await LinformerProcess.SucceedAsync("embed", Model, "abc", "b", "--pooling", "first", "--to", path);

        lines.Select(line => line.Length).ShouldBe([Hidden, Hidden]);
        var bytes = await File.ReadAllBytesAsync(path);
        Encoding.ASCII.GetString(bytes, 10, 60).ShouldStartWith("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 32), }");
        MemoryMarshal.Cast<byte, float>(bytes.AsSpan(bytes.Length - (2 * Hidden * sizeof(float)))).ToArray().ShouldBe(lines.SelectMany(line => line), 1e-5);
    }

    [Fact]
    public async Task A_class_that_only_held_out_files_have_is_refused_before_the_first_step()
    {
        var workspace = classifier.Workspace;
        await File.WriteAllTextAsync(workspace.Corpus("held-out.tsv"), "first\tsecond\tsame\nab\tac\tyes\nab\tbc\tperhaps\n");
        var job = Path.Combine(workspace.Root, "strange.yaml");
        await File.WriteAllTextAsync(job, PairClassifier.Job.Replace("name: pairs", "name: strange", StringComparison.Ordinal)
            .Replace("heldOut: 0.1", "heldOutFiles: [\"corpora/held-out.tsv\"]", StringComparison.Ordinal));

        var result = await LinformerProcess.RunAsync(workspace.Train(job));

        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain("corpora/held-out.tsv, line 3: the class \"perhaps\" is in corpus.heldOutFiles and not in corpus.files, so the model would never learn it. The classes of corpus.files are: no, yes.");
        workspace.NewestCheckpoint("strange").ShouldBe(0);
    }

    [Theory]
    [InlineData("abc", "--pairs", "Text 1 is no pair")]
    [InlineData("qwertyuiopasdfghjklzxcvbnm", "", "say what to do with --long truncate or --long windows")]
    public async Task What_cannot_be_classified_is_named(string text, string option, string expected)
    {
        var result = await LinformerProcess.RunAsync(["classify", Model, text, .. option.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);

        result.ExitCode.ShouldBe(1);
        result.Error.ShouldContain(expected);
    }

    // The network operator by operator, a pair at a time, so without kernels and without padding.
    private List<double> ProbabilitiesOfYes()
    {
        using var model = ModelFolder.Load(Model, ModelKind.Classification, of => new ClassificationModel(of.Config, of.Classification!));
        model.eval();
        var tokenizer = TokenizerFile.Load(Path.Combine(Model, ModelFolder.TokenizerName));
        var encoder = new ExampleEncoder(tokenizer.Special, model.Config.SequenceLength, LongDocuments.Error);
        var yes = model.Head.Classes.IndexOf("yes");
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        return
        [
            .. File.ReadLines(classifier.Lines).Select(line => line.Split('\t')).Select(pair =>
            {
                var ids = encoder.Encode(new ExampleText(tokenizer.Encode(pair[0]), tokenizer.Encode(pair[1])))[0];
                var scores = model.call(torch.tensor(Array.ConvertAll(ids, id => (long)id), [1, ids.Length]), null).data<float>().ToArray();
                return Math.Exp(scores[yes]) / scores.Sum(score => Math.Exp(score));
            }),
        ];
    }
}

/// <summary>A classifier of pairs of words.</summary>
public sealed class PairClassifier : IAsyncLifetime
{
    private const int Pairs = 200;

    internal const string Job = """
        name: pairs
        task: classification
        corpus:
          files: ["corpora/pairs.tsv"]
          examples: { layout: tsv, text: first, textPair: second, label: same }
          tokenizer: { kind: byte-bpe, vocabularySize: 300 }
          heldOut: 0.1
        model: { layers: 1, heads: 2, hidden: 32, feedForward: 64, sequenceLength: 16, projectedLength: 8, dropout: 0 }
        training: { steps: 40, globalBatch: 16, microBatch: 8, learningRate: 5.0e-3, warmupSteps: 10, evaluateEvery: 20, checkpointEvery: 20 }
        """;

    internal Workspace Workspace { get; } = new();

    internal string Table => Workspace.Corpus("pairs.tsv");

    internal string Lines => Path.Combine(Workspace.Root, "lines.txt");

    public async Task InitializeAsync()
    {
        var random = new Random(1);
        var pairs = Enumerable.Range(0, Pairs).Select(_ => (First: Word(random), Second: Word(random))).ToList();
        var table = new StringBuilder("first\tsecond\tsame\n");
        foreach (var (first, second) in pairs)
        {
            table.Append(CultureInfo.InvariantCulture, $"{first}\t{second}\t{(first[0] == second[0] ? "yes" : "no")}\n");
        }

        await File.WriteAllTextAsync(Table, table.ToString());
        await File.WriteAllLinesAsync(Lines, pairs.Select(pair => $"{pair.First}\t{pair.Second}"));
        var job = Path.Combine(Workspace.Root, "pairs.yaml");
        await File.WriteAllTextAsync(job, Job);
        await LinformerProcess.SucceedAsync(Workspace.Train(job));
    }

    public Task DisposeAsync()
    {
        Workspace.Dispose();
        return Task.CompletedTask;
    }

    private static string Word(Random random) => new([.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => "abc"[random.Next(3)])]);
}
