using System.CommandLine;
using System.Globalization;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Progress;
using Linformer.Data;
using Linformer.Model;
using Linformer.Training;
using Linformer.Training.Tasks;
using static TorchSharp.torch;

namespace Linformer.Cli.Commands;

/// <summary><c>evaluate MODEL FILES…</c>: the masked-LM loss of a model on some text.</summary>
internal static class EvaluateCommand
{
    private const int BatchTokens = 4096;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model's folder" };
        var files = new Argument<string[]>("FILES") { Description = "Text: .txt or .jsonl, each also with .gz", Arity = ArgumentArity.OneOrMore };
        var mask = new Option<double>("--mask-probability")
        {
            Description = "Share of tokens that are predicted",
            DefaultValueFactory = _ => Masker.DefaultProbability,
        };
        mask.Validators.Add(result =>
        {
            if (result.TryGet<double>(out var value) && value is not (> 0 and <= 1))
            {
                result.AddError("--mask-probability must be above 0 and at most 1.");
            }
        });
        var command = new Command("evaluate", "Measure a model's masked-LM loss and perplexity on text") { model, files, mask };
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var result = Evaluate(context, parsed.GetValue(model)!, parsed.GetValue(files)!, parsed.GetValue(mask), cancellation);
            context.WriteResult(
                new { loss = result.Loss, perplexity = result.Perplexity, predictedTokens = result.Predicted },
                output => output.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"Loss {result.Loss:0.0000} nats, perplexity {result.Perplexity:0.00}, on {result.Predicted:#,0} masked tokens.")));
            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }

    private static EvaluationResult Evaluate(
        CommandContext context, string folder, string[] files, double maskProbability, CancellationToken cancellation)
    {
        using var progress = context.StartProgress();
        var config = ModelFolder.LoadConfig(folder);
        if (Array.Find(files, file => !File.Exists(file)) is { } missing)
        {
            throw new CommandException($"{missing}: there is no such file.");
        }

        var cache = Directory.CreateTempSubdirectory("linformer-evaluate-");
        try
        {
            var corpus = Tokenize(folder, files, cache.FullName, cancellation);
            if (corpus.Tokenizer.VocabularySize != config.VocabularySize)
            {
                throw new CommandException($"{folder}: the tokenizer has {corpus.Tokenizer.VocabularySize} tokens and the model {config.VocabularySize}.");
            }

            var special = corpus.Tokenizer.Special;
            using var dataset = SequenceDataset.Open(
                corpus.Folder, config.SequenceLength, heldOut: 0, special.Separator ?? special.Begin ?? special.Unknown ?? 0);
            var sequences = dataset.Training;
            var masker = new Masker(seed: 0, corpus.Tokenizer.VocabularySize, special, maskProbability);
            using var task = new MaskedLanguageTask(
                ModelFolder.Load(folder), sequences, sequences, corpus.Tokenizer, new SampleOrder(sequences.Count, seed: 0), masker);
            return Measure(task, config.SequenceLength, progress, cancellation);
        }
        finally
        {
            cache.Delete(recursive: true);
        }
    }

    private static PreparedCorpus Tokenize(string folder, string[] files, string cache, CancellationToken cancellation)
    {
        // The files may lie anywhere, so the root of the file system is the storage root.
        var settings = new CorpusSettings
        {
            Files = [.. files.Select(BelowRoot)],
            TokenizerFile = BelowRoot(Path.Combine(folder, ModelFolder.TokenizerName)),
        };
        return CorpusPreparation.Prepare(settings, "/", cache, cancellationToken: cancellation);

        static string BelowRoot(string path) => Path.GetFullPath(path)[1..];
    }

    private static EvaluationResult Measure(MaskedLanguageTask task, int length, IProgressReporter progress, CancellationToken cancellation)
    {
        using var noGrad = no_grad();
        var batch = Math.Max(1, BatchTokens / length);
        var (loss, predicted) = (0.0, 0L);
        using var phase = progress.StartPhase("Evaluating", "sequences", task.HeldOutSequences);
        for (var first = 0L; first < task.HeldOutSequences; first += batch)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var part = task.HeldOutLoss(first, (int)Math.Min(batch, task.HeldOutSequences - first));
            loss += part.Sum?.item<float>() ?? 0;
            predicted += part.Predicted;
            phase.Report(Math.Min(first + batch, task.HeldOutSequences));
        }

        phase.Complete();
        return predicted > 0
            ? new EvaluationResult(loss / predicted, predicted)
            : throw new CommandException("The text is too short: no token of it was masked. Give more text, or raise --mask-probability.");
    }
}
