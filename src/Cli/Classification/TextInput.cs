using System.CommandLine;

namespace Linformer.Cli.Classification;

/// <summary>Texts for a model: arguments, or the lines of a file or of standard input.</summary>
internal sealed class TextInput
{
    private const char PairMark = '\t';

    private readonly Argument<string[]> _texts = new("TEXT") { Description = "One or more texts; without any, --file or standard input, a text a line", Arity = ArgumentArity.ZeroOrMore };
    private readonly Option<string?> _file = new("--file") { Description = "A file of texts, one a line", HelpName = "FILE" };
    private readonly Option<bool> _pairs = new("--pairs") { Description = "Each text is a pair: two texts parted by a tab" };

    /// <summary>Adds the arguments to a command.</summary>
    /// <param name="command">The command.</param>
    public void AddTo(Command command)
    {
        command.Add(_texts);
        command.Add(_file);
        command.Add(_pairs);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_file) is not null && result.GetValue(_texts) is { Length: > 0 })
                result.AddError("Texts are given as arguments and by --file; choose one.");
        });
    }

    /// <summary>The texts, each with the second of its pair if it is one.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="cancellation">Ends a wait for standard input.</param>
    /// <exception cref="CommandException">The file cannot be read, or a pair has no tab.</exception>
    public IEnumerable<(string Text, string? Pair)> Read(ParseResult parsed, CancellationToken cancellation)
    {
        var pairs = parsed.GetValue(_pairs);
        var number = 0;
        foreach (var line in Lines(parsed, cancellation))
        {
            number++;
            var tab = line.IndexOf(PairMark, StringComparison.Ordinal);
            if (pairs && (tab < 0 || line.LastIndexOf(PairMark) != tab))
                throw new CommandException($"Text {number} is no pair: --pairs needs two texts with one tab between them.");
            yield return pairs ? (line[..tab], line[(tab + 1)..]) : (line, null);
        }
    }

    private IEnumerable<string> Lines(ParseResult parsed, CancellationToken cancellation) =>
        parsed.GetValue(_texts) is { Length: > 0 } texts ? texts : TextLines.Read(parsed.GetValue(_file), cancellation);
}
