using System.CommandLine;

namespace Linformer.Cli;

/// <summary>How results, progress and errors are written.</summary>
public enum OutputFormat
{
    /// <summary>For people.</summary>
    Text,

    /// <summary>For programs: one JSON value a line.</summary>
    Json,
}

/// <summary>The options that every command has.</summary>
internal static class GlobalOptions
{
    /// <summary>Text or JSON.</summary>
    public static Option<OutputFormat> Output { get; } = new("--output")
    {
        Description = "How results and progress are written: text or json",
        HelpName = "text|json",
        Recursive = true,
        CustomParser = result =>
        {
            switch (result.Tokens[0].Value)
            {
                case "text":
                    return OutputFormat.Text;
                case "json":
                    return OutputFormat.Json;
                case var other:
                    result.AddError($"--output is '{other}'; allowed are text and json.");
                    return default;
            }
        },
    };

    /// <summary>Stack traces with errors.</summary>
    public static Option<bool> Verbose { get; } = new("--verbose")
    {
        Description = "Show where an error comes from",
        Recursive = true,
    };

    /// <summary>Gives the options to the root command, and so to all.</summary>
    public static void AddTo(RootCommand root)
    {
        root.Add(Output);
        root.Add(Verbose);
    }
}
