using System.Text.Json;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Model.Interchange;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Training.Measures;
using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Selection;
using Linformer.Worker.Jobs;

namespace Linformer.Worker.Tests.Jobs;

public class JobMappingTests
{
    // What a rank or the launcher takes from the job itself.
    private static readonly string[] TakenElsewhere =
    [
        "name", "initializeFrom", "corpus.heldOut", "corpus.shuffleBlock", "corpus.tokenizer.kind", "plugin.assembly", "plugin.type", "plugin.settings",
        "inference.model", "inference.kind", "inference.output", "inference.pooling", "inference.longDocuments", "inference.windowStride",
        "inference.mostWindows", "inference.shardDocuments", "inference.batch", "model.preset",
        "training.maskProbability", "ranks.min", "ranks.max", "ranks.threads", "device", "priority",
    ];

    private readonly SpecialTokens _special = Special();

    [Theory]
    [InlineData("lucidrains", "sharing: headwise, attentionBias: false, outerNorm: false, head: linear")]
    [InlineData("tatp22", "sharing: headwise, attentionBias: false, outerNorm: false, head: linear, normalization: post, positions: sinusoidal, positionBase: 100000, projectionBias: true")]
    public void A_job_can_train_what_another_project_reads(string format, string fields)
    {
        var job = JobFileParser.Parse($$"""{ name: a, corpus: { files: [a.txt] }, model: { layers: 2, heads: 2, hidden: 8, feedForward: 32, sequenceLength: 16, projectedLength: 4, {{fields}} } }""", "job.yaml").OrThrow();
        using var model = new MaskedLanguageModel(JobMapping.ModelConfig(job, vocabularySize: 9));
        using var exported = ModelFormats.Export(format, model);

        exported.Tensors.Sum(tensor => tensor.Tensor.numel()).ShouldBeGreaterThan(9 * 8 * 2);
    }

