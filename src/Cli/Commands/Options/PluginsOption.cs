using System.CommandLine;

namespace Linformer.Cli.Commands.Options;

/// <summary><c>--allow-plugins</c>: jobs may run code of whoever submits them.</summary>
internal static class PluginsOption
{
    /// <summary>Makes the option.</summary>
    public static Option<bool> Create() => new("--allow-plugins")
    {
        Description = "Take jobs with task: plugin too: they run code of whoever may submit, with this process's rights (default: no)",
    };
}
