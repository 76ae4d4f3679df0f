namespace Linformer.Protocol.Tests;

public class InferenceJobTests
{
    private const string Least = "name: a\ntask: inference\ncorpus: { files: [a.txt] }\ninference: { model: models/m }\n";

    [Fact]
    public void Tokenizer_and_batches_follow_from_the_task()
    {
        var job = JobFileParser.Parse(Least + "ranks: { max: 16 }\ntraining: { microBatch: auto, globalBatch: 3, warmupSteps: 100 }", "a").OrThrow();

        job.Corpus.Tokenizer.File.ShouldBe("models/m/tokenizer.json");
        job.Training.MicroBatches.ShouldBe(16);
        job.Training.WarmupSteps.ShouldBe(0);
        JobFileParser.Parse(job.ToJson(), "again").OrThrow().ToJson().ShouldBe(job.ToJson());
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2000, 1)]
    [InlineData(2001, 2)]
    [InlineData(10_000_000_000, 5_000_000)]
    public void Steps_are_as_many_as_the_documents_take(long documents, int steps)
    {
        var job = InferenceJobs.Settle(JobFileParser.Parse(Least + "ranks: { max: 2 }", "a").OrThrow(), documents);

        job.Training.Steps.ShouldBe(steps);
        JobFileParser.Parse(job.ToJson(), "again").OrThrow().Training.Steps.ShouldBe(steps);
    }

    [Theory]
    [InlineData("name: a\ntask: inference\ncorpus: { files: [a.txt] }", "inference", "is missing; task inference needs inference.model")]
    [InlineData("name: a\ntask: inference\ninference: { model: m }", "corpus", "is missing; it needs corpus.files")]
    [InlineData("name: a\ncorpus: { files: [a.txt] }\ninference: { model: m }", "inference", "goes with task inference only; the task is 'masked-lm' (the default)")]
    [InlineData("name: a\ntask: inference\ncorpus: { files: [a.txt] }\ninference: { model: m, kind: guess }", "inference.kind", "'guess' is unknown; allowed: embed, classify")]
    [InlineData("name: a\ntask: inference\ncorpus: { files: [a.txt] }\ninference: { model: m, output: ../x }", "inference.output", "leaves the storage root")]
    public void What_is_wrong_is_named(string file, string path, string message)
    {
        var errors = JobFileParser.Parse(file, "a").Errors;

        errors.ShouldContain(error => error.Path == path && error.Message.Contains(message, StringComparison.Ordinal), string.Join('\n', errors));
    }
}
