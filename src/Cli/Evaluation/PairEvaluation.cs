using Linformer.Cli.Generation;
using Linformer.Cli.Progress;
using Linformer.Data;
using Linformer.Data.Labelled;
using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Training;
using Linformer.Training.Tasks;

namespace Linformer.Cli.Evaluation;

/// <summary><c>evaluate</c> of a sequence-to-sequence model: the loss on the targets of pairs, and the measures of what it makes of their sources.</summary>
internal static class PairEvaluation
{
    private const int BatchTokens = 4096;

    /// <summary>Measures a model.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="settings">Files, tokenizer, and where the pairs are.</param>
    /// <param name="cache">A folder for shards.</param>
    /// <param name="progress">Where progress is shown.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>The measures, and how many pairs there are.</returns>
    /// <exception cref="CommandException">There is no pair, or one is longer than the model reads.</exception>
    public static (EvaluationResult Result, long Pairs) Evaluate(
        string folder, CorpusSettings settings, string cache, IProgressReporter progress, CancellationToken cancellation)
    {
        // Disposed with the task.
        var loaded = TextModel<SequenceToSequenceModel>.Load(folder, ModelKind.SequenceToSequence, of => new SequenceToSequenceModel(of.Config));
        var corpus = CorpusPreparation.Prepare(settings, "/", cache, cancellationToken: cancellation);
        using var pairs = PairDataset.OpenHeldOut(corpus.Folder, corpus.Tokenizer);
        var length = loaded.Model.Config.SequenceLength;
        if (pairs.HeldOut.FirstLongerThan(length - 1) is var (index, tokens))
        {
            throw new CommandException($"Pair {index + 1} has a text of {tokens} tokens; the model reads and writes at most {length - 1}. Leave such pairs out.");
        }

        using var task = new SequenceToSequenceTask(loaded.Model, pairs, corpus.Tokenizer, new SampleOrder(Math.Max(1, pairs.HeldOut.Count), seed: 0));
        var result = HeldOutMeasure.Run(task, Math.Max(1, BatchTokens / length), "pairs", progress, cancellation)
            ?? throw new CommandException("The files have no pairs.");
        return (result, pairs.HeldOut.Count);
    }
}
