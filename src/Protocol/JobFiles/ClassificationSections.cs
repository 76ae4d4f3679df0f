namespace Linformer.Protocol;

// As in JobFile.cs, the summaries are also the text of docs/job-file.md.

/// <summary>Section `corpus.examples`: labelled examples, and where in the files their texts and labels are.</summary>
public sealed record ExamplesSection
{
    /// <summary>How files hold examples. `tsv`: a line each, columns parted by tabs, their names in the first line, nothing quoted. `csv`: comma-separated values with such a first line, quoted as RFC 4180 has it. `jsonl`: a JSON object a line. `folders`: a text file each, in a folder named for its class, as IMDB has it. `sst2`, `qnli`, `qqp`, `sts-b`: the tables of GLUE, with their columns.</summary>
    [Field]
    public ExampleLayoutKind Layout { get; init; } = ExampleLayoutKind.Tsv;

    /// <summary>Column or field of the text; of a `tsv` or `csv`, also the number of its column, from 1 on, where none has that name.</summary>
    [Field(Default = "`text`, or that of the GLUE table", Format = TextFormat.Line)]
    public string? Text { get; init; }

    /// <summary>Column or field of the second text, where an example is a pair.</summary>
    [Field(Default = "none, or that of the GLUE table", Format = TextFormat.Line)]
    public string? TextPair { get; init; }

    /// <summary>Column or field of the label.</summary>
    [Field(Default = "`label`, or that of the GLUE table", Format = TextFormat.Line)]
    public string? Label { get; init; }

    /// <summary>What a label is: the name of a class, or a number that the model predicts (regression, by the squared error).</summary>
    [Field(Default = "classes")]
    public ExampleTarget? Target { get; init; }

    /// <summary>The classes, in the order of the model's outputs. Without it, those that the files have: by number if all are whole numbers, else by name. For `f1` the second class is the positive one.</summary>
    [Field(MinCount = 2, MaxCount = 10_000, Format = TextFormat.Line)]
    public IReadOnlyList<string>? Classes { get; init; }

    /// <summary>What to do with a line that is no example: an error that names file and line, or leave it out.</summary>
    [Field]
    public BadLineAction BadLines { get; init; } = BadLineAction.Error;

    /// <summary>Whether labels are numbers.</summary>
    public bool IsNumber => (Target ?? (Layout == ExampleLayoutKind.StsB ? ExampleTarget.Number : ExampleTarget.Classes)) == ExampleTarget.Number;

    /// <summary>The columns or fields of the text, of the second text (null for none), and of the label, those of the layout where nothing is said.</summary>
    public (string Text, string? TextPair, string Label) Columns
    {
        get
        {
            var (text, pair, label) = Layout switch
            {
                ExampleLayoutKind.Sst2 => ("sentence", null, "label"),
                ExampleLayoutKind.Qnli => ("question", "sentence", "label"),
                ExampleLayoutKind.Qqp => ("question1", "question2", "is_duplicate"),
                ExampleLayoutKind.StsB => ("sentence1", "sentence2", "score"),
                _ => ("text", (string?)null, "label"),
            };
            return (Text ?? text, TextPair ?? pair, Label ?? label);
        }
    }
}

/// <summary>Section `classification`: how the model reads texts and tells classes or numbers of them.</summary>
public sealed record ClassificationSection
{
    /// <summary>What the head sees of a text: the first token, or the mean over all tokens.</summary>
    [Field]
    public PoolingKind Pooling { get; init; } = PoolingKind.First;

    /// <summary>What to do with a text that is longer than `model.sequenceLength`: an error, read its beginning, or read windows that overlap and average what the model says of each.</summary>
    [Field]
    public LongDocumentAction LongDocuments { get; init; } = LongDocumentAction.Error;

    /// <summary>Tokens from the beginning of a window to that of the next.</summary>
    [Field(Default = "half a window", Min = 1, Max = 1_048_576, Unit = "tokens")]
    public int? WindowStride { get; init; }

