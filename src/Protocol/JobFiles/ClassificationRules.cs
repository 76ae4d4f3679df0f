namespace Linformer.Protocol;

/// <summary>What must hold between the fields of a job that classifies.</summary>
internal static class ClassificationRules
{
    /// <summary>The rules.</summary>
    public static IReadOnlyList<JobFileRule> All { get; } =
    [
        new("`task: classification` has `corpus.examples`.",
            ["corpus.examples", "task"],
            facts => facts.Job is { Task: JobTask.Classification, Corpus.Examples: null }
                ? "is missing; a classification learns from labelled examples, and this says where in the files texts and labels are"
                : null),
        new("`classification` is for `task: classification`.",
            ["classification", "task"],
            facts => facts.Job is { Task: not JobTask.Classification, Classification: not null }
                ? $"is for task: classification; the task is {facts.Show("task", facts.Job.Task)}"
                : null),
        new("`corpus.heldOutFiles` is for `corpus.examples`.",
            ["corpus.heldOutFiles", "corpus.examples"],
            facts => facts.Job.Corpus is { HeldOutFiles: not null, Examples: null }
                ? "is for labelled examples, which corpus.examples describes; of text, corpus.heldOut keeps a share"
                : null),
        new("`corpus.examples` has no columns where `layout` is `folders`, no `textPair` that is its `text`, no `label` that is one of its texts, and no `classes` for numbers.",
            ["corpus.examples.layout", "corpus.examples.text", "corpus.examples.textPair", "corpus.examples.label", "corpus.examples.target", "corpus.examples.classes"],
            facts => facts.Job.Corpus.Examples is { } examples ? Examples(examples) : null),
        new("`classification.windowStride` is less than `model.sequenceLength` - 1, so that windows leave nothing out.",
            ["classification.windowStride", "model.sequenceLength"],
            facts => facts.Job is { Classification.WindowStride: { } stride, Model: var model } && stride > model.SequenceLength - 2
                ? $"{stride:#,0} is more than the {model.SequenceLength - 2:#,0} tokens of a window; allowed: 1 to {model.SequenceLength - 2:#,0}"
                : null),
        Measure("training.keepBest", job => job.Training.KeepBest),
        Measure("training.earlyStopping.measure", job => job.Training.EarlyStopping?.Measure),
    ];

    private static JobFileRule Measure(string path, Func<JobFile, MeasureKind?> of) => new(
        $"`{path}`: every task has `loss`; `classification` has `pearson` and `spearman` of numbers, and all others of classes.",
        [path, "task"],
        facts => of(facts.Job) is { } measure && !Allowed(facts.Job).Contains(measure)
            ? $"'{JobFileSchema.ChoiceName(measure)}' is not measured by this job; allowed: {string.Join(", ", Allowed(facts.Job).Select(allowed => JobFileSchema.ChoiceName(allowed)))}"
            : null);

    private static MeasureKind[] Allowed(JobFile job) => job switch
    {
        { Task: not JobTask.Classification } => [MeasureKind.Loss],
        { Corpus.Examples.IsNumber: true } => [MeasureKind.Loss, MeasureKind.Pearson, MeasureKind.Spearman],
        _ => [MeasureKind.Loss, MeasureKind.Accuracy, MeasureKind.F1, MeasureKind.MacroF1, MeasureKind.MicroF1, MeasureKind.Matthews],
    };

    private static string? Examples(ExamplesSection examples)
    {
        var (text, pair, label) = examples.Columns;
        if (examples.Classes?.GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(same => same.Skip(1).Any()) is { } twice)
            return $"classes has {Texts.Show(twice.Key)} twice";
        if (examples.Layout == ExampleLayoutKind.Folders)
        {
            return examples is { Text: null, TextPair: null, Label: null, IsNumber: false }
                ? null
                : "'folders' has no columns, and the names of folders are classes; text, textPair, label and target: number are for tsv, csv and jsonl";
        }
        if (text == pair)
            return $"text and textPair are both {Texts.Show(text)}; a pair has two columns";
        if (label == text || label == pair)
            return $"label and a text are both {Texts.Show(label)}; the label has a column of its own";
        return examples is { IsNumber: true, Classes: not null } ? "classes are given, and target is number" : null;
    }
}
