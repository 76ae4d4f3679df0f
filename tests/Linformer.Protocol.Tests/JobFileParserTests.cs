namespace Linformer.Protocol.Tests;

public class JobFileParserTests
{
    private const string Minimal = "name: a\ncorpus: { files: [a.txt] }\n";

    [Fact]
    public void Absent_fields_take_their_defaults()
    {
        var job = Parse(Minimal).OrThrow();

        job.Name.ShouldBe("a");
        job.Task.ShouldBe(JobTask.MaskedLm);
        job.InitializeFrom.ShouldBeNull();
        job.Device.ShouldBe(DeviceKind.Auto);
        job.Priority.ShouldBe(0);
        job.Corpus.Files.ShouldBe(["a.txt"]);
        job.Corpus.HeldOut.ShouldBe(0.01);
        job.Corpus.Tokenizer.Kind.ShouldBe(TokenizerKind.ByteBpe);
        job.Corpus.Tokenizer.VocabularySize.ShouldBe(8192);
        job.Model.Preset.ShouldBe("linformer-small");
        job.Model.Sharing.ShouldBe(SharingKind.Layerwise);
        job.Model.Attention.ShouldBe(AttentionKind.Linear);
        job.Model.Normalization.ShouldBe(NormalizationKind.Pre);
        job.Model.Dropout.ShouldBe(0.1);
        job.Training.Steps.ShouldBe(1000);
        job.Training.WarmupSteps.ShouldBe(100);
        job.Training.Precision.ShouldBe(PrecisionKind.Auto);
        job.Training.OnBadLoss.ShouldBe(BadLossAction.Stop);
        job.Training.Optimizer.Betas.ShouldBe([0.9, 0.98]);
        job.Ranks.Min.ShouldBe(1);
        job.Ranks.Max.ShouldBe(1);
        job.Ranks.Threads.ShouldBe(1);
    }

    [Theory]
    [InlineData("name: a\ncorpus: { files: [a] }\ntraining: { microBatch: auto, globalBatch: 7 }")]
    [InlineData("""{ "name": "a", "corpus": { "files": ["a"] }, "training": { "microBatch": "auto", "globalBatch": 7 } }""")]
    public void A_micro_batch_may_be_left_to_the_machines(string text)
    {
        var job = Parse(text).OrThrow();

        job.Training.MicroBatch.ShouldBeNull();
        job.Training.MicroBatches.ShouldBe(7);
        job.ToJson().ShouldContain("\"microBatch\": \"auto\"");
        Parse(job.ToJson()).OrThrow().Training.MicroBatch.ShouldBeNull();
    }

    [Fact]
    public void Every_given_field_arrives()
    {
        var job = Parse(
            """
            name: full-1
            task: masked-lm
            initializeFrom: models/a
            corpus:
              files: ["a/*.txt", b.jsonl.gz]
              separator: "<|end|>"
              tokenizer: { kind: byte-bpe, vocabularySize: 261 }
              heldOut: 0.25
              shuffleBlock: 7
            model: { preset: linformer-tiny, layers: 3, heads: 6, hidden: 12, feedForward: 13, sequenceLength: 14, projectedLength: 14,
                     sharing: key-value, attention: full, normalization: post, dropout: 0 }
            training:
              steps: 9
              globalBatch: 12
              microBatch: 3
              learningRate: 1e-2
              warmupSteps: 9
              schedule: cosine
              weightDecay: .5
              clipNorm: 2
              optimizer: { betas: [0, 0.5], epsilon: 1.0E-9 }
              maskProbability: 0.3
              precision: bf16
              wire: bf16
              localSteps: 1
              shardOptimizer: true
              outerLearningRate: 0.5
              outerMomentum: 0.25
              seed: 9007199254740991
              evaluateEvery: 4
              checkpointEvery: 5
              keepCheckpoints: 6
              onBadLoss: skip
            ranks: { min: 2, max: 4, threads: 8 }
            device: cpu
            priority: -3
            """).OrThrow();

        job.Name.ShouldBe("full-1");
        job.InitializeFrom.ShouldBe("models/a");
        job.Corpus.Files.ShouldBe(["a/*.txt", "b.jsonl.gz"]);
        job.Corpus.Separator.ShouldBe("<|end|>");
        job.Corpus.Tokenizer.VocabularySize.ShouldBe(261);
        job.Corpus.HeldOut.ShouldBe(0.25);
        job.Corpus.ShuffleBlock.ShouldBe(7);
        (job.Model with { Preset = "" }).ShouldBe(new ModelSection
        {
            Preset = "",
            Layers = 3,
            Heads = 6,
            Hidden = 12,
            FeedForward = 13,
            SequenceLength = 14,
            ProjectedLength = 14,
            Sharing = SharingKind.KeyValue,
            Attention = AttentionKind.Full,
            Normalization = NormalizationKind.Post,
            Dropout = 0,
        });
        job.Training.Optimizer.Betas.ShouldBe([0, 0.5]);
        job.Training.Optimizer.Epsilon.ShouldBe(1e-9);
        (job.Training with { Optimizer = null! }).ShouldBe(new TrainingSection
        {
            Steps = 9,
            GlobalBatch = 12,
            MicroBatch = 3,
            LearningRate = 0.01,
            WarmupSteps = 9,
            Schedule = ScheduleKind.Cosine,
            WeightDecay = 0.5,
            ClipNorm = 2,
            Optimizer = null!,
            MaskProbability = 0.3,
            Precision = PrecisionKind.Bf16,
            Wire = WireKind.Bf16,
            LocalSteps = 1,
            ShardOptimizer = true,
            OuterLearningRate = 0.5,
            OuterMomentum = 0.25,
            Seed = 9_007_199_254_740_991,
            EvaluateEvery = 4,
            CheckpointEvery = 5,
            KeepCheckpoints = 6,
            OnBadLoss = BadLossAction.Skip,
        });
        job.Ranks.ShouldBe(new RanksSection { Min = 2, Max = 4, Threads = 8 });
        job.Device.ShouldBe(DeviceKind.Cpu);
        job.Priority.ShouldBe(-3);
    }