    /// <summary>Most windows of a text; what lies behind the last of them is not read.</summary>
    [Field(Min = 1, Max = 4096, Unit = "windows")]
    public int MostWindows { get; init; } = 16;

    /// <summary>How large weights and embeddings begin, without `initializeFrom`: N(0, 0.02²), as in RoBERTa, or by the inputs of each weight, N(0, 1/inputs), with token embeddings N(0, 1). A narrow model (`hidden` below 100 or so) learns from scratch with `fan-in` what it may not find with `roberta`.</summary>
    [Field]
    public InitializationKind Initialization { get; init; } = InitializationKind.Roberta;
}

/// <summary>Section `training.earlyStopping`: ends the job before its last step.</summary>
public sealed record EarlyStoppingSection
{
    /// <summary>Evaluations in a row that are no better than the best one, after which the job ends.</summary>
    [Field(Min = 1, Max = 1_000_000, Unit = "evaluations")]
    public int Patience { get; init; } = 5;

    /// <summary>By which measure.</summary>
    [Field(Default = "that of `training.keepBest`, or `loss`")]
    public MeasureKind? Measure { get; init; }
}

/// <summary>How files hold labelled examples.</summary>
public enum ExampleLayoutKind
{
    /// <summary>Columns parted by tabs, with a first line of names.</summary>
    Tsv,

    /// <summary>Comma-separated values, with a first line of names.</summary>
    Csv,

    /// <summary>A JSON object a line.</summary>
    Jsonl,

    /// <summary>A text file each, in folders by class.</summary>
    Folders,

    /// <summary>GLUE's SST-2: sentence, label.</summary>
    Sst2,

    /// <summary>GLUE's QNLI: question, sentence, label.</summary>
    Qnli,

    /// <summary>GLUE's QQP: question1, question2, is_duplicate.</summary>
    Qqp,

    /// <summary>GLUE's STS-B: sentence1, sentence2, score.</summary>
    StsB,
}

/// <summary>What a label is.</summary>
public enum ExampleTarget
{
    /// <summary>The name of a class.</summary>
    Classes,

    /// <summary>A number.</summary>
    Number,
}

/// <summary>What to do with a line that is no example.</summary>
public enum BadLineAction
{
    /// <summary>It is an error.</summary>
    Error,

    /// <summary>It is left out.</summary>
    Skip,
}

/// <summary>What the head sees of a text.</summary>
public enum PoolingKind
{
    /// <summary>The first token.</summary>
    First,

    /// <summary>The mean over all tokens.</summary>
    Mean,
}

/// <summary>How large the first weights of a model are.</summary>
public enum InitializationKind
{
    /// <summary>As in RoBERTa, whatever the width.</summary>
    Roberta,

    /// <summary>By the inputs of each weight.</summary>
    FanIn,
}

/// <summary>What to do with a text that is longer than the model reads.</summary>
public enum LongDocumentAction
{
    /// <summary>It is an error.</summary>
    Error,

    /// <summary>Its beginning is read.</summary>
    Truncate,

    /// <summary>Windows are read.</summary>
    Windows,
}

/// <summary>What is measured on the held-out part.</summary>
public enum MeasureKind
{
    /// <summary>Mean loss; less is better.</summary>
    Loss,

    /// <summary>Share of examples that were taken for what they are.</summary>
    Accuracy,

    /// <summary>F1 of the second of two classes.</summary>
    F1,

    /// <summary>Mean of the F1 of all classes.</summary>
    MacroF1,

    /// <summary>F1 of the sums over all classes.</summary>
    MicroF1,

    /// <summary>Matthews' correlation coefficient.</summary>
    Matthews,

    /// <summary>Pearson's correlation of predicted and true numbers.</summary>
    Pearson,

    /// <summary>Spearman's correlation of predicted and true numbers.</summary>
    Spearman,
}
