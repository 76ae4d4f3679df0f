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
            (again.Model with { ProjectedLengths = null, FeedForwards = null }).ShouldBe(job.Model with { ProjectedLengths = null, FeedForwards = null });
            again.Model.ProjectedLengths.ShouldBe(job.Model.ProjectedLengths);
            again.Model.FeedForwards.ShouldBe(job.Model.FeedForwards);
            again.Ranks.Max.ShouldBe(job.Ranks.Max);
            again.Training.WarmupSteps.ShouldBe(job.Training.WarmupSteps);
            again.Training.LearningRate.ShouldBe(job.Training.LearningRate);
            again.Training.MicroBatch.ShouldBe(job.Training.MicroBatch);
            again.Training.Seed.ShouldBe(job.Training.Seed);
            again.Task.ShouldBe(job.Task);
            again.Corpus.Examples.ShouldBe(job.Corpus.Examples);
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
        var layers = random.Next(1, 6);
        var n = random.Next(8, 1000);
        var micro = random.Next(1, 9);
        var count = random.Next(1, 9);
        var steps = random.Next(1, 10_000);
        // Causal attention is for decoders, and so are the fields of segments and of a decoder.
        var task = new[] { JobTask.MaskedLm, JobTask.CausalLm, JobTask.SequenceToSequence }[random.Next(3)];
        string[] lines = ["", "true", "12", "~", "- a", "a: b #", "\"quoted\"", "é😀", " <|end|> ", "*x", "\\n"];
        return new JobFile
        {
            Name = $"job-{random.Next()}",
            Task = task,
            InitializeFrom = random.Next(2) == 0 ? null : "models/null",
            Corpus = new CorpusSection
            {
                Files = [.. Enumerable.Range(0, random.Next(1, 4)).Select(i => $"{lines[random.Next(8, 10)]}/{i}/**/*.txt")],
                Examples = task == JobTask.SequenceToSequence ? new() { Layout = ExampleLayoutKind.Jsonl, Text = lines[7], Label = lines[6] } : null,
                Separator = random.Next(3) == 0 ? null : lines[random.Next(lines.Length)],
                Tokenizer = random.Next(2) == 0 ? new() { File = "1" } : new() { VocabularySize = random.Next(261, 9999) },
                HeldOut = Math.BitDecrement(0.5) * random.NextDouble() + 1e-12,
            },
            Model = task == JobTask.MaskedLm ? ModelOf(random, heads, layers, n) : DecoderOf(random, ModelOf(random, heads, layers, n), n),
            Training = new TrainingSection
            {
                Steps = steps,
                GlobalBatch = micro * count,
                MicroBatch = random.Next(4) == 0 ? null : micro,
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

    private static ModelSection ModelOf(Random random, int heads, int layers, int n)
    {
        var widths = random.Next(2) == 0;
        var lengths = random.Next(2) == 0;
        return new ModelSection
        {
            Preset = ModelPresets.All[random.Next(4)].Preset,
            Layers = layers,
            Heads = heads,
            HeadSize = widths ? random.Next(1, 100) : null,
            Hidden = (widths ? 1 : heads) * 2 * random.Next(1, 100),
            Embedding = random.Next(2) == 0 ? null : 2 * random.Next(1, 50),
            SequenceLength = n,
            ProjectedLength = random.Next(1, n + 1),
            ProjectedLengths = lengths ? [.. Enumerable.Range(0, layers).Select(_ => random.Next(1, n + 1))] : null,
            ProjectedLengthStep = lengths ? 0 : random.Next(3),
            Sharing = lengths ? (SharingKind)random.Next(3) : SharingKind.KeyValue,
            Projection = random.Next(2) == 0 ? ProjectionKind.Learned : ProjectionKind.Fixed,
            TrainProjection = random.Next(2) == 0,
            Attention = (AttentionKind)random.Next(2),
            KeyValueHeads = random.Next(3) switch { 0 => null, 1 => 1, _ => heads },
            ShareKeyValue = random.Next(2) == 0,
            AttentionBias = random.Next(2) == 0,
            Positions = (PositionsKind)random.Next(2),
            PositionBase = 2 + random.NextDouble(),
            Activation = (ActivationKind)random.Next(2),
            Gated = random.Next(2) == 0,
            FeedForwards = random.Next(2) == 0 ? [.. Enumerable.Range(0, layers).Select(_ => random.Next(1, 1000))] : null,
            Normalization = (NormalizationKind)random.Next(2),
            OuterNorm = random.Next(2) == 0,
            Head = (HeadKind)random.Next(2),
            Dropout = random.NextDouble(),
            AttentionDropout = random.Next(2) == 0 ? null : random.NextDouble(),
            EmbeddingDropout = random.Next(2) == 0 ? null : random.NextDouble(),
            FeedForwardDropout = random.NextDouble(),
            ProjectionDropout = random.NextDouble(),
            Checkpointing = (CheckpointingKind)random.Next(3),
        };
    }

    private static ModelSection DecoderOf(Random random, ModelSection model, int n) => model with
    {
        Head = HeadKind.Transformed,
        Causal = (CausalKind)random.Next(3),
        SegmentLength = random.Next(2) == 0 ? null : random.Next(1, n + 1),
        DecoderLayers = random.Next(2) == 0 ? null : random.Next(1, 100),
        CrossProjectedLength = random.Next(2) == 0 ? null : random.Next(1, n + 1),
    };
}