    [Theory]
    [InlineData("linformer-tiny", 2, 4, 128, 512, 128, 32)]
    [InlineData("linformer-small", 4, 4, 256, 1024, 512, 128)]
    [InlineData("linformer-base", 12, 12, 768, 3072, 512, 128)]
    [InlineData("linformer-large", 24, 16, 1024, 4096, 512, 128)]
    public void A_preset_gives_the_fields_that_are_absent(string name, int layers, int heads, int hidden, int feedForward, int n, int k)
    {
        var job = Parse($"{Minimal}model: {{ layers: {layers + 1}, preset: {name} }}").OrThrow();

        job.Model.ShouldBe(new ModelSection
        {
            Preset = name,
            Layers = layers + 1,
            Heads = heads,
            Hidden = hidden,
            FeedForward = feedForward,
            SequenceLength = n,
            ProjectedLength = k,
        });
    }

    [Fact]
    public void Overriding_a_preset_leaves_the_preset_as_it_is()
    {
        Parse($"{Minimal}model: {{ preset: linformer-tiny, layers: 9 }}").OrThrow();

        Parse($"{Minimal}model: {{ preset: linformer-tiny }}").OrThrow().Model.Layers.ShouldBe(2);
    }

    [Fact]
    public void Json_is_accepted_with_tabs_and_escapes()
    {
        var job = Parse("{\n\t\"name\":\"a\",\n\t\"corpus\":{\"files\":[\"d\\u00e9\\/\\ud83d\\ude00.txt\"]},\"training\":{\"learningRate\":5E-05}}").OrThrow();

        job.Corpus.Files.ShouldBe(["dé/😀.txt"]);
        job.Training.LearningRate.ShouldBe(5e-5);
    }

    [Fact]
    public void A_tokenizer_file_replaces_kind_and_size()
    {
        var tokenizer = Parse("name: a\ncorpus: { files: [a], tokenizer: { file: t/tokenizer.json } }").OrThrow().Corpus.Tokenizer;

        tokenizer.ShouldBe(new TokenizerSection { File = "t/tokenizer.json" });
        tokenizer.VocabularySize.ShouldBeNull();
        tokenizer.Kind.ShouldBeNull();
    }

    [Fact]
    public void All_errors_are_reported_with_their_places()
    {
        var result = Parse(
            """
            name: Not A Name
            taks: masked-lm
            corpus:
              files: []
            model:
              heads: 3
            training:
              steps: many
              learningRate: 0
            """);

        result.Job.ShouldBeNull();
        result.Errors.Select(error => (error.Path, error.Line, error.Column)).ShouldBe(
        [
            ("name", 1, 7), ("taks", 2, 1), ("corpus.files", 4, 10), ("model.heads", 6, 10), ("training.steps", 8, 10), ("training.learningRate", 9, 17),
        ]);
        result.Errors[3].ToString().ShouldBe(
            "job.yaml:6:10: model.heads: 3 does not divide model.hidden, 256 (from preset linformer-small); allowed are its divisors");
        Should.Throw<JobFileException>(() => result.OrThrow()).Message.Split('\n').Length.ShouldBe(6);
    }

    [Fact]
    public void The_number_of_reported_errors_is_bounded()
    {
        var result = Parse(string.Concat(Enumerable.Range(0, 50_000).Select(i => $"x{i}: 1\n")));

        result.Errors.Count.ShouldBe(101);
        result.Errors[^1].Message.ShouldBe("and 49,902 more errors");
    }

    [Fact]
    public void A_wrong_section_does_not_hide_errors_elsewhere()
    {
        var result = Parse("name: a\ncorpus: 3\nmodel: [1]\nranks: { min: 0 }");

        result.Errors.Select(error => error.Path).ShouldBe(["corpus", "model", "ranks.min"]);
    }

    private static JobFileResult Parse(string text) => JobFileParser.Parse(text, "job.yaml");
}
