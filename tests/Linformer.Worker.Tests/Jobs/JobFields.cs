using System.Text.Json;
using Linformer.Protocol;

namespace Linformer.Worker.Tests.Jobs;

/// <summary>Jobs with every field set that may be, and for every field a job that differs in it alone.</summary>
internal static class JobFields
{
    public static JobFile Job { get; } = new()
    {
        Name = "a-job",
        Task = JobTask.Classification,
        InitializeFrom = "models/a",
        Corpus = new CorpusSection
        {
            Files = ["a.jsonl", "b/*.jsonl"],
            Examples = new ExamplesSection
            {
                Layout = ExampleLayoutKind.Jsonl,
                Text = "one",
                TextPair = "two",
                Label = "kind",
                Target = ExampleTarget.Classes,
                Classes = ["no", "yes"],
                BadLines = BadLineAction.Skip,
            },
            HeldOutFiles = ["c.jsonl"],
            Separator = "---",
            Tokenizer = new TokenizerSection { VocabularySize = 1234 },
            HeldOut = 0.03,
            ShuffleBlock = 17,
        },
        Classification = new ClassificationSection
        {
            Pooling = PoolingKind.Mean,
            LongDocuments = LongDocumentAction.Windows,
            WindowStride = 20,
            MostWindows = 3,
            Initialization = InitializationKind.FanIn,
        },
        Model = new ModelSection
        {
            Preset = "linformer-base",
            Layers = 3,
            Heads = 5,
            Hidden = 35,
            FeedForward = 71,
            SequenceLength = 97,
            ProjectedLength = 13,
            Sharing = SharingKind.Headwise,
            Attention = AttentionKind.Full,
            Normalization = NormalizationKind.Post,
            Dropout = 0.21,
            ProjectedLengths = [3, 5, 7],
            Projection = ProjectionKind.Learned,
            TrainProjection = false,
            ProjectionBias = true,
            KeyValueHeads = 1,
            HeadSize = 9,
            ShareKeyValue = true,
            AttentionBias = false,
            Embedding = 22,
            Positions = PositionsKind.Sinusoidal,
            PositionBase = 5000,
            Activation = ActivationKind.Relu,
            Gated = true,
            FeedForwards = [31, 33, 35],
            OuterNorm = false,
            AttentionDropout = 0.11,
            EmbeddingDropout = 0.12,
            FeedForwardDropout = 0.13,
            ProjectionDropout = 0.14,
            Checkpointing = CheckpointingKind.Head,
            SegmentLength = 8,
            DecoderLayers = 6,
            CrossProjectedLength = 10,
        },
        Training = new TrainingSection
        {
            Steps = 1013,
            GlobalBatch = 24,
            MicroBatch = 6,
            LearningRate = 3.7e-4,
            WarmupSteps = 41,
            Schedule = ScheduleKind.Cosine,
            WeightDecay = 0.07,
            ClipNorm = 2.5,
            Optimizer = new OptimizerSection { Betas = [0.85, 0.97], Epsilon = 3e-7 },
            MaskProbability = 0.19,
            Precision = PrecisionKind.Fp32,
            Wire = WireKind.Bf16,
            LocalSteps = 5,
            OuterLearningRate = 0.6,
            OuterMomentum = 0.8,
            Seed = 9_007_199_254_740_991,
            EvaluateEvery = 29,
            CheckpointEvery = 31,
            KeepBest = MeasureKind.Accuracy,
            EarlyStopping = new EarlyStoppingSection { Patience = 7, Measure = MeasureKind.MacroF1 },
            KeepCheckpoints = 4,
            OnBadLoss = BadLossAction.Skip,
        },
        Ranks = new RanksSection { Min = 1, Max = 2, Threads = 3 },
        Device = DeviceKind.Cpu,
        Priority = 6,
    };

    /// <summary>The same as a task of one's own.</summary>
    public static JobFile Plugin { get; } = OfOtherTask(JobTask.Plugin) with
    {
        Plugin = new PluginSection { Assembly = "own/task.dll", Type = "Own.Factory", Settings = new FreeFields("""{"depth":3,"more":[1,"two"]}""") },
    };