    [Fact]
    public void Every_field_arrives_with_its_value()
    {
        JobMapping.ModelConfig(JobFields.Job, vocabularySize: 999).ShouldBe(new LinformerConfig
        {
            VocabularySize = 999,
            Layers = 3,
            Heads = 5,
            Hidden = 35,
            FeedForward = 71,
            SequenceLength = 97,
            ProjectedLength = 13,
            Sharing = ProjectionSharing.Headwise,
            Attention = Linformer.Model.AttentionKind.Full,
            Normalization = Normalization.Post,
            Dropout = 0.21,
            ProjectedLengths = [3, 5, 7],
            Projection = Linformer.Model.ProjectionKind.Learned,
            TrainProjection = false,
            ProjectionBias = true,
            KeyValueHeads = 1,
            HeadSize = 9,
            ShareKeyValue = true,
            AttentionBias = false,
            Embedding = 22,
            Positions = PositionKind.Sinusoidal,
            PositionBase = 5000,
            Activation = Activation.Relu,
            Gated = true,
            FeedForwards = [31, 33, 35],
            OuterNorm = false,
            AttentionDropout = 0.11,
            EmbeddingDropout = 0.12,
            FeedForwardDropout = 0.13,
            ProjectionDropout = 0.14,
            Reversible = false,
            Checkpointing = Checkpointing.Head,
            Causal = Linformer.Model.CausalKind.None,
            SegmentLength = 8,
            DecoderLayers = 6,
            CrossProjectedLength = 10,
        });
        var stepped = JobFields.Changed["model.projectedLengthStep"];
        JobMapping.ModelConfig(stepped with { Model = stepped.Model with { ProjectedLengthStep = 7 } }, 9).ProjectedLengths.ShouldBe([13, 6, 1]);
        JobMapping.TrainingOptions(JobFields.Job).ShouldBe(new TrainingOptions
        {
            Steps = 1013,
            GlobalBatch = 24,
            MicroBatch = 6,
            LearningRate = new LearningRateSchedule(ScheduleShape.Cosine, Peak: 3.7e-4, WarmupSteps: 41, Steps: 1013),
            Optimizer = new AdamWOptions(Beta1: 0.85, Beta2: 0.97, Epsilon: 3e-7, WeightDecay: 0.07),
            ClipNorm = 2.5,
            LocalSteps = 5,
            Outer = new OuterOptimizerOptions(LearningRate: 0.6, Momentum: 0.8),
            Precision = Precision.Float32,
            Wire = WireFormat.BFloat16,
            Seed = 9_007_199_254_740_991,
            EvaluateEvery = 29,
            CheckpointEvery = 31,
            KeepCheckpoints = 4,
            JudgesJumps = false,
            KeepBest = MeasureNames.Accuracy,
            EarlyStopping = new EarlyStoppingOptions(MeasureNames.MacroF1, Patience: 7),
            OnBadLoss = BadLossRule.Skip,
        });
        var corpus = JobMapping.CorpusSettings(JobFields.Job);
        corpus.Files.ShouldBe(["a.jsonl", "b/*.jsonl"]);
        corpus.HeldOutFiles.ShouldBe(["c.jsonl"]);
        var examples = corpus.Examples.ShouldNotBeNull();
        (examples.Format, examples.Text, examples.TextPair, examples.Label, examples.IsNumber, examples.SkipsBadLines)
            .ShouldBe((ExampleFormat.JsonLines, "one", "two", "kind", false, true));
        examples.Classes.ShouldBe(["no", "yes"]);
        (corpus.TokenizerFile, corpus.VocabularySize, corpus.Separator).ShouldBe((null, 1234, "---"));
        var withFile = JobMapping.CorpusSettings(JobFields.Changed["corpus.tokenizer.file"]);
        withFile.TokenizerFile.ShouldBe("tokenizer.json");
        var head = JobMapping.ClassificationHead(JobFields.Job, ["no", "yes"]);
        head.Classes.ShouldBe(["no", "yes"]);
        head.Pooling.ShouldBe(Pooling.Mean);
        JobMapping.InitialScale(JobFields.Job).ShouldBe(InitialScale.FanIn);
        // Windows of 97 - 2 tokens, the second one 20 tokens on, and three at most of the six that there are.
        var rows = Rows(JobFields.Job);
        rows.Select(row => row.Length).ShouldBe([97, 97, 97]);
        rows.Select(row => row[1]).ShouldBe([1000, 1020, 1040]);
    }

    // A field that is added to the job file has to be added here, and to what becomes of it.
    [Fact]
    public void Every_field_makes_a_difference_or_is_taken_elsewhere()
    {
        JobFields.Changed.Keys.ShouldBe(JobFields.AllPaths(), ignoreOrder: true);
        foreach (var (path, job) in JobFields.Changed)
        {
            (Mapped(job) == Mapped(JobFields.BaseOf(path))).ShouldBe(TakenElsewhere.Contains(path), path);
        }
    }

