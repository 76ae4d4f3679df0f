namespace Linformer.Data.Labelled;

/// <summary>How files hold labelled examples.</summary>
public enum ExampleFormat
{
    /// <summary>A line per example, columns parted by tabs, their names in the first line, nothing quoted: <c>.tsv</c>, as GLUE is published.</summary>
    Table,

    /// <summary>A JSON object per line: <c>.jsonl</c>.</summary>
    JsonLines,

    /// <summary>A text file per example, in a folder that has the name of its class: <c>.txt</c>, as IMDB is published.</summary>
    Folders,

    /// <summary>Comma-separated values with the columns' names in the first record, quoted as RFC 4180 has it: <c>.csv</c>.</summary>
    Csv,
}

/// <summary>Where in a corpus's files the texts and labels of examples are.</summary>
public sealed record ExampleLayout
{
    /// <summary>How files hold examples.</summary>
    public required ExampleFormat Format { get; init; }

    /// <summary>The column or field with the text; of a table also the column's number, from 1 on, where none has that name. Without meaning for folders.</summary>
    public string Text { get; init; } = "text";

    /// <summary>The column or field with the second text of a pair; null for examples of one text.</summary>
    public string? TextPair { get; init; }

    /// <summary>The column or field with the label; without meaning for folders.</summary>
    public string Label { get; init; } = "label";

    /// <summary>Whether a label is a number to be predicted, rather than the name of a class.</summary>
    public bool IsNumber { get; init; }

    /// <summary>The classes that there are, in the order of the model's outputs; null to take those that the files have.</summary>
    public IReadOnlyList<string>? Classes { get; init; }

    /// <summary>Whether lines that are no examples are left out, rather than being an error.</summary>
    public bool SkipsBadLines { get; init; }
}

/// <summary>An example as its file has it.</summary>
/// <param name="Label">The class's name, or a finite number.</param>
/// <param name="Text">The text, which may be empty.</param>
/// <param name="TextPair">The second text of a pair; null for an example of one text.</param>
public readonly record struct LabelledText(string Label, string Text, string? TextPair);
