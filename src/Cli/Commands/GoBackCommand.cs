using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>go-back JOB CHECKPOINT</c>: takes a job back to one of its checkpoints.</summary>
internal static class GoBackCommand
{
    private const int MostSkipped = 1000;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var job = client.JobArgument();
        var checkpoint = new Argument<string>("CHECKPOINT") { Description = "Where to begin again: the name of a checkpoint that is kept, as the command checkpoints lists them" };
        var skip = CountOption.Create("--skip-steps", "How many steps after the checkpoint are left out this time", 0, MostSkipped, least: 0);
        var why = new Option<string?>("--why") { Description = "The reason, for the job's history", HelpName = "TEXT" };
        var command = new Command("go-back", "Take a job back to a checkpoint: what came after it counts no more. A job that is paused, has failed or was cancelled is queued")
        {
            job, checkpoint, skip, why,
        };
        command.WithExamples(
            "checkpoints tiny                                              # which there are",
            "go-back tiny l0000-g0001-s00000100 --why \"the loss rose\"",
            "go-back tiny l0000-g0001-s00000100 --skip-steps 20            # steps 101 to 120 are left out");
        client.SetAction(command, async (session, cancellation) =>
        {
            var request = new GoBackRequest
            {
                Job = session.Parsed.GetValue(job),
                Checkpoint = session.Parsed.GetValue(checkpoint),
                SkipSteps = session.Parsed.GetValue(skip),
                Why = session.Parsed.GetValue(why) ?? "",
                Who = Environment.UserName,
            };
            var changed = await session.Client.Jobs.GoBackAsync(request, session.Client.Call(cancellation));
            session.Context.WriteMessage(changed, output => output.WriteLine(changed.Unchanged
                ? $"{changed.Id} had gone back to {request.Checkpoint} already; it is {Words.State(changed)}."
                : $"{changed.Id} goes back to {request.Checkpoint}, in lineage {changed.Lineage}; it is {Words.State(changed)}."));
            return ExitCodes.Success;
        });
        return command;
    }
}
