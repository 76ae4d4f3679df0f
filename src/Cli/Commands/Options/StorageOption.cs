using System.CommandLine;

namespace Linformer.Cli.Commands.Options;

/// <summary>The option <c>--data</c>: the storage root.</summary>
internal static class StorageOption
{
    private const string Variable = "LINFORMER_DATA";
    private const string Default = "linformer-data";

    /// <summary>The storage root that the environment names; null for none.</summary>
    public static string? FromEnvironment => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } folder ? folder : null;

    /// <summary>The option; each command has its own.</summary>
    public static Option<string> Create() => new("--data")
    {
        Description = $"The storage root: a job's corpus files are looked up in it, and checkpoints and models go there; {Variable} sets another default",
        HelpName = "DIR",
        DefaultValueFactory = _ => FromEnvironment ?? Default,
    };
}
