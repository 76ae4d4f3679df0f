using System.Diagnostics;
using Linformer.Bench.Pretraining;
using Linformer.Data;
using Linformer.Model;
using Linformer.Model.Layers;
using Linformer.Training;
using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using Linformer.Training.Tasks;
using static TorchSharp.torch;

namespace Linformer.Bench.Data;

/// <summary>The batches of a training: how fast they are read, and how much of a step they take.</summary>
internal static class LoaderBenchmark
{
    private const int Batches = 400;
    private const int WarmupSteps = 3;
    private const int Steps = 10;
    private const int Seed = 1;

    private static readonly PretrainingShape Shape = new();

    /// <summary>Runs it.</summary>
    /// <param name="root">The folder of the text.</param>
    /// <param name="text">The text's file.</param>
    /// <param name="options">What to do.</param>
    /// <param name="cancellationToken">Ends it between two runs.</param>
    public static LoaderMeasure Run(string root, string text, DataBenchmarkOptions options, CancellationToken cancellationToken)
    {
        var settings = new CorpusSettings { Files = [text], TokenizerFile = $"{text}.json" };
        var corpus = CorpusPreparation.Prepare(settings, root, Path.Combine(root, "cache"), cancellationToken: cancellationToken);
        using var dataset = SequenceDataset.Open(corpus.Folder, Shape.Length, heldOut: 0.005, corpus.Tokenizer.Special.Separator!.Value);
        var order = new SampleOrder(dataset.Training.Count, Seed);
        var masker = new Masker(Seed, corpus.Tokenizer.VocabularySize, corpus.Tokenizer.Special);
        var reader = new MaskedBatchReader(dataset.Training, order, masker.Mask, padding: 0, CPU);
        using var task = new MaskedLanguageTask(Model(), dataset.Training, dataset.HeldOut, corpus.Tokenizer, order, masker);
        using var group = new SingleProcessGroup();
        using var trainer = new Trainer(task, Options());
        trainer.Join(group);
        Train(trainer, WarmupSteps);
        ReadBatches(reader, Batches);

        List<double> speeds = [], steps = [], waits = [], reads = [];
        for (var run = 0; run < options.Runs; run++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var times = Train(trainer, Steps);
            var seconds = (times.Total - times.Other).TotalSeconds;
            var speed = ReadBatches(reader, Batches);
            speeds.Add(speed);
            steps.Add(seconds / Steps * 1000);
            waits.Add(times.Data.TotalSeconds / seconds);
            reads.Add(Steps / speed / seconds);
        }

        return new LoaderMeasure(Shape.Batch * Shape.Length, Spread.Of(speeds), Spread.Of(steps), Spread.Of(waits), Spread.Of(reads));
    }

    private static MaskedLanguageModel Model()
    {
        var config = new LinformerConfig
        {
            VocabularySize = Shape.Vocabulary,
            Layers = Shape.Layers,
            Heads = Shape.Heads,
            Hidden = Shape.Hidden,
            FeedForward = Shape.FeedForward,
            SequenceLength = Shape.Length,
            ProjectedLength = Shape.Projected,
            Dropout = Shape.Dropout,
        };
        var model = new MaskedLanguageModel(config, new Placement(ScalarType.Float32));
        Initialization.Apply(model, Seed);
        model.train();
        return model;
    }

    private static TrainingOptions Options() => new()
    {
        Steps = 1_000_000,
        GlobalBatch = Shape.Batch,
        MicroBatch = Shape.Batch,
        LearningRate = new LearningRateSchedule(ScheduleShape.Constant, Peak: 1e-4, WarmupSteps: 0, Steps: 1_000_000),
    };

    private static StepTimes Train(Trainer trainer, int steps)
    {
        trainer.Clock.Take();
        for (var step = 0; step < steps; step++)
        {
            trainer.TrainStep();
        }

        return trainer.Clock.Take();
    }

    private static double ReadBatches(MaskedBatchReader reader, int batches)
    {
        var started = Stopwatch.GetTimestamp();
        for (var batch = 0; batch < batches; batch++)
        {
            reader.Read((long)batch * Shape.Batch, Shape.Batch).Dispose();
        }

        return batches / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}
