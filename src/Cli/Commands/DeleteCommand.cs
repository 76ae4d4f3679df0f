using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>delete JOB</c>: deletes a job that has ended, after a question on a terminal.</summary>
internal static class DeleteCommand
{
    // Checkpoints may be many large files on a slow storage.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var job = client.JobArgument();
        var keepModel = new Option<bool>("--keep-model") { Description = "Let the folder of the finished model stay" };
        var yes = new Option<bool>("--yes") { Description = "Do not ask; needed where nobody can be asked" };
        var why = new Option<string?>("--why") { Description = "The reason, for the coordinator's log and events", HelpName = "TEXT" };
        var command = new Command("delete", "Delete a job that has ended: its row, history, metrics, log, checkpoints and model. It cannot be taken back")
        {
            job, keepModel, yes, why,
        };
        command.WithExamples("delete tiny-abcde", "delete tiny-abcde --keep-model --yes --why \"only the model is needed\"");
        client.SetAction(command, async (session, cancellation) =>
        {
            var name = session.Parsed.GetValue(job)!;
            var keep = session.Parsed.GetValue(keepModel);
            if (!session.Parsed.GetValue(yes))
            {
                if (Console.IsInputRedirected || Console.IsErrorRedirected)
                    throw new CommandException($"Nobody can be asked whether {name} is to be deleted; --yes says so.");
                // A name may mean another job by the time of the answer.
                if (await AskAsync(session, name, keep, cancellation) is not { } id)
                {
                    session.Context.Note("Nothing was deleted.");
                    return ExitCodes.Failure;
                }
                name = id;
            }
            var request = new DeleteJobRequest { Job = name, KeepModel = keep, Why = session.Parsed.GetValue(why) ?? "", Who = Environment.UserName };
            var deleted = await session.Client.Jobs.DeleteAsync(request, session.Client.Call(Patience, cancellation));
            session.Context.WriteMessage(deleted, output => output.WriteLine($"{deleted.JobId} is deleted; {Words.Bytes(deleted.Bytes)} were freed."));
            return ExitCodes.Success;
        });
        return command;
    }

    private static async Task<string?> AskAsync(ClientSession session, string name, bool keepModel, CancellationToken cancellation)
    {
        var details = await session.Client.Jobs.ShowAsync(new ShowJobRequest { Job = name }, session.Client.Call(cancellation));
        var job = details.Job;
        var checkpoints = await session.Client.Jobs.CheckpointsAsync(new CheckpointsRequest { Job = job.Id }, session.Client.Call(cancellation));
        var kept = checkpoints.Checkpoints.Where(checkpoint => checkpoint.Kept).ToList();
        session.Context.Note(
            $"""
            {job.Id}, which {Words.State(job)} at step {job.CommittedStep} of {job.TotalSteps}, goes for good, with
              its history, metrics and log
              {Words.Count(kept.Count, "checkpoint")}, {Words.Bytes(kept.Sum(checkpoint => checkpoint.Bytes))}
              {(keepModel ? "but not its model" : details.Result is null ? "no model" : $"its model, {details.Result.ModelFolder}")}
            """);
        await session.Context.Error.WriteAsync($"Delete {job.Id}? [y/N] ");
        var answer = await Console.In.ReadLineAsync(cancellation);
        return answer?.Trim().ToUpperInvariant() is "Y" or "YES" ? job.Id : null;
    }
}
