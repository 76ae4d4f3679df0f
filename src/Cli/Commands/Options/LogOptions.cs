using System.CommandLine;
using System.CommandLine.Parsing;
using Linformer.Cli.Hosting;
using Serilog.Core;

namespace Linformer.Cli.Commands.Options;

/// <summary>Where a coordinator or worker writes its log, and how: <c>--log-format</c>, <c>--log-file</c> and what belongs to it.</summary>
internal sealed class LogOptions
{
    private const int MostMegabytes = 10_000;
    private const int MostFiles = 10_000;

    private readonly Option<LogFormat?> _format = Format("--log-format", "How the log on stderr is written: text or json (default: as --output says)");
    private readonly Option<string?> _file = new("--log-file")
    {
        Description = "Write the log to a file, too. Its name gets the day before its ending, as in coordinator20260131.log, and a number when it grows too large",
        HelpName = "FILE",
    };

    private readonly Option<LogFormat?> _fileFormat = Format("--log-file-format", "How the log in --log-file is written: text or json (default: as --log-format says)");
    private readonly Option<int> _fileSize = CountOption.Create("--log-file-megabytes", "A further file is begun when one has so many megabytes", 100, MostMegabytes);
    private readonly Option<int> _filesKept = CountOption.Create("--log-files-kept", "Of these files, the newest stay", 14, MostFiles);

    /// <summary>Adds them.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_format, _file, _fileFormat, _fileSize, _filesKept])
            command.Add(option);
    }

    /// <summary>The log that was chosen.</summary>
    /// <param name="context">How the command writes.</param>
    /// <param name="parsed">The command line.</param>
    /// <exception cref="CommandException">The file cannot be written.</exception>
    public Logger Create(CommandContext context, ParseResult parsed)
    {
        var format = parsed.GetValue(_format) ?? (context.Format == OutputFormat.Json ? LogFormat.Json : LogFormat.Text);
        var file = parsed.GetValue(_file) is { } path
            ? new LogFile(Path.GetFullPath(path), parsed.GetValue(_fileFormat) ?? format, parsed.GetValue(_fileSize) * 1_000_000L, parsed.GetValue(_filesKept))
            : null;
        return HostLog.Create(context, format, file);
    }

    private static Option<LogFormat?> Format(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "text|json",
        CustomParser = result => Parse(name, result),
    };

    private static LogFormat? Parse(string name, ArgumentResult result)
    {
        switch (result.Tokens[0].Value)
        {
            case "text":
                return LogFormat.Text;
            case "json":
                return LogFormat.Json;
            case var other:
                result.AddError($"{name} is '{other}'; allowed are text and json.");
                return null;
        }
    }
}
