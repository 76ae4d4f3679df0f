using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Screens;
using Linformer.Protocol.Wire;

namespace Linformer.Cli.Commands;

/// <summary><c>top</c>: the jobs and workers of a cluster, live.</summary>
internal static class TopCommand
{
    private const int NoLimit = 1_000_000;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var once = new Option<bool>("--once") { Description = "Print it once and end, as where the output is not a terminal" };
        var command = new Command("top", "Show all jobs and workers live; Enter watches a job") { once };
        command.WithExamples("top", "top --once", "top --output json | jq .summary");
        client.SetAction(command, async (session, cancellation) =>
        {
            if (!session.Parsed.GetValue(once) && TerminalScreen.IsThere(session.Context))
            {
                using var screen = new TerminalScreen();
                await new TopScreen(session.Client, screen).RunAsync(cancellation);
                return ExitCodes.Success;
            }

            Write(session.Context, await new TopFeed(session.Client).ReadAsync(new TopState { Order = TopOrder.State }, cancellation));
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Write(CommandContext context, TopState state)
    {
        if (context.Format == OutputFormat.Json)
        {
            var (jobs, workers) = (string.Join(',', state.Jobs.Select(ProtoJson.Line)), string.Join(',', state.Workers.Select(ProtoJson.Line)));
            context.Output.WriteLine($$"""{"summary":{{ProtoJson.Line(state.Summary)}},"jobs":[{{jobs}}],"workers":[{{workers}}]}""");
            return;
        }

        foreach (var line in TopLayout.Text(state, context.Width ?? NoLimit, DateTime.UtcNow))
            context.Output.WriteLine(line);
    }
}
