namespace Linformer.Protocol.Tests;

/// <summary>Examples that go on with the model of another example.</summary>
public class ExampleChainTests
{
    private static readonly string Examples = Path.Combine(Repository.Root, "examples");

    [Fact]
    public void Each_fine_tuning_of_the_paper_has_the_model_that_it_begins_with()
    {
        var pretrained = Load("paper", SearchOption.TopDirectoryOnly).ToDictionary(job => $"models/{job.Name}");
        var fineTunings = Load(Path.Combine("paper", "fine-tuning"), SearchOption.AllDirectories);

        fineTunings.Count.ShouldBe(4 * 3);
        foreach (var job in fineTunings)
        {
            pretrained.Keys.ShouldContain(job.InitializeFrom, job.Name);
            Shape(job).ShouldBe(Shape(pretrained[job.InitializeFrom!]), job.Name);
            job.Corpus.Tokenizer.File.ShouldBe($"{job.InitializeFrom}/tokenizer.json", job.Name);
        }
    }

    [Fact]
    public void The_example_that_goes_on_at_a_longer_n_differs_in_n_alone()
    {
        var jobs = Load("longer", SearchOption.TopDirectoryOnly);
        var (first, second) = (jobs.Single(job => job.InitializeFrom is null), jobs.Single(job => job.InitializeFrom is not null));

        second.InitializeFrom.ShouldBe($"models/{first.Name}");
        second.Corpus.Tokenizer.File.ShouldBe($"models/{first.Name}/tokenizer.json");
        (first.Model.SequenceLength, second.Model.SequenceLength).ShouldBe((512, 4096));
        Shape(second with { Model = second.Model with { SequenceLength = 512 } }).ShouldBe(Shape(first));
    }

    private static List<JobFile> Load(string folder, SearchOption option) =>
        [.. Directory.GetFiles(Path.Combine(Examples, folder), "*.yaml", option).Select(path => JobFileParser.Load(path).OrThrow())];

    // As JSON: lists are compared by what they hold.
    private static string Shape(JobFile job) => System.Text.Json.Nodes.JsonNode.Parse(job.ToJson())!["model"]!.ToJsonString();
}
