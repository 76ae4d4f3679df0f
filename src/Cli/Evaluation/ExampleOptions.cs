using System.CommandLine;
using Linformer.Data.Labelled;
using Linformer.Model;
using Linformer.Protocol;
using Linformer.Worker.Jobs;

namespace Linformer.Cli.Evaluation;

/// <summary>Where labelled examples are in files: the options of a command, with the names and the values of a job file's <c>corpus.examples</c>.</summary>
internal sealed class ExampleOptions
{
    private static readonly Dictionary<string, ExampleLayoutKind> Layouts = new(StringComparer.Ordinal)
    {
        ["tsv"] = ExampleLayoutKind.Tsv,
        ["csv"] = ExampleLayoutKind.Csv,
        ["jsonl"] = ExampleLayoutKind.Jsonl,
        ["folders"] = ExampleLayoutKind.Folders,
        ["sst2"] = ExampleLayoutKind.Sst2,
        ["qnli"] = ExampleLayoutKind.Qnli,
        ["qqp"] = ExampleLayoutKind.Qqp,
        ["sts-b"] = ExampleLayoutKind.StsB,
    };

    private readonly Option<string?> _layout = new("--layout") { Description = "Of examples: how files hold them; by default told by the name of the first file", HelpName = "LAYOUT" };
    private readonly Option<string?> _text = new("--text") { Description = "Of examples: column or field of the text, or of the source of a pair to translate; of a table also the column's number (default: text, or that of the GLUE table)", HelpName = "NAME" };
    private readonly Option<string?> _pair = new("--text-pair") { Description = "Of a classification model: column or field of the second text of a pair", HelpName = "NAME" };
    private readonly Option<string?> _label = new("--label") { Description = "Of examples: column or field of the label, or of the target of a pair to translate (default: label, or that of the GLUE table)", HelpName = "NAME" };
    private readonly Option<string> _badLines = new("--bad-lines") { Description = "Of examples: whether a line that is none is an error or left out", DefaultValueFactory = _ => "error" };

    public ExampleOptions()
    {
        _layout.AcceptOnlyFromAmong([.. Layouts.Keys]);
        _badLines.AcceptOnlyFromAmong("error", "skip");
    }

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_layout);
        command.Add(_text);
        command.Add(_pair);
        command.Add(_label);
        command.Add(_badLines);
    }

    /// <summary>The layout that the options say.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="kind">What the model is for.</param>
    /// <param name="file">The first file.</param>
    /// <exception cref="CommandException">They are not for such a model or layout.</exception>
    public ExampleLayout Read(ParseResult parsed, ModelKind kind, string file)
    {
        var isPairs = kind == ModelKind.SequenceToSequence;
        var layout = parsed.GetValue(_layout) is { } name ? Layouts[name] : LayoutOf(file);
        if (isPairs && parsed.GetValue(_pair) is not null)
        {
            throw new CommandException("--text-pair is for classification; of sequence-to-sequence --text is the source and --label the target.");
        }

        if (isPairs && layout == ExampleLayoutKind.Folders)
        {
            throw new CommandException("Texts in folders have no targets; a model of sequence-to-sequence is measured on .tsv, .csv or .jsonl.");
        }

        if (layout == ExampleLayoutKind.Folders && (parsed.GetValue(_text) ?? parsed.GetValue(_pair) ?? parsed.GetValue(_label)) is not null)
        {
            throw new CommandException("Texts in folders have no columns: the name of a folder is the class. --text, --text-pair and --label are for .tsv, .csv and .jsonl.");
        }

        return JobMapping.ExampleLayout(new ExamplesSection
        {
            Layout = layout,
            Text = parsed.GetValue(_text),
            TextPair = parsed.GetValue(_pair),
            Label = parsed.GetValue(_label),
            BadLines = parsed.GetValue(_badLines) == "skip" ? BadLineAction.Skip : BadLineAction.Error,
        });
    }

    /// <summary>Complains of options that are given for a model that reads plain text.</summary>
    /// <exception cref="CommandException">There is one.</exception>
    public void RefuseFor(ParseResult parsed, ModelKind kind)
    {
        foreach (var option in (Option[])[_layout, _text, _pair, _label, _badLines])
        {
            if (parsed.GetResult(option) is { Implicit: false })
            {
                throw new CommandException($"{option.Name} is for models of classification and sequence-to-sequence; this one is for {ConfigFile.NameOf(kind)}, and reads text.");
            }
        }
    }

    private static ExampleLayoutKind LayoutOf(string file)
    {
        var name = file.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? file[..^3] : file;
        return Path.GetExtension(name).ToUpperInvariant() switch
        {
            ".TSV" => ExampleLayoutKind.Tsv,
            ".CSV" => ExampleLayoutKind.Csv,
            ".TXT" => ExampleLayoutKind.Folders,
            _ => ExampleLayoutKind.Jsonl,
        };
    }
}
