using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;

namespace Linformer.Protocol.Tests;

public class RoundTripTests
{
    [Fact]
    public void A_job_written_as_json_is_parsed_to_the_same_job()
    {
        Prop.ForAll(Jobs().ToArbitrary(), job =>
        {
            var json = job.ToJson();
            var again = JobFileParser.Parse(json, "job.json").OrThrow();
            again.ToJson().ShouldBe(json);
            // ToJson alone could lose a field on both ways; a few are compared by themselves.
            again.Model.ShouldBe(job.Model);
            again.Ranks.Max.ShouldBe(job.Ranks.Max);
            again.Training.WarmupSteps.ShouldBe(job.Training.WarmupSteps);
            again.Training.LearningRate.ShouldBe(job.Training.LearningRate);
            again.Training.Seed.ShouldBe(job.Training.Seed);
            again.Corpus.Separator.ShouldBe(job.Corpus.Separator);
            again.Corpus.Files.ShouldBe(job.Corpus.Files);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Fact]
    public void Json_has_every_default_in_the_order_of_the_schema()
    {
        var json = JobFileParser.Parse("name: a\ncorpus: { files: [a] }", "job.yaml").OrThrow().ToJson();
        using var document = JsonDocument.Parse(json);

        document.RootElement.EnumerateObject().Select(field => field.Name)
            .ShouldBe(["name", "task", "corpus", "model", "training", "ranks", "device", "priority"]);
        document.RootElement.GetProperty("training").GetProperty("warmupSteps").GetInt32().ShouldBe(100);
        document.RootElement.GetProperty("model").GetProperty("sharing").GetString().ShouldBe("layerwise");
        document.RootElement.GetProperty("corpus").GetProperty("tokenizer").GetProperty("kind").GetString().ShouldBe("byte-bpe");
    }

    private static Gen<JobFile> Jobs() =>
        from seed in Gen.Choose(0, int.MaxValue)
        select JobOf(new Random(seed));

    private static JobFile JobOf(Random random)
    {
        var heads = random.Next(1, 8);
        var n = random.Next(8, 1000);
        var micro = random.Next(1, 9);
        var count = random.Next(1, 9);
        var steps = random.Next(1, 10_000);
        string[] lines = ["", "true", "12", "~", "- a", "a: b #", "\"quoted\"", "é😀", " <|end|> ", "*x", "\\n"];
        return new JobFile
        {
            Name = $"job-{random.Next()}",
            InitializeFrom = random.Next(2) == 0 ? null : "models/null",
            Corpus = new CorpusSection
            {
                Files = [.. Enumerable.Range(0, random.Next(1, 4)).Select(i => $"{lines[random.Next(8, 10)]}/{i}/**/*.txt")],
                Separator = random.Next(3) == 0 ? null : lines[random.Next(lines.Length)],
                Tokenizer = random.Next(2) == 0 ? new() { File = "1" } : new() { VocabularySize = random.Next(261, 9999) },
                HeldOut = Math.BitDecrement(0.5) * random.NextDouble() + 1e-12,
            },
            Model = new ModelSection
            {
                Preset = ModelPresets.All[random.Next(4)].Preset,
                Heads = heads,
                Hidden = heads * random.Next(1, 100),
                SequenceLength = n,
                ProjectedLength = random.Next(1, n + 1),
                Sharing = (SharingKind)random.Next(4),
                Attention = (AttentionKind)random.Next(2),
                Normalization = (NormalizationKind)random.Next(2),
                Dropout = random.NextDouble(),
            },
            Training = new TrainingSection
            {
                Steps = steps,
                GlobalBatch = micro * count,
                MicroBatch = micro,
                LearningRate = Math.Pow(10, -20 * random.NextDouble()),
                WarmupSteps = random.Next(0, steps + 1),
                Seed = random.NextInt64(1L << 53),
                Schedule = (ScheduleKind)random.Next(3),
                Optimizer = new() { Betas = [random.NextDouble(), random.NextDouble()], Epsilon = double.Epsilon },
            },
            Ranks = new RanksSection { Min = 1, Max = random.Next(1, count + 1) },
            Priority = random.Next(-1000, 1001),
        };
    }
}
