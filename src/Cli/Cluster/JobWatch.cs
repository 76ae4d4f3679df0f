using Linformer.Cli.Screens;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;

namespace Linformer.Cli.Cluster;

/// <summary>Watches a job until it has ended, across restarts of the coordinator.</summary>
internal static class JobWatch
{
    /// <summary>
    /// Shows a job until it has ended, or until Ctrl-C, which leaves the job alone: on the whole screen of a terminal, or as lines.
    /// </summary>
    /// <param name="session">The connection, and how to write.</param>
    /// <param name="job">The job's id or name.</param>
    /// <param name="logScale">Whether the chart of the loss has a logarithmic scale.</param>
    /// <param name="cancellation">Ends the watching.</param>
    /// <returns>0 only if the job has succeeded.</returns>
    public static async Task<int> RunAsync(ClientSession session, string job, bool logScale, CancellationToken cancellation)
    {
        WatchEvent? last = null;
        try
        {
            if (session.Context.Format == OutputFormat.Json)
            {
                await foreach (var change in EventsAsync(session.Client, job, session.Context.Note, cancellation))
                    await session.Context.Output.WriteLineAsync(ProtoJson.Line(last = change));
            }
            else if (TerminalScreen.IsThere(session.Context))
            {
                bool left;
                using (var screen = new TerminalScreen())
                    (last, left) = await new WatchScreen(session.Client, screen).RunAsync(job, logScale, stays: false, cancellation);
                if (left)
                    return Detach(session, last?.Job.Id ?? job);
                NoteFailure(session, last!);
            }
            else
            {
                using var progress = session.Context.StartProgress();
                using var display = new WatchDisplay(progress);
                await foreach (var change in EventsAsync(session.Client, job, progress.Note, cancellation))
                    display.Show(last = change);
            }
        }
        catch (Exception) when (cancellation.IsCancellationRequested)
        {
            return Detach(session, last?.Job.Id ?? job);
        }

        return Finish(session, last!);
    }

    /// <summary>What happens to a job, from the beginning on: each entry of its history once.</summary>
    /// <param name="client">The connection.</param>
    /// <param name="job">The job's id or name.</param>
    /// <param name="note">Told when the connection breaks off and when it is back.</param>
    /// <param name="cancellation">Ends the watching.</param>
    public static async IAsyncEnumerable<WatchEvent> EventsAsync(
        CoordinatorClient client, string job, Action<string> note, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        var after = 0L;
        var ended = false;
        var events = ResilientStream.ReadAsync(
            () => client.Jobs.Watch(new WatchRequest { Job = job, AfterHistory = after }, client.Stream(cancellation)), _ => ended, note, cancellation);
        await foreach (var change in events)
        {
            job = change.Job.Id; // a name would mean a newer job once there is one
            while (change.History.Count > 0 && change.History[0].Sequence <= after)
                change.History.RemoveAt(0);
            if (change.History.Count > 0)
                after = change.History[^1].Sequence;
            ended = Words.HasEnded(change.Job.State);
            yield return change;
        }
    }

    private static int Detach(ClientSession session, string job)
    {
        session.Context.Note(
            $"""
            Detached; {job} goes on without you.
              watch it again: {session.Command($"watch {job}")}
              cancel it:      {session.Command($"cancel {job}")}
            """);
        return ExitCodes.Cancelled;
    }

    // The screen with the history is gone.
    private static void NoteFailure(ClientSession session, WatchEvent last)
    {
        if (last is { Job.State: JobState.Failed, LastFailure: { } failure })
            session.Context.Note(string.Join('\n', failure.LastLogLines.TakeLast(5).Select(line => $"  | {PlainText.Of(line)}").Prepend(PlainText.Of(Words.Failure(failure)))));
    }

    private static int Finish(ClientSession session, WatchEvent last)
    {
        var job = last.Job;
        if (session.Context.Format == OutputFormat.Text)
        {
            var reason = job.Reason.Length > 0 ? $": {job.Reason}" : ".";
            session.Context.Output.WriteLine($"{job.Id} {(job.State == JobState.Cancelled ? "was" : "has")} {Words.State(job.State)}{reason}");
            if (last.Result is { } result)
            {
                Words.WriteResult(session.Context.Output, result);
                session.Context.Output.WriteLine(Words.IsInference(result)
                    ? $"Where its results are: {session.Command($"show {job.Id}")}"
                    : $"Model: {result.ModelFolder} below the storage root; copy it with {session.Command($"export {job.Id} --to DIR")}");
            }
            else
            {
                session.Context.Output.WriteLine($"More: {session.Command($"show {job.Id}")}");
            }
        }

        return job.State == JobState.Succeeded ? ExitCodes.Success : ExitCodes.Failure;
    }
}
