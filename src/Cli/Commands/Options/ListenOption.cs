using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Coordinator.Hosting;

namespace Linformer.Cli.Commands.Options;

/// <summary>The option <c>--listen</c>: where a coordinator listens.</summary>
internal static class ListenOption
{
    /// <summary>The option; each command has its own.</summary>
    public static Option<string[]> Create()
    {
        var standard = $"localhost:{CoordinatorAddress.DefaultPort}";
        var option = new Option<string[]>("--listen")
        {
            Description = "Where the coordinator listens; may be given several times. Beyond this machine, people need the user token",
            HelpName = "HOST:PORT",
            DefaultValueFactory = _ => [standard],
        };
        option.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                try
                {
                    ListenAddress.Parse(token.Value);
                }
                catch (FormatException wrong)
                {
                    result.AddError($"--listen: {wrong.Message}");
                }
            }
        });
        return option;
    }
}
