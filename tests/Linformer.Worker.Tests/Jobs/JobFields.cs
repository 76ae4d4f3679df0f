using System.Text.Json;
using Linformer.Protocol;

namespace Linformer.Worker.Tests.Jobs;

/// <summary>A job with every field set, and for every field a job that differs in it alone.</summary>
internal static class JobFields
{
    public static JobFile Job { get; } = new()
    {
        Name = "a-job",
        InitializeFrom = "models/a",
        Corpus = new CorpusSection
        {
            Files = ["a.txt", "b/*.txt"],
            Separator = "---",
            Tokenizer = new TokenizerSection { VocabularySize = 1234 },
            HeldOut = 0.03,
            ShuffleBlock = 17,
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
            Seed = 9_007_199_254_740_991,
            EvaluateEvery = 29,
            CheckpointEvery = 31,
            KeepCheckpoints = 4,
            OnBadLoss = BadLossAction.Skip,
        },
        Ranks = new RanksSection { Min = 1, Max = 2, Threads = 3 },
        Device = DeviceKind.Cpu,
        Priority = 6,
    };

    /// <summary>By the path of the field.</summary>
    public static IReadOnlyDictionary<string, JobFile> Changed { get; } = new Dictionary<string, JobFile>
    {
        ["name"] = Job with { Name = "other" },
        ["task"] = Job with { Task = JobTask.CausalLm },
        ["initializeFrom"] = Job with { InitializeFrom = null },
        ["corpus.files"] = Corpus(c => c with { Files = ["a.txt"] }),
        ["corpus.separator"] = Corpus(c => c with { Separator = "" }),
        ["corpus.heldOut"] = Corpus(c => c with { HeldOut = 0.04 }),
        ["corpus.shuffleBlock"] = Corpus(c => c with { ShuffleBlock = 18 }),
        ["corpus.tokenizer.kind"] = Corpus(c => c with { Tokenizer = new() { Kind = (TokenizerKind)77, VocabularySize = 1234 } }),
        ["corpus.tokenizer.vocabularySize"] = Corpus(c => c with { Tokenizer = new() { VocabularySize = 1235 } }),
        ["corpus.tokenizer.file"] = Corpus(c => c with { Tokenizer = new() { File = "tokenizer.json" } }),
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
        ["training.seed"] = Training(t => t with { Seed = 2 }),
        ["training.evaluateEvery"] = Training(t => t with { EvaluateEvery = 30 }),
        ["training.checkpointEvery"] = Training(t => t with { CheckpointEvery = 32 }),
        ["training.keepCheckpoints"] = Training(t => t with { KeepCheckpoints = 5 }),
        ["training.onBadLoss"] = Training(t => t with { OnBadLoss = BadLossAction.Stop }),
        ["ranks.min"] = Job with { Ranks = Job.Ranks with { Min = 2 } },
        ["ranks.max"] = Job with { Ranks = Job.Ranks with { Max = 4 } },
        ["ranks.threads"] = Job with { Ranks = Job.Ranks with { Threads = 4 } },
        ["device"] = Job with { Device = DeviceKind.Auto },
        ["priority"] = Job with { Priority = 7 },
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

    private static JobFile Model(Func<ModelSection, ModelSection> change) => Job with { Model = change(Job.Model) };

    private static JobFile Training(Func<TrainingSection, TrainingSection> change) => Job with { Training = change(Job.Training) };
}
