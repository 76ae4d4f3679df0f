using System.CommandLine;
using Linformer.Protocol;

namespace Linformer.Cli.Commands.Options;

/// <summary>The option <c>--device</c>: what a worker's slots are.</summary>
internal static class DeviceOption
{
    private static readonly Dictionary<string, DeviceKind> Kinds = new()
    {
        ["auto"] = DeviceKind.Auto,
        ["cpu"] = DeviceKind.Cpu,
        ["cuda"] = DeviceKind.Cuda,
    };

    /// <summary>The option.</summary>
    public static Option<DeviceKind> Create() => new("--device")
    {
        Description = "What the slots are: GPUs (cuda), shares of the CPU, or GPUs where there are any that this build can use (default: auto)",
        HelpName = string.Join('|', Kinds.Keys),
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (!Kinds.TryGetValue(text, out var kind))
                result.AddError($"--device is '{text}'; allowed are {string.Join(", ", Kinds.Keys)}.");
            return kind;
        },
    };
}
