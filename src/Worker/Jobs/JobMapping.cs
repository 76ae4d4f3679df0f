using Linformer.Data;
using Linformer.Data.Labelled;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Training.Measures;
using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Selection;

namespace Linformer.Worker.Jobs;

/// <summary>What a job file says, in the terms of the libraries that do it.</summary>
public static partial class JobMapping
{
    /// <summary>The corpus and its tokenizer.</summary>
    /// <param name="job">The job.</param>
    public static CorpusSettings CorpusSettings(JobFile job) => new()
    {
        Files = job.Corpus.Files,
        TokenizerFile = job.Corpus.Tokenizer.File,
        VocabularySize = job.Corpus.Tokenizer.VocabularySize ?? new CorpusSettings { Files = [] }.VocabularySize,
        Separator = job.Corpus.Separator,
        Examples = job.Corpus.Examples is { } examples ? ExampleLayout(examples) : null,
        HeldOutFiles = job.Corpus.HeldOutFiles,
    };

    /// <summary>How a job that classifies makes rows of its examples.</summary>
    /// <param name="job">The job.</param>
    /// <param name="special">The special tokens of its tokenizer.</param>
    /// <exception cref="BadDataException">The tokenizer has none to begin and end a text with.</exception>
    public static ExampleEncoder ExampleEncoder(JobFile job, SpecialTokens special)
    {
        var classification = job.Classification ?? new ClassificationSection();
        var rule = classification.LongDocuments switch
        {
            LongDocumentAction.Truncate => LongDocuments.Truncate,
            LongDocumentAction.Windows => LongDocuments.Windows,
            _ => LongDocuments.Error,
        };
        return new ExampleEncoder(special, job.Model.SequenceLength, rule, classification.WindowStride, classification.MostWindows);
    }

    /// <summary>The head of a job that classifies.</summary>
    /// <param name="job">The job.</param>
    /// <param name="classes">Its classes; none for numbers.</param>
    public static ClassificationHead ClassificationHead(JobFile job, IReadOnlyList<string> classes) => new()
    {
        Classes = [.. classes],
        Pooling = job.Classification?.Pooling == PoolingKind.Mean ? Pooling.Mean : Pooling.First,
    };

    /// <summary>How large the first weights of a job that classifies are.</summary>
    /// <param name="job">The job.</param>
    public static InitialScale InitialScale(JobFile job) =>
        job.Classification?.Initialization == InitializationKind.FanIn ? Linformer.Model.InitialScale.FanIn : Linformer.Model.InitialScale.Roberta;

    /// <summary>How the job trains.</summary>
    /// <param name="job">The job.</param>
    /// <exception cref="ArgumentException">Its micro-batch is left open.</exception>
    public static TrainingOptions TrainingOptions(JobFile job)
    {
        var training = job.Training;
        return new TrainingOptions
        {
            Steps = training.Steps,
            GlobalBatch = training.GlobalBatch,
            MicroBatch = training.MicroBatch ?? throw new ArgumentException("training.microBatch is auto: it has to be settled before a rank starts.", nameof(job)),
            LearningRate = new LearningRateSchedule(Schedule(training.Schedule), training.LearningRate, training.WarmupSteps, training.Steps),
            Optimizer = new AdamWOptions(training.Optimizer.Betas[0], training.Optimizer.Betas[1], training.Optimizer.Epsilon, training.WeightDecay),
            ClipNorm = training.ClipNorm,
            // A job of before there was a choice says nothing, and was fp32.
            Precision = training.Precision == PrecisionKind.Bf16 ? Precision.BFloat16 : Precision.Float32,
            Wire = training.Wire == WireKind.Bf16 ? WireFormat.BFloat16 : WireFormat.Full,
            LocalSteps = training.LocalSteps,
            Outer = new OuterOptimizerOptions(training.OuterLearningRate, training.OuterMomentum),
            ShardOptimizer = training.ShardOptimizer,
            Seed = training.Seed,
            JudgesJumps = job.Task != JobTask.Classification,
            EvaluateEvery = training.EvaluateEvery,
            CheckpointEvery = training.CheckpointEvery,
            KeepCheckpoints = training.KeepCheckpoints,
            KeepBest = training.KeepBest is { } best ? NameOf(best) : null,
            EarlyStopping = training.EarlyStopping is { } stopping
                ? new EarlyStoppingOptions(NameOf(stopping.Measure ?? training.KeepBest ?? MeasureKind.Loss), stopping.Patience)
                : null,
            OnBadLoss = training.OnBadLoss switch
            {
                BadLossAction.Skip => BadLossRule.Skip,
                BadLossAction.Back => BadLossRule.Back,
                _ => BadLossRule.Stop,
            },
        };
    }

    /// <summary>Where the texts and labels of examples are.</summary>
    /// <param name="examples">What a job file says of it.</param>
    public static ExampleLayout ExampleLayout(ExamplesSection examples)
    {
        var (text, pair, label) = examples.Columns;
        return new ExampleLayout
        {
            Format = examples.Layout switch
            {
                ExampleLayoutKind.Folders => ExampleFormat.Folders,
                ExampleLayoutKind.Jsonl => ExampleFormat.JsonLines,
                ExampleLayoutKind.Csv => ExampleFormat.Csv,
                _ => ExampleFormat.Table,
            },
            Text = text,
            TextPair = pair,
            Label = label,
            IsNumber = examples.IsNumber,
            Classes = examples.Classes,
            SkipsBadLines = examples.BadLines == BadLineAction.Skip,
        };
    }

    private static string NameOf(MeasureKind measure) => measure switch
    {
        MeasureKind.Loss => MeasureNames.Loss,
        MeasureKind.Accuracy => MeasureNames.Accuracy,
        MeasureKind.F1 => MeasureNames.F1,
        MeasureKind.MacroF1 => MeasureNames.MacroF1,
        MeasureKind.MicroF1 => MeasureNames.MicroF1,
        MeasureKind.Matthews => MeasureNames.Matthews,
        MeasureKind.Pearson => MeasureNames.Pearson,
        _ => MeasureNames.Spearman,
    };

    private static ScheduleShape Schedule(ScheduleKind kind) => kind switch
    {
        ScheduleKind.Cosine => ScheduleShape.Cosine,
        ScheduleKind.Constant => ScheduleShape.Constant,
        _ => ScheduleShape.Linear,
    };
}
