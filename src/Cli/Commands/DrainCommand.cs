using System.CommandLine;
using Grpc.Core;
using Linformer.Cli.Cluster;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>drain WORKER</c>: lets a worker hand over, and waits until nothing runs there.</summary>
internal static class DrainCommand
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(300);

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var worker = new Argument<string>("WORKER") { Description = "The worker's name, as `workers` lists it" };
        var undo = new Option<bool>("--undo") { Description = "Take the drain back: the worker gets ranks again" };
        var why = new Option<string?>("--why") { Description = "The reason, for the history of its jobs", HelpName = "TEXT" };
        var command = new Command(
            "drain",
            "Let a worker hand its ranks over at their next step, with no work lost, and give it nothing new. Waits until nothing runs there; Ctrl-C leaves the drain in place")
        {
            worker, undo, why,
        };
        command.WithExamples("drain node2 --why \"new kernel\"", "drain node2 --undo");
        client.SetAction(command, async (session, cancellation) =>
        {
            var request = new DrainWorkerRequest
            {
                Worker = session.Parsed.GetValue(worker),
                Undo = session.Parsed.GetValue(undo),
                Why = session.Parsed.GetValue(why) ?? "",
                Who = Environment.UserName,
            };
            var drained = await session.Client.Workers.DrainAsync(request, session.Client.Call(cancellation));
            if (request.Undo)
            {
                session.Context.WriteMessage(drained, output => output.WriteLine($"{drained.Name} gets ranks again."));
                return ExitCodes.Success;
            }
            try
            {
                return await WaitAsync(session, drained, cancellation);
            }
            catch (Exception) when (cancellation.IsCancellationRequested)
            {
                session.Context.Note(
                    $"""
                    {drained.Name} stays drained, and goes on handing over.
                      see how far it is: {session.Command("workers")}
                      take it back:      {session.Command($"drain {drained.Name} --undo")}
                    """);
                return ExitCodes.Cancelled;
            }
        });
        return command;
    }

    private static async Task<int> WaitAsync(ClientSession session, Protocol.V1.Worker worker, CancellationToken cancellation)
    {
        var shown = "";
        while (true)
        {
            var runs = Runs(worker);
            if (!worker.Alive || runs.Length == 0)
                return Finish(session, worker);
            if (runs != shown)
                session.Context.WriteMessage(worker, _ => session.Context.Note($"{worker.Name} hands over; still runs {runs}"));
            shown = runs;
            await Task.Delay(Interval, cancellation);
            worker = await FindAsync(session, worker, cancellation);
        }
    }

    private static int Finish(ClientSession session, Protocol.V1.Worker worker)
    {
        session.Context.WriteMessage(worker, output => output.WriteLine(
            worker.Alive ? $"{worker.Name} is drained: nothing runs there." : $"{worker.Name} is drained, and is not connected any more."));
        return ExitCodes.Success;
    }

    /// <summary>How the worker is now; one that has left is not connected. While the coordinator is away, as it was.</summary>
    private static async Task<Protocol.V1.Worker> FindAsync(ClientSession session, Protocol.V1.Worker before, CancellationToken cancellation)
    {
        try
        {
            var response = await session.Client.Workers.ListAsync(new ListWorkersRequest(), session.Client.Call(cancellation));
            return response.Workers.FirstOrDefault(worker => worker.Name == before.Name) ?? new Protocol.V1.Worker { Name = before.Name, Drained = true };
        }
        catch (RpcException error) when (error.StatusCode == StatusCode.Unavailable)
        {
            return before;
        }
    }

    private static string Runs(Protocol.V1.Worker worker) =>
        string.Join(", ", worker.Slots.Where(slot => slot.JobId.Length > 0).Select(Views.Words.Rank));
}
