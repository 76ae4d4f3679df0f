using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary>Commands that show one job: <c>show</c>, <c>watch</c>, <c>checkpoints</c>.</summary>
internal static class JobCommands
{
    /// <summary><c>show JOB</c>.</summary>
    public static Command Show()
    {
        var client = new ClientOptions();
        var job = client.JobArgument();
        var command = new Command("show", "Show all about a job: where it stands and why, its ranks, measures, result and history") { job };
        command.WithExamples("show tiny           # the newest job of that name", "show tiny-abcde --output json | jq .history");
        client.SetAction(command, async (session, cancellation) =>
        {
            var details = await session.Client.Jobs.ShowAsync(new ShowJobRequest { Job = session.Parsed.GetValue(job) }, session.Client.Call(cancellation));
            session.Context.WriteMessage(details, output => JobView.Write(output, details, session.Context.Width));
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary><c>watch JOB</c>.</summary>
    public static Command Watch()
    {
        var client = new ClientOptions();
        var job = client.JobArgument();
        var logScale = new Option<bool>("--log-scale") { Description = "Begin with a logarithmic scale of the loss" };
        var command = new Command("watch", "Follow a job until it has ended; succeeds only if the job does. Ctrl-C leaves the job running") { job, logScale };
        command.WithExamples("watch tiny", "watch tiny --log-scale", "watch tiny-abcde --output json    # an event a line");
        client.SetAction(command, (session, cancellation) => JobWatch.RunAsync(session, session.Parsed.GetValue(job)!, session.Parsed.GetValue(logScale), cancellation));
        return command;
    }

    /// <summary><c>checkpoints JOB</c>.</summary>
    public static Command Checkpoints()
    {
        var client = new ClientOptions();
        var job = client.JobArgument();
        var command = new Command("checkpoints", "List the checkpoints of a job, newest first") { job };
        command.WithExamples("checkpoints tiny");
        client.SetAction(command, async (session, cancellation) =>
        {
            var name = session.Parsed.GetValue(job)!;
            var response = await session.Client.Jobs.CheckpointsAsync(new CheckpointsRequest { Job = name }, session.Client.Call(cancellation));
            session.Context.WriteMessage(response, output =>
            {
                if (response.Checkpoints.Count == 0)
                    session.Context.Note($"{name} has no checkpoints yet.");
                else
                    Lists.Checkpoints(response.Checkpoints, DateTime.UtcNow).Write(output, session.Context.Width);
            });
            return ExitCodes.Success;
        });
        return command;
    }
}
