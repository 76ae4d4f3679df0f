using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary>Commands that list what a cluster has: <c>workers</c>, <c>corpora</c>.</summary>
internal static class ClusterCommands
{
    /// <summary><c>workers</c>.</summary>
    public static Command Workers()
    {
        var client = new ClientOptions();
        var command = new Command("workers", "List the workers, their slots and what runs there");
        command.WithExamples("workers", "workers --output json");
        client.SetAction(command, async (session, cancellation) =>
        {
            var response = await session.Client.Workers.ListAsync(new ListWorkersRequest(), session.Client.Call(cancellation));
            session.Context.WriteMessage(response, output =>
            {
                if (response.Workers.Count == 0)
                    session.Context.Note($"No workers. Start one with ./linformer worker --coordinator {session.Client.Addresses} --data DIR --join-token-file DIR/coordinator/join-token");
                else
                    WriteWorkers(response.Workers, output, session.Context.Width);
            });
            return ExitCodes.Success;
        });
        return command;
    }

    private static void WriteWorkers(IReadOnlyCollection<Protocol.V1.Worker> workers, TextWriter output, int? width)
    {
        Lists.Workers(workers, DateTime.UtcNow).Write(output, width);
        if (Lists.Gpus(workers) is { } gpus)
        {
            output.WriteLine();
            gpus.Write(output, width);
        }
    }

    /// <summary><c>corpora</c>.</summary>
    public static Command Corpora()
    {
        var client = new ClientOptions();
        var command = new Command("corpora", "List the corpora that are sharded or being sharded") { CorpusPreviewCommand.Create() };
        command.WithExamples("corpora", "corpora --output json", "corpora preview 33cda763309f9e1c");
        client.SetAction(command, async (session, cancellation) =>
        {
            var response = await session.Client.Corpora.ListAsync(new ListCorporaRequest(), session.Client.Call(cancellation));
            session.Context.WriteMessage(response, output =>
            {
                if (response.Corpora.Count == 0)
                    session.Context.Note("No corpora: the first job of a corpus has it sharded.");
                else
                    Lists.Corpora(response.Corpora).Write(output, session.Context.Width);
            });
            return ExitCodes.Success;
        });
        return command;
    }
}
