namespace Linformer.Protocol.Tests;

public class ReferenceTests
{
    [Fact]
    public void The_reference_page_is_current() =>
        File.ReadAllText(Path.Combine(Repository.Root, "docs", "job-file.md"))
            .ShouldBe(JobFileReference.ToMarkdown(), "write it anew: ./linformer job-file-docs > docs/job-file.md");

    [Theory]
    [InlineData("| `steps` | 1000 | a whole number, 1 to 1,000,000,000 (steps) | Optimizer steps in all. |")]
    [InlineData("| `sharing` | `layerwise` | `none`, `headwise`, `key-value`, `layerwise` |")]
    [InlineData("| `learningRate` | 5e-4 | a number, above 0, at most 10 |")]
    [InlineData("| `linformer-tiny` | 2 | 4 | 128 | 512 | 128 | 32 |")]
    [InlineData("- `ranks.min` is at most `ranks.max`.")]
    public void The_reference_page_tells(string line) => JobFileReference.ToMarkdown().ShouldContain(line);

    [Fact]
    public void Every_example_is_valid()
    {
        var examples = Directory.GetFiles(Path.Combine(Repository.Root, "examples"), "*.yaml", SearchOption.AllDirectories);

        examples.ShouldNotBeEmpty();
        foreach (var example in examples)
            JobFileParser.Load(example).Errors.ShouldBeEmpty(example);
    }
}
