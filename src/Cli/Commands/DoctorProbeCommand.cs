using System.CommandLine;
using System.Text.Json;
using Linformer.Cli.Doctor;
using Linformer.Cli.Doctor.Machine;

namespace Linformer.Cli.Commands;

/// <summary><c>doctor-probe</c>: a process of <c>doctor</c> that loads native libraries. Not for people.</summary>
internal static class DoctorProbeCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var name = new Argument<string>("NAME");
        name.AcceptOnlyFromAmong("torch", "gloo", "gpu");
        var command = new Command(DoctorProbe.CommandName, "Try native libraries") { name };
        command.Hidden = true;
        command.SetAction(parsed =>
        {
            object facts = parsed.GetValue(name) switch
            {
                "torch" => TorchProbe.Run(),
                "gloo" => GlooProbe.Run(),
                _ => GpuProbe.Run(),
            };
            parsed.InvocationConfiguration.Output.WriteLine(JsonSerializer.Serialize(facts, facts.GetType(), CommandContext.JsonOptions));
            return ExitCodes.Success;
        });
        return command;
    }
}
