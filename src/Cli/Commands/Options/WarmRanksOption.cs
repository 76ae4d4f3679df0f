using System.CommandLine;
using Linformer.Protocol.Wire;

namespace Linformer.Cli.Commands.Options;

/// <summary><c>--warm-ranks</c>: processes that wait for a job.</summary>
internal static class WarmRanksOption
{
    /// <summary>How many there are unless it is said.</summary>
    public const int Default = 2;

    /// <summary>The option.</summary>
    public static Option<int> Create() => CountOption.Create(
        "--warm-ranks", "Rank processes that wait for a job, loaded, so that it begins sooner; never more than CPU slots are free", Default, WireLimits.MaxSlots, least: 0);
}
