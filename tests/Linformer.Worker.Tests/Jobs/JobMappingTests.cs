using System.Text.Json;
using Linformer.Model;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Training.Optimizers;
using Linformer.Worker.Jobs;

namespace Linformer.Worker.Tests.Jobs;

public class JobMappingTests
{
    // What a rank or the launcher takes from the job itself.
    private static readonly string[] TakenElsewhere =
    [
        "name", "task", "initializeFrom", "corpus.heldOut", "corpus.shuffleBlock", "corpus.tokenizer.kind", "model.preset",
        "training.maskProbability", "training.precision", "ranks.min", "ranks.max", "ranks.threads", "device", "priority",
    ];

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
        });
        JobMapping.TrainingOptions(JobFields.Job).ShouldBe(new TrainingOptions
        {
            Steps = 1013,
            GlobalBatch = 24,
            MicroBatch = 6,
            LearningRate = new LearningRateSchedule(ScheduleShape.Cosine, Peak: 3.7e-4, WarmupSteps: 41, Steps: 1013),
            Optimizer = new AdamWOptions(Beta1: 0.85, Beta2: 0.97, Epsilon: 3e-7, WeightDecay: 0.07),
            ClipNorm = 2.5,
            Seed = 9_007_199_254_740_991,
            EvaluateEvery = 29,
            CheckpointEvery = 31,
            KeepCheckpoints = 4,
            OnBadLoss = BadLossRule.Skip,
        });
        var corpus = JobMapping.CorpusSettings(JobFields.Job);
        corpus.Files.ShouldBe(["a.txt", "b/*.txt"]);
        (corpus.TokenizerFile, corpus.VocabularySize, corpus.Separator).ShouldBe((null, 1234, "---"));
        var withFile = JobMapping.CorpusSettings(JobFields.Changed["corpus.tokenizer.file"]);
        withFile.TokenizerFile.ShouldBe("tokenizer.json");
    }

    // A field that is added to the job file has to be added here, and to what becomes of it.
    [Fact]
    public void Every_field_makes_a_difference_or_is_taken_elsewhere()
    {
        JobFields.Changed.Keys.ShouldBe(JobFields.AllPaths(), ignoreOrder: true);
        foreach (var (path, job) in JobFields.Changed)
        {
            (Mapped(job) == Mapped(JobFields.Job)).ShouldBe(TakenElsewhere.Contains(path), path);
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

        foreach (var normalization in Enum.GetValues<NormalizationKind>())
        {
            Config(m => m with { Normalization = normalization }).Normalization.ToString().ShouldBe(normalization.ToString());
        }

        foreach (var schedule in Enum.GetValues<ScheduleKind>())
        {
            Options(t => t with { Schedule = schedule }).LearningRate.Shape.ToString().ShouldBe(schedule.ToString());
        }

        Options(t => t with { OnBadLoss = BadLossAction.Stop }).OnBadLoss.ShouldBe(BadLossRule.Stop);
        Options(t => t with { OnBadLoss = BadLossAction.Skip }).OnBadLoss.ShouldBe(BadLossRule.Skip);
        Options(t => t with { OnBadLoss = BadLossAction.Back }).OnBadLoss.ShouldBe(BadLossRule.Back);
    }

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

    private static string Mapped(JobFile job) => JsonSerializer.Serialize(
        new { Corpus = JobMapping.CorpusSettings(job), Model = JobMapping.ModelConfig(job, 10), Training = JobMapping.TrainingOptions(job) });
}
