using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.CompilerServices;

namespace Linformer.Cli;

/// <summary>Examples at the end of a command's help.</summary>
internal static class Examples
{
    private static readonly ConditionalWeakTable<Command, string[]> Table = [];

    /// <summary>Gives a command examples.</summary>
    /// <param name="command">The command.</param>
    /// <param name="examples">Command lines without the program's name.</param>
    public static void WithExamples(this Command command, params string[] examples) => Table.Add(command, examples);

    /// <summary>Makes the help of all commands show their examples.</summary>
    public static void AddToHelp(RootCommand root)
    {
        foreach (var option in root.Options.OfType<HelpOption>())
        {
            // No shell that this runs in writes options with a slash, and completion would offer them.
            option.Aliases.Remove("/?");
            option.Aliases.Remove("/h");
            option.Action = new HelpWithExamples((SynchronousCommandLineAction)option.Action!);
        }
    }

    private sealed class HelpWithExamples(SynchronousCommandLineAction help) : SynchronousCommandLineAction
    {
        // Help is asked for when something is missing, too.
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var exitCode = help.Invoke(parseResult);
            if (!Table.TryGetValue(parseResult.CommandResult.Command, out var examples))
                return exitCode;
            var output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (var example in examples)
                output.WriteLine($"  ./linformer {example}");
            output.WriteLine();
            return exitCode;
        }
    }
}
