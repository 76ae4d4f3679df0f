using System.CommandLine;
using System.CommandLine.Parsing;
using Linformer.Coordinator;
using Linformer.Protocol.Wire;

namespace Linformer.Cli.Commands.Options;

/// <summary>The options with which a coordinator scales a StatefulSet of workers.</summary>
internal sealed class ScaleOptions
{
    private const int MostWorkers = 10_000;

    private static readonly ScalingOptions Defaults = new() { StatefulSet = "", Maximum = 1 };

    private readonly Option<string?> _statefulSet = new("--scale-statefulset")
    {
        Description = "In Kubernetes: the StatefulSet of workers whose size follows the jobs that wait and run",
        HelpName = "NAME",
    };

    private readonly Option<string?> _namespace = new("--scale-namespace") { Description = "Its namespace (default: the coordinator's own)", HelpName = "NS" };
    private readonly Option<int> _least = CountOption.Create("--scale-min", "The fewest workers", Defaults.Minimum, MostWorkers, least: 0);
    private readonly Option<int> _most = CountOption.Create("--scale-max", "The most workers", Defaults.Maximum, MostWorkers);
    private readonly Option<int> _slots = CountOption.Create("--scale-slots", "Slots of a worker, for as long as none has told its own", Defaults.SlotsPerWorker, WireLimits.MaxSlots);
    private readonly Option<Seconds> _idle = SecondsOption.Create(
        "--scale-idle", "A worker that has had nothing to do for so long is given up", Defaults.IdleTime, TimeSpan.FromSeconds(1), TimeSpan.FromDays(7));

    private Option[] Rest => [_namespace, _least, _most, _slots, _idle];

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_statefulSet, .. Rest])
            command.Add(option);
        command.Validators.Add(Check);
    }

    /// <summary>What is to be scaled; null for nothing.</summary>
    public ScalingOptions? Value(ParseResult parsed) => parsed.GetValue(_statefulSet) is not { } name ? null : Defaults with
    {
        StatefulSet = name,
        Namespace = parsed.GetValue(_namespace),
        Minimum = parsed.GetValue(_least),
        Maximum = parsed.GetValue(_most),
        SlotsPerWorker = parsed.GetValue(_slots),
        IdleTime = parsed.GetValue(_idle).Time,
    };

    private void Check(CommandResult result)
    {
        if (result.GetResult(_statefulSet) is null)
        {
            if (Array.Find(Rest, option => result.GetResult(option) is { Implicit: false }) is { } alone)
                result.AddError($"{alone.Name} needs --scale-statefulset.");
        }
        else if (result.GetResult(_most) is not { Implicit: false } most)
        {
            result.AddError("--scale-statefulset needs --scale-max: the most workers that may run.");
        }
        else if (most.TryGet<int>(out var largest) && result.GetResult(_least) is { } least && least.TryGet<int>(out var smallest) && smallest > largest)
        {
            result.AddError($"--scale-min is {smallest} and --scale-max is {largest}; the least must not be more than the most.");
        }
    }
}
