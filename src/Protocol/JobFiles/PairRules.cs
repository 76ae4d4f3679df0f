namespace Linformer.Protocol;

/// <summary>What must hold between the fields of a job that makes a text of a text.</summary>
internal static class PairRules
{
    /// <summary>The rules.</summary>
    public static IReadOnlyList<JobFileRule> All { get; } =
    [
        new("`task: sequence-to-sequence` has `corpus.examples`, whose `text` is the source and whose `label` is the target.",
            ["corpus.examples", "task"],
            facts => facts.Job is { Task: JobTask.SequenceToSequence, Corpus.Examples: null }
                ? "is missing; sequence-to-sequence learns from pairs, and this says where in the files sources (text) and targets (label) are"
                : null),
        new("With `task: sequence-to-sequence`, `corpus.examples` has a `layout` of columns, and neither `textPair` nor `classes` nor `target: number`.",
            ["corpus.examples.layout", "corpus.examples.textPair", "corpus.examples.classes", "corpus.examples.target", "task"],
            facts => facts.Job is { Task: JobTask.SequenceToSequence, Corpus.Examples: { } examples } ? Examples(examples) : null),
    ];

    private static string? Examples(ExamplesSection examples) => examples switch
    {
        { Layout: ExampleLayoutKind.Folders } => "'folders' has no targets; allowed for sequence-to-sequence are tsv, csv and jsonl",
        { TextPair: not null } or { Classes: not null } or { IsNumber: true } =>
            "textPair, classes and target: number are for classification; of sequence-to-sequence text is the source and label is the target",
        _ => null,
    };
}
