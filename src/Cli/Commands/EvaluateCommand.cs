using System.CommandLine;
using Linformer.Cli.Classification;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Evaluation;
using Linformer.Cli.Progress;
using Linformer.Data;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Decoding;
using Linformer.Model.Kernels;
using Linformer.Training;
using Linformer.Training.Tasks;

namespace Linformer.Cli.Commands;

/// <summary><c>evaluate MODEL FILES…</c>: the loss of a language model on some text, or the measures of a model of classification or sequence-to-sequence on examples.</summary>
internal static class EvaluateCommand
{
    private const int BatchTokens = 4096;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "The model's folder" };
        var files = new Argument<string[]>("FILES") { Description = "Text, .txt or .jsonl; examples, also .tsv and .csv; each also with .gz", Arity = ArgumentArity.OneOrMore };
        var mask = new Option<double>("--mask-probability")
        {
            Description = "Share of tokens that a masked-LM predicts; a causal one predicts all",
            DefaultValueFactory = _ => Masker.DefaultProbability,
        };
        mask.Validators.Add(result =>
        {
            if (result.TryGet<double>(out var value) && value is not (> 0 and <= 1))
            {
                result.AddError("--mask-probability must be above 0 and at most 1.");
            }
        });
        var examples = new ExampleOptions();
        var rule = LongOption.Create();
        var command = new Command("evaluate", "Measure a language model on text, a classification model on labelled examples, a sequence-to-sequence model on pairs") { model, files, mask, rule };
        examples.AddTo(command);
        command.WithExamples(
            "evaluate models/notes other.txt",
            "evaluate models/spam mails.csv --text body --label 2 --long windows",
            "evaluate models/de-en pairs.tsv --text de --label en --output json");
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var (folder, paths) = (parsed.GetValue(model)!, parsed.GetValue(files)!);
            var kind = ModelFolder.Describe(folder).Kind;
            var isOfText = kind is not (ModelKind.Classification or ModelKind.SequenceToSequence);
            if (isOfText)
            {
                examples.RefuseFor(parsed, kind);
            }

            CheckFiles(paths);
            var settings = Settings(folder, paths) with { Examples = isOfText ? null : examples.Read(parsed, kind, paths[0]) };
            var measured = WithCache(context, (cache, progress) => kind switch
            {
                ModelKind.Classification => (ClassificationEvaluation.Evaluate(folder, settings, parsed.GetValue(rule), cache, progress, cancellation), 0),
                ModelKind.SequenceToSequence => PairEvaluation.Evaluate(folder, settings, cache, progress, cancellation),
                _ => (Evaluate(folder, settings, parsed.GetValue(mask), cache, progress, cancellation), 0),
            });
            Write(context, kind, measured);
            return Task.FromResult(ExitCodes.Success);
        });
        return command;
    }

    private static void Write(CommandContext context, ModelKind kind, (EvaluationResult Result, long Pairs) measured)
    {
        var (result, pairs) = measured;
        switch (kind)
        {
            case ModelKind.Classification:
                context.WriteResult(
                    new { loss = result.Loss, measures = result.Measures, examples = result.Predicted },
                    output => output.WriteLine(FormattableString.Invariant($"{ProgressText.Measures(result.Measures!)}, loss {result.Loss:0.0000}, on {result.Predicted:#,0} examples.")));
                break;
            case ModelKind.SequenceToSequence:
                context.WriteResult(
                    new { loss = result.Loss, perplexity = result.Perplexity, measures = result.Measures, pairs, predictedTokens = result.Predicted },
                    output => output.WriteLine(FormattableString.Invariant(
                        $"{ProgressText.Measures(result.Measures!)}, on {pairs:#,0} pairs. Loss {result.Loss:0.0000} nats, perplexity {result.Perplexity:0.00}, on {result.Predicted:#,0} tokens of their targets.")));
                break;
            default:
                context.WriteResult(
                    new { loss = result.Loss, perplexity = result.Perplexity, predictedTokens = result.Predicted },
                    output => output.WriteLine(FormattableString.Invariant(
                        $"Loss {result.Loss:0.0000} nats, perplexity {result.Perplexity:0.00}, on {result.Predicted:#,0} predicted tokens.")));
                break;
        }
    }

    private static (EvaluationResult Result, long Pairs) WithCache(
        CommandContext context, Func<string, IProgressReporter, (EvaluationResult Result, long Pairs)> evaluate)
    {
        using var progress = context.StartProgress();
        var cache = Directory.CreateTempSubdirectory("linformer-evaluate-");
        try
        {
            return evaluate(cache.FullName, progress);
        }
        finally
        {
            cache.Delete(recursive: true);
        }
    }

    private static void CheckFiles(string[] files)
    {
        if (Array.Find(files, file => !File.Exists(file)) is { } missing)
        {
            throw new CommandException($"{missing}: there is no such file.");
        }
    }

    private static EvaluationResult Evaluate(
        string folder, CorpusSettings settings, double maskProbability, string cache, IProgressReporter progress, CancellationToken cancellation)
    {
        var description = ModelFolder.Describe(folder);
        var (kind, config) = (description.Kind, description.Config);
        var corpus = CorpusPreparation.Prepare(settings, "/", cache, cancellationToken: cancellation);
        if (corpus.Tokenizer.VocabularySize != config.VocabularySize)
        {
            throw new CommandException($"{folder}: the tokenizer has {corpus.Tokenizer.VocabularySize} tokens and the model {config.VocabularySize}.");
        }

        var special = corpus.Tokenizer.Special;
        using var dataset = SequenceDataset.Open(
            corpus.Folder, config.SequenceLength, heldOut: 0, special.Separator ?? special.Begin ?? special.Unknown ?? 0);
        var sequences = dataset.Training;
        var order = new SampleOrder(sequences.Count, seed: 0);
        using ITrainingTask task = kind == ModelKind.CausalLanguage
            ? new CausalLanguageTask(
                ModelFolder.Load(folder, kind, of => new CausalLanguageModel(of.Config)), sequences, sequences, corpus.Tokenizer, order)
            : MaskedTask(ModelFolder.Load(folder), sequences, corpus.Tokenizer, order, maskProbability);
        using var held = task.HoldParameters();
        return HeldOutMeasure.Run(task, Math.Max(1, BatchTokens / config.SequenceLength), "sequences", progress, cancellation)
            ?? throw new CommandException("The text is too short: no token of it was predicted. Give more text, or raise --mask-probability.");
    }

    private static MaskedLanguageTask MaskedTask(MaskedLanguageModel model, SequenceSet sequences, ITokenizer tokenizer, SampleOrder order, double maskProbability) => new(
        model,
        sequences,
        sequences,
        tokenizer,
        order,
        new Masker(seed: 0, tokenizer.VocabularySize, tokenizer.Special, maskProbability),
        FusedLanguageModel.WhyNot(model, Precision.Float32) is null ? new FusedLanguageModel(model, Precision.Float32) : null);

    // The files may lie anywhere, so the root of the file system is the storage root.
    private static CorpusSettings Settings(string folder, string[] files)
    {
        return new CorpusSettings
        {
            Files = [.. files.Select(BelowRoot)],
            TokenizerFile = BelowRoot(Path.Combine(folder, ModelFolder.TokenizerName)),
        };

        static string BelowRoot(string path) => Path.GetFullPath(path)[1..];
    }
}
