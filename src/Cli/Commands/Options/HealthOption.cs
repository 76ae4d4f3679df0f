using System.CommandLine;
using Linformer.Coordinator.Hosting;

namespace Linformer.Cli.Commands.Options;

/// <summary>The option <c>--health</c>: where a coordinator or worker tells how it is.</summary>
internal static class HealthOption
{
    /// <summary>The option; each command has its own.</summary>
    /// <param name="ready">When it is ready.</param>
    public static Option<ListenAddress?> Create(string ready) => new("--health")
    {
        Description = $"Where /healthz, /readyz and /metrics (for Prometheus; it names jobs and workers) are answered by HTTP, without a token: 200 while the process works, and {ready} (default: nowhere)",
        HelpName = "HOST:PORT",
        CustomParser = result =>
        {
            try
            {
                return ListenAddress.Parse(result.Tokens[0].Value);
            }
            catch (FormatException wrong)
            {
                result.AddError($"--health: {wrong.Message}");
                return null;
            }
        },
    };
}
