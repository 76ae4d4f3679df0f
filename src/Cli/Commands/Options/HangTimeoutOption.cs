using System.CommandLine;
using Linformer.Worker.Agents;

namespace Linformer.Cli.Commands.Options;

/// <summary>The option <c>--hang-timeout</c>: when a silent rank is killed.</summary>
internal static class HangTimeoutOption
{
    /// <summary>The option; each command has its own.</summary>
    public static Option<Seconds> Create() => SecondsOption.Create(
        "--hang-timeout",
        "A rank that gives no sign of life for so long is killed",
        new WatchdogOptions().Silence,
        TimeSpan.FromSeconds(1),
        TimeSpan.FromHours(1));
}