    /// <summary>The same as an inference, with what follows from that.</summary>
    public static JobFile Inference { get; } = InferenceJobs.Derive(OfOtherTask(JobTask.Inference) with
    {
        Inference = new InferenceSection
        {
            Model = "models/b",
            Kind = InferenceKind.Classify,
            Output = "results",
            Pooling = PoolingKind.First,
            LongDocuments = LongDocumentAction.Truncate,
            WindowStride = 33,
            MostWindows = 5,
            ShardDocuments = 77,
            Batch = 9,
        },
    });

    /// <summary>By the path of the field, each of <see cref="BaseOf"/>.</summary>
    /// <remarks>Not all of them keep the rules between fields, which is not what is asked here.</remarks>
    public static IReadOnlyDictionary<string, JobFile> Changed { get; } = new Dictionary<string, JobFile>
    {
        ["name"] = Job with { Name = "other" },
        ["task"] = Job with { Task = JobTask.MaskedLm },
        ["initializeFrom"] = Job with { InitializeFrom = null },
        ["corpus.files"] = Corpus(c => c with { Files = ["a.jsonl"] }),
        ["corpus.examples.layout"] = Examples(e => e with { Layout = ExampleLayoutKind.Tsv }),
        ["corpus.examples.text"] = Examples(e => e with { Text = "three" }),
        ["corpus.examples.textPair"] = Examples(e => e with { TextPair = null }),
        ["corpus.examples.label"] = Examples(e => e with { Label = null }),
        ["corpus.examples.target"] = Examples(e => e with { Target = ExampleTarget.Number }),
        ["corpus.examples.classes"] = Examples(e => e with { Classes = ["yes", "no"] }),
        ["corpus.examples.badLines"] = Examples(e => e with { BadLines = BadLineAction.Error }),
        ["corpus.heldOutFiles"] = Corpus(c => c with { HeldOutFiles = ["d.jsonl"] }),
        ["corpus.separator"] = Corpus(c => c with { Separator = "" }),
        ["corpus.heldOut"] = Corpus(c => c with { HeldOut = 0.04 }),
        ["corpus.shuffleBlock"] = Corpus(c => c with { ShuffleBlock = 18 }),
        ["corpus.tokenizer.kind"] = Corpus(c => c with { Tokenizer = new() { Kind = (TokenizerKind)77, VocabularySize = 1234 } }),
        ["corpus.tokenizer.vocabularySize"] = Corpus(c => c with { Tokenizer = new() { VocabularySize = 1235 } }),
        ["corpus.tokenizer.file"] = Corpus(c => c with { Tokenizer = new() { File = "tokenizer.json" } }),
        ["plugin.assembly"] = OwnTask(p => p with { Assembly = "own/other.dll" }),
        ["plugin.type"] = OwnTask(p => p with { Type = null }),
        ["plugin.settings"] = OwnTask(p => p with { Settings = new FreeFields("""{"depth":4,"more":[1,"two"]}""") }),
        ["inference.model"] = Infer(i => i with { Model = "models/c" }),
        ["inference.kind"] = Infer(i => i with { Kind = InferenceKind.Embed }),
        ["inference.output"] = Infer(i => i with { Output = null }),
        ["inference.pooling"] = Infer(i => i with { Pooling = PoolingKind.Mean }),
        ["inference.longDocuments"] = Infer(i => i with { LongDocuments = LongDocumentAction.Windows }),
        ["inference.windowStride"] = Infer(i => i with { WindowStride = 34 }),
        ["inference.mostWindows"] = Infer(i => i with { MostWindows = 6 }),
        ["inference.shardDocuments"] = Infer(i => i with { ShardDocuments = 78 }),
        ["inference.batch"] = Infer(i => i with { Batch = 10 }),
        ["classification.pooling"] = Classify(c => c with { Pooling = PoolingKind.First }),
        ["classification.longDocuments"] = Classify(c => c with { LongDocuments = LongDocumentAction.Truncate }),
        ["classification.windowStride"] = Classify(c => c with { WindowStride = 21 }),
        ["classification.mostWindows"] = Classify(c => c with { MostWindows = 4 }),
        ["classification.initialization"] = Classify(c => c with { Initialization = InitializationKind.Roberta }),
        ["model.preset"] = Model(m => m with { Preset = "linformer-tiny" }),
        ["model.layers"] = Model(m => m with { Layers = 4 }),
        ["model.heads"] = Model(m => m with { Heads = 7 }),
        ["model.hidden"] = Model(m => m with { Hidden = 70 }),
        ["model.feedForward"] = Model(m => m with { FeedForward = 72 }),
        ["model.sequenceLength"] = Model(m => m with { SequenceLength = 98 }),
        ["model.projectedLength"] = Model(m => m with { ProjectedLength = 14 }),
        ["model.sharing"] = Model(m => m with { Sharing = SharingKind.None }),
        ["model.attention"] = Model(m => m with { Attention = AttentionKind.Linear }),
        ["model.normalization"] = Model(m => m with { Normalization = NormalizationKind.Pre }),
        ["model.dropout"] = Model(m => m with { Dropout = 0.22 }),
        ["model.projectedLengths"] = Model(m => m with { ProjectedLengths = [3, 5, 8] }),
        ["model.projectedLengthStep"] = Model(m => m with { ProjectedLengths = null, ProjectedLengthStep = 2 }),
        ["model.projection"] = Model(m => m with { Projection = ProjectionKind.Convolution }),
        ["model.trainProjection"] = Model(m => m with { TrainProjection = true }),
        ["model.projectionBias"] = Model(m => m with { ProjectionBias = false }),
        ["model.keyValueHeads"] = Model(m => m with { KeyValueHeads = null }),
        ["model.headSize"] = Model(m => m with { HeadSize = null }),
        ["model.shareKeyValue"] = Model(m => m with { ShareKeyValue = false }),
        ["model.attentionBias"] = Model(m => m with { AttentionBias = true }),
        ["model.embedding"] = Model(m => m with { Embedding = null }),
        ["model.positions"] = Model(m => m with { Positions = PositionsKind.Learned }),
        ["model.positionBase"] = Model(m => m with { PositionBase = 5001 }),
        ["model.activation"] = Model(m => m with { Activation = ActivationKind.Gelu }),
        ["model.gated"] = Model(m => m with { Gated = false }),
        ["model.feedForwards"] = Model(m => m with { FeedForwards = null }),
        ["model.outerNorm"] = Model(m => m with { OuterNorm = true }),
        ["model.head"] = Model(m => m with { Head = HeadKind.Linear }),
        ["model.attentionDropout"] = Model(m => m with { AttentionDropout = null }),
        ["model.embeddingDropout"] = Model(m => m with { EmbeddingDropout = null }),
        ["model.feedForwardDropout"] = Model(m => m with { FeedForwardDropout = 0 }),
        ["model.projectionDropout"] = Model(m => m with { ProjectionDropout = 0 }),
        ["model.reversible"] = Model(m => m with { Reversible = true }),
        ["model.checkpointing"] = Model(m => m with { Checkpointing = CheckpointingKind.Layer }),
        ["model.causal"] = Model(m => m with { Causal = CausalKind.Segments }),
        ["model.segmentLength"] = Model(m => m with { SegmentLength = null }),
        ["model.decoderLayers"] = Model(m => m with { DecoderLayers = null }),
        ["model.crossProjectedLength"] = Model(m => m with { CrossProjectedLength = null }),
        ["training.steps"] = Training(t => t with { Steps = 1014 }),
        ["training.globalBatch"] = Training(t => t with { GlobalBatch = 30 }),
        ["training.microBatch"] = Training(t => t with { MicroBatch = 4 }),
        ["training.learningRate"] = Training(t => t with { LearningRate = 3.8e-4 }),
        ["training.warmupSteps"] = Training(t => t with { WarmupSteps = 42 }),
        ["training.schedule"] = Training(t => t with { Schedule = ScheduleKind.Constant }),
        ["training.weightDecay"] = Training(t => t with { WeightDecay = 0.08 }),
        ["training.clipNorm"] = Training(t => t with { ClipNorm = 0 }),
        ["training.optimizer.betas"] = Training(t => t with { Optimizer = t.Optimizer with { Betas = [0.85, 0.98] } }),
        ["training.optimizer.epsilon"] = Training(t => t with { Optimizer = t.Optimizer with { Epsilon = 4e-7 } }),
        ["training.maskProbability"] = Training(t => t with { MaskProbability = 0.2 }),
        ["training.precision"] = Training(t => t with { Precision = PrecisionKind.Bf16 }),
        ["training.wire"] = Training(t => t with { Wire = WireKind.Fp32 }),
        ["training.localSteps"] = Training(t => t with { LocalSteps = 6 }),
        ["training.outerLearningRate"] = Training(t => t with { OuterLearningRate = 0.5 }),
        ["training.outerMomentum"] = Training(t => t with { OuterMomentum = 0.7 }),
        ["training.shardOptimizer"] = Training(t => t with { ShardOptimizer = true }),
        ["training.seed"] = Training(t => t with { Seed = 2 }),
        ["training.evaluateEvery"] = Training(t => t with { EvaluateEvery = 30 }),
        ["training.checkpointEvery"] = Training(t => t with { CheckpointEvery = 32 }),
        ["training.keepBest"] = Training(t => t with { KeepBest = MeasureKind.Loss }),
        ["training.earlyStopping.patience"] = Training(t => t with { EarlyStopping = t.EarlyStopping! with { Patience = 8 } }),
        ["training.earlyStopping.measure"] = Training(t => t with { EarlyStopping = t.EarlyStopping! with { Measure = MeasureKind.Matthews } }),
        ["training.keepCheckpoints"] = Training(t => t with { KeepCheckpoints = 5 }),
        ["training.onBadLoss"] = Training(t => t with { OnBadLoss = BadLossAction.Stop }),
        ["ranks.min"] = Job with { Ranks = Job.Ranks with { Min = 2 } },
        ["ranks.max"] = Job with { Ranks = Job.Ranks with { Max = 4 } },
        ["ranks.threads"] = Job with { Ranks = Job.Ranks with { Threads = 4 } },
        ["device"] = Job with { Device = DeviceKind.Auto },
        ["priority"] = Job with { Priority = 7 },
    };

