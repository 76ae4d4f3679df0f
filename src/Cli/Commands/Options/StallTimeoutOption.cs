using System.CommandLine;
using Linformer.Worker.Agents;

namespace Linformer.Cli.Commands.Options;

/// <summary>The option <c>--stall-timeout</c>: when a rank is killed that lives and gets no further.</summary>
internal static class StallTimeoutOption
{
    /// <summary>The option; each command has its own.</summary>
    public static Option<Seconds> Create() => SecondsOption.Create(
        "--stall-timeout",
        "A rank whose training thread gets no further for so long (and for 20 times as long as usual; before its first step 20 times so long) is killed",
        new WatchdogOptions().Stall,
        TimeSpan.FromSeconds(1),
        TimeSpan.FromDays(1));
}
