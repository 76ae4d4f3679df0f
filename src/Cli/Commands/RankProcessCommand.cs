using Linformer.Worker.Ranks;

namespace Linformer.Cli.Commands;

/// <summary>This program as a rank process.</summary>
internal static class RankProcessCommand
{
    /// <summary>The command line that starts this program as a rank.</summary>
    public static (string Command, IReadOnlyList<string> Arguments) Self()
    {
        var program = Environment.ProcessPath ?? throw new CommandException("The path of this program is not known.");
        return Path.GetFileNameWithoutExtension(program) == "dotnet"
            ? (program, [Path.Combine(AppContext.BaseDirectory, typeof(RankProcessCommand).Assembly.GetName().Name + ".dll"), RankProgram.Argument])
            : (program, [RankProgram.Argument]);
    }
}
