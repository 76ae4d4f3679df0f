using Linformer.Data;
using Linformer.Protocol;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;
using static TorchSharp.torch;

namespace Linformer.Worker.Tests.Ranks;

/// <summary>Tasks that cannot be made leave no file of their corpus open.</summary>
public sealed class UnfinishedTaskTests : IDisposable
{
    private const string Text = "corpus: { files: [text.txt], tokenizer: { vocabularySize: 300 }, separator: \"\", heldOut: 0.05 }";
    private const string Pairs = "corpus: { files: [pairs.tsv], examples: { layout: tsv }, tokenizer: { vocabularySize: 300 }, heldOut: 1.0e-9 }";

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("linformer-unfinished-");

    public UnfinishedTaskTests()
    {
        File.WriteAllText(Path.Combine(_root.FullName, "text.txt"), string.Concat(Enumerable.Range(0, 300).Select(i => $"line {i} of {i * 7919 % 97}\n\n")));
        File.WriteAllText(Path.Combine(_root.FullName, "pairs.tsv"), "text\tlabel\n" + string.Concat(Enumerable.Range(0, 30).Select(i => $"line {i}\tother {i}\n")));
    }

    public void Dispose() => _root.Delete(recursive: true);

    [Theory]
    [InlineData("masked-lm", Text, "maskProbability: 1.0e-9", "held-out tokens is masked")]
    [InlineData("sequence-to-sequence", Pairs, "", "0 held-out pairs")]
    public void Its_shards_are_closed(string task, string corpus, string training, string reason)
    {
        var job = JobFileParser.Parse(
            $$"""
            name: tiny
            task: {{task}}
            {{corpus}}
            model: { layers: 1, heads: 2, hidden: 16, feedForward: 32, sequenceLength: 32, projectedLength: 8 }
            training: { steps: 10, globalBatch: 12, microBatch: 2, precision: fp32{{(training.Length > 0 ? ", " + training : "")}} }
            """,
            "tiny.yaml").OrThrow();
        var folder = CorpusPreparation.Prepare(JobMapping.CorpusSettings(job), _root.FullName, Path.Combine(_root.FullName, "cache")).Folder;

        Should.Throw<BadDataException>(() => new LoadedJob(
            new StartMessage(1, 1, job.ToJson(), _root.FullName, folder, Path.Combine(_root.FullName, "run"), Path.Combine(_root.FullName, "model")), CPU)).Message.ShouldContain(reason);

        Directory.GetFiles("/proc/self/fd").Select(fd => new FileInfo(fd).LinkTarget ?? "").ShouldNotContain(path => path.StartsWith(folder, StringComparison.Ordinal));
    }
}
