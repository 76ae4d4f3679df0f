using System.CommandLine;
using System.Net;
using Linformer.Coordinator;
using Linformer.Coordinator.Hosting;

namespace Linformer.Cli.Commands.Options;

/// <summary>The option <c>--http</c>: where a coordinator serves the dashboard and the HTTP API.</summary>
internal static class HttpOption
{
    private const string Nowhere = "none";
    private const int LastDefaultPort = 7099;

    /// <summary>The option; each command has its own.</summary>
    public static Option<string[]> Create()
    {
        var option = new Option<string[]>("--http")
        {
            Description = $"Where the dashboard and the HTTP API are served; may be given several times, or '{Nowhere}'. Beyond this machine, people need a token",
            HelpName = "HOST:PORT",
            DefaultValueFactory = _ => [$"localhost:{CoordinatorOptions.DefaultHttpPort}"],
        };
        option.Validators.Add(result =>
        {
            foreach (var value in result.Tokens.Select(token => token.Value))
            {
                if (value == Nowhere && result.Tokens.Count == 1)
                    continue;
                try
                {
                    ListenAddress.Parse(value);
                }
                catch (FormatException wrong)
                {
                    result.AddError(value == Nowhere ? $"--http: '{Nowhere}' goes with no address beside it." : $"--http: {wrong.Message}");
                }
            }
        });
        return option;
    }

    /// <summary>The addresses.</summary>
    public static IReadOnlyList<string> Value(ParseResult parsed, Option<string[]> option) =>
        parsed.GetValue(option)! is var given && given.SequenceEqual([Nowhere], StringComparer.Ordinal) ? [] : given;

    /// <summary>The addresses; where none was given and the usual port is taken, the next one that is free.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="option">The option.</param>
    /// <param name="context">Is told of another port.</param>
    public static IReadOnlyList<string> ValueOrFree(ParseResult parsed, Option<string[]> option, CommandContext context)
    {
        if (parsed.GetResult(option) is { Implicit: false })
            return Value(parsed, option);
        for (var port = CoordinatorOptions.DefaultHttpPort; port <= LastDefaultPort; port++)
        {
            if (!IsFree(port))
                continue;
            if (port != CoordinatorOptions.DefaultHttpPort)
                context.Note($"Port {CoordinatorOptions.DefaultHttpPort} is taken by another program; the dashboard is at port {port}.");
            return [$"localhost:{port}"];
        }
        throw new CommandException($"The ports {CoordinatorOptions.DefaultHttpPort} to {LastDefaultPort} are all taken by other programs. Choose one with --http HOST:PORT, or go without the dashboard by --http {Nowhere}.");
    }

    /// <summary>The dashboard's address as a browser on this machine takes it; one that listens everywhere answers on loopback, too.</summary>
    /// <param name="address">Where it is served.</param>
    public static Uri Dashboard(Uri address) =>
        IPAddress.TryParse(address.DnsSafeHost, out var ip) && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any) || ip.Equals(IPAddress.Loopback))
            ? new UriBuilder(address) { Host = "localhost" }.Uri
            : address;

    private static bool IsFree(int port)
    {
        try
        {
            ListenAddress.CheckFree([new ListenAddress(IPAddress.Loopback, port)]);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
