using System.CommandLine;

namespace Linformer.Cli.Generation;

/// <summary>The texts that a command works on: its argument, or the lines of a file or of standard input.</summary>
internal sealed class TextInput
{
    private readonly Argument<string?> _text;
    private readonly Option<string?> _file = new("--file") { Description = "Read a text from each line of a file instead", HelpName = "FILE" };

    /// <summary>Adds argument and option to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="description">What the argument is.</param>
    public TextInput(Command command, string description = "The text; without it, each line of standard input is one")
    {
        _text = new Argument<string?>("TEXT") { Description = description, Arity = ArgumentArity.ZeroOrOne };
        command.Arguments.Add(_text);
        command.Options.Add(_file);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_text) is not null && result.GetValue(_file) is not null)
            {
                result.AddError("A text and --file are given: give one or the other.");
            }
        });
    }

    /// <summary>Whether the texts are those of a file.</summary>
    /// <param name="parsed">The command line.</param>
    public bool IsFile(ParseResult parsed) => parsed.GetValue(_file) is not null;

    /// <summary>The texts, as they come; empty lines are left out.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="cancellation">Ends a wait for standard input.</param>
    /// <exception cref="CommandException">The file cannot be read.</exception>
    public IEnumerable<string> Read(ParseResult parsed, CancellationToken cancellation)
    {
        if (parsed.GetValue(_text) is { } text)
        {
            return [text];
        }

        return TextLines.Read(parsed.GetValue(_file), cancellation).Where(line => line.Trim().Length > 0);
    }
}