    [Fact]
    public void Every_choice_has_the_choice_of_the_same_name()
    {
        foreach (var sharing in Enum.GetValues<SharingKind>())
        {
            Config(m => m with { Sharing = sharing }).Sharing.ToString().ShouldBe(sharing.ToString());
        }

        foreach (var attention in Enum.GetValues<Linformer.Protocol.AttentionKind>())
        {
            Config(m => m with { Attention = attention }).Attention.ToString().ShouldBe(attention.ToString());
        }

        foreach (var projection in Enum.GetValues<Linformer.Protocol.ProjectionKind>())
        {
            Config(m => m with { Projection = projection }).Projection.ToString().ShouldBe(projection.ToString());
        }

        foreach (var positions in Enum.GetValues<PositionsKind>())
        {
            Config(m => m with { Positions = positions }).Positions.ToString().ShouldBe(positions.ToString());
        }

        foreach (var activation in Enum.GetValues<ActivationKind>())
        {
            Config(m => m with { Activation = activation }).Activation.ToString().ShouldBe(activation.ToString());
        }

        foreach (var checkpointing in Enum.GetValues<CheckpointingKind>())
        {
            Config(m => m with { Checkpointing = checkpointing }).Checkpointing.ToString().ShouldBe(checkpointing.ToString());
        }

        foreach (var head in Enum.GetValues<Linformer.Protocol.HeadKind>())
        {
            Config(m => m with { Head = head }).Head.ToString().ShouldBe(head.ToString());
        }

        foreach (var causal in Enum.GetValues<Linformer.Protocol.CausalKind>())
        {
            Config(m => m with { Causal = causal }).Causal.ToString().ShouldBe(causal.ToString());
        }

        foreach (var normalization in Enum.GetValues<NormalizationKind>())
        {
            Config(m => m with { Normalization = normalization }).Normalization.ToString().ShouldBe(normalization.ToString());
        }

        foreach (var schedule in Enum.GetValues<ScheduleKind>())
        {
            Options(t => t with { Schedule = schedule }).LearningRate.Shape.ToString().ShouldBe(schedule.ToString());
        }

        Options(t => t with { Precision = PrecisionKind.Bf16 }).Precision.ShouldBe(Precision.BFloat16);
        Options(t => t with { Precision = PrecisionKind.Fp32 }).Precision.ShouldBe(Precision.Float32);
        Options(t => t with { Precision = PrecisionKind.Auto }).Precision.ShouldBe(Precision.Float32);
        Options(t => t with { OnBadLoss = BadLossAction.Stop }).OnBadLoss.ShouldBe(BadLossRule.Stop);
        Options(t => t with { OnBadLoss = BadLossAction.Skip }).OnBadLoss.ShouldBe(BadLossRule.Skip);
        Options(t => t with { OnBadLoss = BadLossAction.Back }).OnBadLoss.ShouldBe(BadLossRule.Back);
    }

    [Fact]
    public void A_micro_batch_that_nobody_has_settled_is_refused() =>
        Should.Throw<ArgumentException>(() => Options(t => t with { MicroBatch = null })).Message.ShouldStartWith("training.microBatch is auto");

    [Fact]
    public void The_presets_of_the_job_file_are_those_of_the_model()
    {
        ModelPresets.All.Count.ShouldBe(4);
        foreach (var preset in ModelPresets.All)
        {
            var mapped = JobMapping.ModelConfig(JobFields.Job with { Model = preset }, vocabularySize: 500);
            mapped.ShouldBe(LinformerConfig.Preset(preset.Preset, 500));
            mapped.Validate();
        }

        // Without a preset, the file's default and the model's are the same too.
        JobMapping.ModelConfig(JobFields.Job with { Model = new() }, 500).ShouldBe(new LinformerConfig { VocabularySize = 500 });
        var known = Should.Throw<ArgumentException>(() => LinformerConfig.Preset("none", 500)).Message;
        ModelPresets.All.ShouldAllBe(preset => known.Contains(preset.Preset));
    }

    private static LinformerConfig Config(Func<ModelSection, ModelSection> change) =>
        JobMapping.ModelConfig(JobFields.Job with { Model = change(JobFields.Job.Model) }, 10);

    private static TrainingOptions Options(Func<TrainingSection, TrainingSection> change) =>
        JobMapping.TrainingOptions(JobFields.Job with { Training = change(JobFields.Job.Training) });

    private static SpecialTokens Special()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllLines(file, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]);
            return WordPieceTokenizer.LoadVocabulary(file, lowercase: true).Special;
        }
        finally
        {
            File.Delete(file);
        }
    }

    // Of a text of 190 tokens.
    private IReadOnlyList<int[]> Rows(JobFile job) => JobMapping.ExampleEncoder(job, _special).Encode(new ExampleText([.. Enumerable.Range(1000, 190)], null));

    private string Mapped(JobFile job) => JsonSerializer.Serialize(new
    {
        Corpus = JobMapping.CorpusSettings(job),
        Model = JobMapping.ModelConfig(job, 10),
        Training = JobMapping.TrainingOptions(job),
        Head = JobMapping.ClassificationHead(job, ["no", "yes"]),
        Scale = JobMapping.InitialScale(job),
        // Without the section, a long text is an error.
        Rows = job.Classification is null ? [] : Rows(job),
    });
}
