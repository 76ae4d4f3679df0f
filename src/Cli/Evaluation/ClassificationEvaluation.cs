using Linformer.Cli.Progress;
using Linformer.Data;
using Linformer.Data.Labelled;
using Linformer.Model;
using Linformer.Model.Classification;
using Linformer.Model.Kernels;
using Linformer.Training;
using Linformer.Training.Tasks;

namespace Linformer.Cli.Evaluation;

/// <summary><c>evaluate</c> of a classification model: its measures on labelled examples.</summary>
internal static class ClassificationEvaluation
{
    private const int BatchTokens = 8192;

    /// <summary>Measures a model.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="settings">Files, tokenizer, and where the examples are; their classes are the model's.</param>
    /// <param name="rule">What is done with long texts.</param>
    /// <param name="cache">A folder for shards.</param>
    /// <param name="progress">Where progress is shown.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="CommandException">There is no example, or one is longer than the model reads.</exception>
    public static EvaluationResult Evaluate(
        string folder, CorpusSettings settings, LongDocuments rule, string cache, IProgressReporter progress, CancellationToken cancellation)
    {
        // Disposed with the task.
        var model = ModelFolder.Load(folder, ModelKind.Classification, of => new ClassificationModel(of.Config, of.Classification!));
        var layout = settings.Examples! with { IsNumber = model.Head.IsRegression, Classes = model.Head.IsRegression ? null : [.. model.Head.Classes] };
        var corpus = CorpusPreparation.Prepare(settings with { Examples = layout }, "/", cache, cancellationToken: cancellation);
        if (corpus.Tokenizer.VocabularySize != model.Config.VocabularySize)
        {
            throw new CommandException($"{folder}: the tokenizer has {corpus.Tokenizer.VocabularySize} tokens and the model {model.Config.VocabularySize}.");
        }

        using var dataset = LabelledDataset.Open(corpus.Folder, corpus.Tokenizer, heldOut: 0);
        var examples = dataset.Training;
        var encoder = new ExampleEncoder(corpus.Tokenizer.Special, model.Config.SequenceLength, rule);
        if (ClassificationTask.WhyNot(examples, encoder) is var (number, reason))
        {
            throw new CommandException($"Example {number + 1} {reason.Split("; raise ", 2)[0]}; say what to do with --long truncate or --long windows.");
        }

        using var task = new ClassificationTask(
            model, examples, examples, corpus.Tokenizer.Special, encoder, new SampleOrder(Math.Max(1, examples.Count), seed: 0), FusedEncoder.TryCreate(model.Encoder, Precision.Float32));
        return HeldOutMeasure.Run(task, Math.Max(1, BatchTokens / model.Config.SequenceLength), "examples", progress, cancellation)
            ?? throw new CommandException("The files have no examples.");
    }
}
