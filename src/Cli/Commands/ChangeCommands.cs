using System.CommandLine;
using Grpc.Core;
using Linformer.Cli.Cluster;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary>Commands that change a job: <c>cancel</c>, <c>pause</c>, <c>resume</c>.</summary>
internal static class ChangeCommands
{
    /// <summary><c>cancel JOB</c>.</summary>
    public static Command Cancel() => Create(
        "cancel", "End a job at once; its checkpoints stay", (jobs, request, options) => jobs.CancelAsync(request, options), "cancel tiny --why \"wrong corpus\"");

    /// <summary><c>pause JOB</c>.</summary>
    public static Command Pause() => Create(
        "pause", "Let a job write a checkpoint and give up its slots", (jobs, request, options) => jobs.PauseAsync(request, options), "pause tiny --why \"the slots are needed\"");

    /// <summary><c>resume JOB</c>.</summary>
    public static Command Resume() => Create(
        "resume", "Queue a paused job again; it goes on from its newest checkpoint", (jobs, request, options) => jobs.ResumeAsync(request, options), "resume tiny");

    private static Command Create(
        string name, string description, Func<Jobs.JobsClient, ChangeRequest, CallOptions, AsyncUnaryCall<Job>> call, string example)
    {
        var client = new ClientOptions();
        var job = client.JobArgument();
        var why = new Option<string?>("--why") { Description = "The reason, for the job's history", HelpName = "TEXT" };
        var command = new Command(name, description) { job, why };
        command.WithExamples(example);
        client.SetAction(command, async (session, cancellation) =>
        {
            var request = new ChangeRequest
            {
                Job = session.Parsed.GetValue(job),
                Why = session.Parsed.GetValue(why) ?? "",
                Who = Environment.UserName,
            };
            var changed = await call(session.Client.Jobs, request, session.Client.Call(cancellation));
            session.Context.WriteMessage(changed, output => output.WriteLine(
                changed.Unchanged ? $"{changed.Id} was {Words.State(changed)} already." : $"{changed.Id} is {Words.State(changed)}."));
            return ExitCodes.Success;
        });
        return command;
    }
}
