using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>logs JOB</c>: the log lines of a job's ranks.</summary>
internal static class LogsCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var job = client.JobArgument();
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on until the job has ended" };
        var rank = new Option<int?>("--rank") { Description = "Only this rank", HelpName = "N" };
        var tail = new Option<int>("--tail") { Description = "Begin with the last so many lines (default: all)", HelpName = "N" };
        rank.Validators.Add(result =>
        {
            if (result.TryGet<int?>(out var value) && value < 0)
                result.AddError("--rank must be 0 or more.");
        });
        tail.Validators.Add(result =>
        {
            if (result.TryGet<int>(out var value) && value < 1)
                result.AddError("--tail must be 1 or more.");
        });
        var command = new Command("logs", "Print the log lines of a job's ranks") { job, follow, rank, tail };
        command.WithExamples("logs tiny --tail 20 --follow", "logs tiny --rank 1");
        client.SetAction(command, async (session, cancellation) =>
        {
            var request = new LogsRequest { Job = session.Parsed.GetValue(job), Tail = session.Parsed.GetValue(tail), Follow = session.Parsed.GetValue(follow) };
            if (session.Parsed.GetValue(rank) is { } only)
                request.Rank = only;
            var any = false;
            try
            {
                await foreach (var line in LinesAsync(session, request, cancellation))
                {
                    any = true;
                    session.Context.WriteMessage(line, output => output.WriteLine($"g{line.Generation} r{line.Rank} | {line.Text}"));
                }
            }
            catch (Exception) when (request.Follow && cancellation.IsCancellationRequested)
            {
                session.Context.Note($"Detached; {request.Job} goes on without you.");
                return ExitCodes.Cancelled;
            }

            if (!any)
                session.Context.Note("There are no such log lines yet.");
            return ExitCodes.Success;
        });
        return command;
    }

    private static async IAsyncEnumerable<LogLine> LinesAsync(
        ClientSession session, LogsRequest request, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        var lines = ResilientStream.ReadAsync(
            () => session.Client.Jobs.Logs(request, session.Client.Stream(cancellation)), endedWell => endedWell, session.Context.Note, cancellation);
        await foreach (var line in lines)
        {
            (request.After, request.Tail) = (line.Sequence, 0);
            yield return line;
        }
    }
}
