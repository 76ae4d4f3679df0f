using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>export JOB --to DIR</c>: copies a finished model from the cluster.</summary>
internal static class ExportCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var job = client.JobArgument();
        var to = new Option<string>("--to") { Description = "The folder to make", HelpName = "DIR", Required = true };
        var force = new Option<bool>("--force") { Description = "Replace the folder if it has files in it" };
        var command = new Command("export", "Copy the model of a job that has succeeded to this machine") { job, to, force };
        command.WithExamples("export tiny --to models/tiny");
        client.SetAction(command, async (session, cancellation) =>
        {
            var name = session.Parsed.GetValue(job)!;
            var folder = session.Parsed.GetValue(to)!;
            using var download = ModelDownload.Begin(folder, session.Parsed.GetValue(force));
            var files = await ReceiveAsync(session, name, download, cancellation);
            download.Commit();
            session.Context.WriteResult(
                new { job = name, folder, files = files.Select(file => new { file.Path, file.Bytes }) },
                output => output.WriteLine($"Exported {Words.Count(files.Count, "file")}, {Words.Bytes(files.Sum(file => file.Bytes))}, to {folder}"));
            return ExitCodes.Success;
        });
        return command;
    }

    private static async Task<IReadOnlyList<(string Path, long Bytes)>> ReceiveAsync(
        ClientSession session, string job, ModelDownload download, CancellationToken cancellation)
    {
        using var progress = session.Context.StartProgress();
        using var phase = progress.StartPhase("Exporting the model", "bytes");
        using var call = session.Client.Jobs.Export(new ExportRequest { Job = job }, session.Client.Stream(cancellation));
        var files = await download.ReceiveAsync(call.ResponseStream, received => phase.Report(received), cancellation);
        phase.Complete();
        return files;
    }
}
