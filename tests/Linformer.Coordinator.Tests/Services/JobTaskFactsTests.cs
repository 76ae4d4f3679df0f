using Linformer.Coordinator.Services.Mapping;
using Linformer.Protocol;

namespace Linformer.Coordinator.Tests.Services;

public class JobTaskFactsTests
{
    [Theory]
    [InlineData("{ name: a, corpus: { files: [a.txt] } }", "masked-lm", 0)]
    [InlineData("{ name: a, task: causal-lm, corpus: { files: [a.txt] } }", "causal-lm", 0)]
    [InlineData("{ name: a, task: inference, inference: { model: m, shardDocuments: 50 }, corpus: { files: [a.txt] }, ranks: { max: 3 } }", "inference", 150)]
    public void They_are_those_of_the_resolved_file(string file, string task, long documents)
    {
        var job = InferenceJobs.Derive(JobFileParser.Parse(file, "job.yaml").OrThrow());

        JobTaskFacts.Of(job.ToJson()).ShouldBe(new JobTaskFacts(task, documents));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("{\"task\": 5}")]
    [InlineData("{\"inner\": {\"task\": \"inference\"}}")]
    public void What_is_no_job_file_of_today_has_none(string json) => JobTaskFacts.Of(json).ShouldBe(new JobTaskFacts("", 0));

    [Fact]
    public void Inference_without_numbers_has_no_documents() => JobTaskFacts.Of("{\"task\": \"inference\", \"inference\": {}}").ShouldBe(new JobTaskFacts("inference", 0));
}