    /// <summary>The job from which <see cref="Changed"/> differs in a field.</summary>
    public static JobFile BaseOf(string path) => path.Split('.')[0] switch
    {
        "plugin" => Plugin,
        "inference" => Inference,
        _ => Job,
    };

    /// <summary>The paths of all fields that a job file may have, taken from the job's own types.</summary>
    public static IEnumerable<string> AllPaths() => PathsOf(typeof(JobFile), "");

    private static IEnumerable<string> PathsOf(Type type, string prefix) =>
        type.GetProperties().Where(p => p.SetMethod is not null).SelectMany(property =>
        {
            var path = prefix + JsonNamingPolicy.CamelCase.ConvertName(property.Name);
            return property.PropertyType.Name.EndsWith("Section", StringComparison.Ordinal)
                ? PathsOf(property.PropertyType, path + ".")
                : [path];
        });

    private static JobFile Corpus(Func<CorpusSection, CorpusSection> change) => Job with { Corpus = change(Job.Corpus) };

    private static JobFile Examples(Func<ExamplesSection, ExamplesSection> change) => Corpus(c => c with { Examples = change(c.Examples!) });

    private static JobFile OwnTask(Func<PluginSection, PluginSection> change) => Plugin with { Plugin = change(Plugin.Plugin!) };

    private static JobFile Infer(Func<InferenceSection, InferenceSection> change) => Inference with { Inference = change(Inference.Inference!) };

    private static JobFile Classify(Func<ClassificationSection, ClassificationSection> change) => Job with { Classification = change(Job.Classification!) };

    // Without what is for classification alone.
    private static JobFile OfOtherTask(JobTask task) => Job with
    {
        Task = task,
        Corpus = Job.Corpus with { Examples = null, HeldOutFiles = null },
        Classification = null,
        Training = Job.Training with { KeepBest = MeasureKind.Loss, EarlyStopping = new EarlyStoppingSection { Patience = 7, Measure = MeasureKind.Loss } },
    };

    private static JobFile Model(Func<ModelSection, ModelSection> change) => Job with { Model = change(Job.Model) };

    private static JobFile Training(Func<TrainingSection, TrainingSection> change) => Job with { Training = change(Job.Training) };
}
