using System.Collections.Immutable;
using Linformer.Data;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Protocol;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;
using static TorchSharp.torch;

namespace Linformer.Worker.Tests.Ranks;

/// <summary>What a classification job begins with, loaded as a rank process does.</summary>
public sealed class ClassificationStartTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("linformer-classes-");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void A_head_of_the_same_classes_is_kept_whatever_their_order()
    {
        var job = Job("classes: [calm, loud, mad], ");
        using var start = SaveStart(job, ["mad", "calm", "loud"]);

        using var loaded = Load(job);

        loaded.Note.ShouldBeNull();
        Values(loaded, "classifier_dense.weight").ShouldBe(Values(start, "classifier_dense.weight"));
        Values(loaded, "encoder.token.weight").ShouldBe(Values(start, "encoder.token.weight"));
        var (before, after) = (Values(start, "classifier_output.weight").Chunk(16).ToArray(), Values(loaded, "classifier_output.weight"));
        after.ShouldBe([.. before[1], .. before[2], .. before[0]]);
        var biases = Values(start, "classifier_output.bias");
        Values(loaded, "classifier_output.bias").ShouldBe([biases[1], biases[2], biases[0]]);
    }

    [Theory]
    [InlineData("calm,loud,sad", "first", "its classes are calm, loud, sad, and those of the job calm, loud, mad")]
    [InlineData("calm,loud,mad", "mean", "its classification.pooling is mean, and that of the job first")]
    [InlineData("", "first", "it gives a number, and the job tells classes")]
    public void Another_head_starts_anew_and_the_log_says_why(string classes, string pooling, string reason)
    {
        var job = Job("classes: [calm, loud, mad], ");
        using var start = SaveStart(job, [.. classes.Split(',', StringSplitOptions.RemoveEmptyEntries)], pooling == "mean" ? Pooling.Mean : Pooling.First);
        using var anew = Load(job with { InitializeFrom = null });

        using var loaded = Load(job);

        loaded.Note.ShouldBe($"The head of the model of initializeFrom was left out and starts anew: {reason}.");
        Values(loaded, "encoder.token.weight").ShouldBe(Values(start, "encoder.token.weight"));
        Values(loaded, "classifier_output.weight").ShouldBe(Values(anew, "classifier_output.weight"));
    }

    [Fact]
    public void A_language_model_has_no_head_to_tell_of()
    {
        var job = Job("");
        using (var model = new MaskedLanguageModel(JobMapping.ModelConfig(job, Prepare(job).Manifest.VocabularySize)))
        {
            Initialization.Apply(model, 9);
            ModelFolder.Save(Path.Combine(_root.FullName, "start"), model);
        }

        using var loaded = Load(job);

        loaded.Note.ShouldBeNull();
    }

    [Fact]
    public void A_class_without_training_examples_is_told_of()
    {
        using var loaded = Load(Job("classes: [calm, glad, loud, mad, sad], ") with { InitializeFrom = null });

        loaded.Note.ShouldBe("There is no training example of the class glad, sad: the model does not learn to tell it.");
    }

    private JobFile Job(string classes)
    {
        var lines = Enumerable.Range(0, 120).Select(i => $"line {i} of the text\t{((string[])["calm", "loud", "mad"])[i % 3]}");
        File.WriteAllText(Path.Combine(_root.FullName, "examples.tsv"), "text\tlabel\n" + string.Join('\n', lines) + "\n");
        return JobFileParser.Parse(
            $$"""
            name: tiny
            task: classification
            initializeFrom: start
            corpus: { files: ["examples.tsv"], examples: { {{classes}}layout: tsv }, tokenizer: { vocabularySize: 300 }, heldOut: 0.2 }
            model: { layers: 1, heads: 2, hidden: 16, feedForward: 32, sequenceLength: 32, projectedLength: 8, dropout: 0.1 }
            training: { steps: 10, globalBatch: 12, microBatch: 2, precision: fp32 }
            """,
            "tiny.yaml").OrThrow();
    }

    private ClassificationModel SaveStart(JobFile job, ImmutableArray<string> classes, Pooling pooling = Pooling.First)
    {
        var model = new ClassificationModel(JobMapping.ModelConfig(job, Prepare(job).Manifest.VocabularySize), new ClassificationHead { Classes = classes, Pooling = pooling });
        Initialization.Apply(model, 9);
        using (no_grad())
        {
            // Biases begin as zeros, which tell nothing of their places.
            model.get_parameter("classifier_output.bias")!.copy_(arange(1, model.Head.Outputs + 1, dtype: ScalarType.Float32));
        }

        ModelFolder.Save(Path.Combine(_root.FullName, "start"), model, new ModelDescription(ModelKind.Classification, model.Config, model.Head));
        return model;
    }

    private LoadedJob Load(JobFile job) =>
        new(new StartMessage(1, 1, job.ToJson(), _root.FullName, Prepare(job).Folder, Path.Combine(_root.FullName, "run"), Path.Combine(_root.FullName, "model")), CPU);

    private PreparedCorpus Prepare(JobFile job) => CorpusPreparation.Prepare(JobMapping.CorpusSettings(job), _root.FullName, Path.Combine(_root.FullName, "cache"));

    private static float[] Values(LoadedJob job, string name)
    {
        using var values = job.Trainer.Parameters.Slices.Single(slice => slice.Name == name).ViewOf(job.Trainer.Parameters.Values);
        return values.contiguous().data<float>().ToArray();
    }

    private static float[] Values(nn.Module model, string name) => model.get_parameter(name)!.detach().contiguous().data<float>().ToArray();
}
