using Linformer.Data;
using Linformer.Model;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Training.Optimizers;
using ModelAttention = Linformer.Model.AttentionKind;

namespace Linformer.Worker.Jobs;

/// <summary>What a job file says, in the terms of the libraries that do it.</summary>
public static class JobMapping
{
    /// <summary>The corpus and its tokenizer.</summary>
    /// <param name="job">The job.</param>
    public static CorpusSettings CorpusSettings(JobFile job) => new()
    {
        Files = job.Corpus.Files,
        TokenizerFile = job.Corpus.Tokenizer.File,
        VocabularySize = job.Corpus.Tokenizer.VocabularySize ?? new CorpusSettings { Files = [] }.VocabularySize,
        Separator = job.Corpus.Separator,
    };

    /// <summary>The model's shape.</summary>
    /// <param name="job">The job.</param>
    /// <param name="vocabularySize">Tokens of the job's tokenizer.</param>
    public static LinformerConfig ModelConfig(JobFile job, int vocabularySize) => new()
    {
        VocabularySize = vocabularySize,
        Layers = job.Model.Layers,
        Heads = job.Model.Heads,
        Hidden = job.Model.Hidden,
        FeedForward = job.Model.FeedForward,
        SequenceLength = job.Model.SequenceLength,
        ProjectedLength = job.Model.ProjectedLength,
        Dropout = job.Model.Dropout,
        Sharing = job.Model.Sharing switch
        {
            SharingKind.None => ProjectionSharing.None,
            SharingKind.Headwise => ProjectionSharing.Headwise,
            SharingKind.KeyValue => ProjectionSharing.KeyValue,
            _ => ProjectionSharing.Layerwise,
        },
        Attention = job.Model.Attention == Protocol.AttentionKind.Full ? ModelAttention.Full : ModelAttention.Linear,
        Normalization = job.Model.Normalization == NormalizationKind.Post ? Normalization.Post : Normalization.Pre,
    };

    /// <summary>How the job trains.</summary>
    /// <param name="job">The job.</param>
    public static TrainingOptions TrainingOptions(JobFile job)
    {
        var training = job.Training;
        return new TrainingOptions
        {
            Steps = training.Steps,
            GlobalBatch = training.GlobalBatch,
            MicroBatch = training.MicroBatch,
            LearningRate = new LearningRateSchedule(Schedule(training.Schedule), training.LearningRate, training.WarmupSteps, training.Steps),
            Optimizer = new AdamWOptions(training.Optimizer.Betas[0], training.Optimizer.Betas[1], training.Optimizer.Epsilon, training.WeightDecay),
            ClipNorm = training.ClipNorm,
            Seed = training.Seed,
            EvaluateEvery = training.EvaluateEvery,
            CheckpointEvery = training.CheckpointEvery,
            KeepCheckpoints = training.KeepCheckpoints,
            OnBadLoss = training.OnBadLoss switch
            {
                BadLossAction.Skip => BadLossRule.Skip,
                BadLossAction.Back => BadLossRule.Back,
                _ => BadLossRule.Stop,
            },
        };
    }

    private static ScheduleShape Schedule(ScheduleKind kind) => kind switch
    {
        ScheduleKind.Cosine => ScheduleShape.Cosine,
        ScheduleKind.Constant => ScheduleShape.Constant,
        _ => ScheduleShape.Linear,
    };
}
