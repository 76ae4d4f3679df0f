using System.CommandLine;

namespace Linformer.Cli;

/// <summary>The texts that a command works on: its arguments, or the lines of a file or of standard input.</summary>
internal sealed class TextInput
{
    private readonly Argument<string[]> _texts;
    private readonly Option<string?> _file = new("--file") { Description = "Read a text from each line of a file instead", HelpName = "FILE" };
    private readonly bool _keepsEmptyLines;

    /// <summary>Adds arguments and option to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="what">What the arguments are, in the singular.</param>
    /// <param name="keepsEmptyLines">Whether empty lines are texts, so that those of a file and of the output stay side by side.</param>
    public TextInput(Command command, string what = "A text", bool keepsEmptyLines = false)
    {
        _keepsEmptyLines = keepsEmptyLines;
        _texts = new Argument<string[]>("TEXT") { Description = $"{what}, or several; without any, each line of standard input is one", Arity = ArgumentArity.ZeroOrMore };
        command.Add(_texts);
        command.Add(_file);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_file) is not null && result.GetValue(_texts) is { Length: > 0 })
                result.AddError("Texts are given as arguments and by --file; choose one.");
        });
    }

    /// <summary>Whether the texts are those of a file.</summary>
    /// <param name="parsed">The command line.</param>
    public bool IsFile(ParseResult parsed) => parsed.GetValue(_file) is not null;

    /// <summary>The texts, as they come.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="cancellation">Ends a wait for standard input.</param>
    /// <exception cref="CommandException">The file cannot be read.</exception>
    public IEnumerable<string> Read(ParseResult parsed, CancellationToken cancellation) =>
        parsed.GetValue(_texts) is { Length: > 0 } texts
            ? texts
            : TextLines.Read(parsed.GetValue(_file), cancellation).Where(line => _keepsEmptyLines || line.Trim().Length > 0);
}
