using Linformer.Data;
using Linformer.Model;
using Linformer.Protocol;
using Linformer.Worker.Jobs;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;
using static TorchSharp.torch;

namespace Linformer.Worker.Tests.Ranks;

/// <summary>Jobs that start from a model of another sequence length, loaded as a rank process does.</summary>
public sealed class ResizedJobTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("linformer-resized-");
    private readonly JobFile _job;
    private readonly string _corpus;

    public ResizedJobTests()
    {
        _job = SmallJob.Create(_root.FullName, "steps: 10, precision: fp32");
        _corpus = CorpusPreparation.Prepare(JobMapping.CorpusSettings(_job), _root.FullName, Path.Combine(_root.FullName, "cache")).Folder;
        using var model = new MaskedLanguageModel(JobMapping.ModelConfig(_job, 300));
        Initialization.Apply(model, seed: 9);
        ModelFolder.Save(Path.Combine(_root.FullName, "start"), model);
    }

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void A_job_with_longer_sequences_starts_from_the_resized_model_and_says_so()
    {
        using var job = Load(model => model with { SequenceLength = 64 });

        job.Note.ShouldBe("The model of initializeFrom was taken to sequences of 64 tokens: resized encoder.projection from [8, 32] to [8, 64]; encoder.position.weight from [32, 16] to [64, 16].");
        var slice = job.Trainer.Parameters.Slices.Single(one => one.Name == "encoder.projection");
        using var projection = slice.ViewOf(job.Trainer.Parameters.Values);
        using var start = new MaskedLanguageModel(JobMapping.ModelConfig(_job, 300));
        Initialization.Apply(start, seed: 9);
        using var expected = ProjectionResize.Projection(start.get_parameter("encoder.projection")!.detach(), 64);
        projection.Equals(expected).ShouldBeTrue();
    }

    [Fact]
    public void A_job_of_the_same_length_resizes_nothing()
    {
        using var job = Load(model => model);

        job.Note.ShouldBeNull();
    }

    [Fact]
    public void A_job_of_another_k_does_not_start() =>
        Should.Throw<ModelFormatException>(() => Load(model => model with { SequenceLength = 64, ProjectedLength = 16 })).Message
            .ShouldContain("projects to k = 8, and the model to 16; n may change when a model is taken on, k may not");

    private LoadedJob Load(Func<ModelSection, ModelSection> change)
    {
        var job = _job with { InitializeFrom = "start", Model = change(_job.Model) };
        return new LoadedJob(new StartMessage(1, 1, job.ToJson(), _root.FullName, _corpus, Path.Combine(_root.FullName, "run"), Path.Combine(_root.FullName, "model")), CPU);
    }
}
