using Linformer.Bench;
using Linformer.Bench.Quality;
using Linformer.Data.Corpora;
using Linformer.Data.Labelled;
using Linformer.Protocol;
using Linformer.Worker.Jobs;

namespace Linformer.Cli.Tests;

/// <summary>The paper's job files as <c>bench paper</c> runs them.</summary>
public sealed class PaperBenchmarkTests
{
    [Fact]
    public void EachFileInSmallIsAJobFileAndKeepsWhatItIsAbout()
    {
        foreach (var job in Jobs())
        {
            var small = Small(job);

            var parsed = JobFileParser.Parse(small.ToJson(), job.Name).OrThrow();
            (parsed.Model.SequenceLength, parsed.Model.ProjectedLength, parsed.Model.Sharing, parsed.Model.Attention, parsed.Model.Normalization)
                .ShouldBe((job.Model.SequenceLength, job.Model.ProjectedLength, job.Model.Sharing, job.Model.Attention, job.Model.Normalization), job.Name);
            parsed.Training.Steps.ShouldBe(job.Training.Steps / 1000, job.Name);
        }
    }

    [Fact]
    public void MadeUpExamplesHaveTheLayoutThatTheFilesOfFineTuningRead()
    {
        var root = Directory.CreateTempSubdirectory("linformer-made-up-").FullName;
        try
        {
            MadeUpTasks.Write(root);
            foreach (var job in Jobs().Where(job => PaperBenchmark.PretrainingOf(job) is not null))
            {
                var small = Small(job);
                var (corpus, layout) = (small.Corpus, JobMapping.CorpusSettings(small).Examples!);
                foreach (var (patterns, count) in new[] { (corpus.Files, 400), (corpus.HeldOutFiles!, 100) })
                {
                    var examples = CorpusFiles.Resolve(root, patterns).SelectMany(file => ExampleReader.Read(file, layout)).ToList();
                    examples.Count.ShouldBe(count, job.Name);
                    examples.CountBy(example => example.Label).Select(pair => pair.Value).ShouldBe([count / 2, count / 2], job.Name);
                }
            }
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static JobFile Small(JobFile job) => PaperBenchmark.PretrainingOf(job) is { } pretraining
        ? PaperBenchmark.FineTuningInSmall(job, $"models/{pretraining}")
        : PaperBenchmark.InSmall(job, "corpora/demo/*.txt");

    private static List<JobFile> Jobs() =>
        [.. Directory.GetFiles(Path.Combine(Repository.Root(), "examples", "paper"), "*.yaml", SearchOption.AllDirectories).Select(path => JobFileParser.Load(path).OrThrow())];
}
