using System.CommandLine;
using Linformer.Coordinator;

namespace Linformer.Cli.Commands.Options;

/// <summary>The option <c>--lease</c>: when a silent worker is lost.</summary>
internal static class LeaseOption
{
    private const int HeartbeatsPerLease = 5;

    /// <summary>The option; each command has its own.</summary>
    public static Option<Seconds> Create() => SecondsOption.Create(
        "--lease",
        "A worker that says nothing for so long is lost",
        new CoordinatorOptions { DataFolder = "" }.Lease,
        TimeSpan.FromSeconds(1),
        TimeSpan.FromHours(1));

    /// <summary>A coordinator's options with a lease, and with heartbeats that fit it.</summary>
    public static CoordinatorOptions WithLease(this CoordinatorOptions options, TimeSpan lease) =>
        options with { Lease = lease, HeartbeatInterval = lease / HeartbeatsPerLease };
}
