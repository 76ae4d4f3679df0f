using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Export;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>export JOB --to DIR</c>: copies a finished model, a checkpoint, or metrics from the cluster.</summary>
internal static class ExportCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var job = client.JobArgument();
        var to = new Option<string>("--to") { Description = "The folder to make", HelpName = "DIR", Required = true };
        var checkpoint = new Option<string?>("--checkpoint") { Description = "Copy this checkpoint instead of the model, whether or not the job has ended", HelpName = "NAME" };
        var metrics = MetricsOption();
        var force = new Option<bool>("--force") { Description = "Replace the folder if it has files in it" };
        var command = new Command("export", "Copy the model of a job that has succeeded, a checkpoint, or its metrics to this machine") { job, to, checkpoint, metrics, force };
        command.Validators.Add(result =>
        {
            if (result.GetResult(metrics) is { Implicit: false } && result.GetResult(checkpoint) is { Implicit: false })
                result.AddError("--metrics and --checkpoint do not go together: one export is of one of them.");
        });
        command.WithExamples(
            "export tiny --to models/tiny",
            "export tiny --checkpoint l0000-g0001-s00000100 --to checkpoint",
            "export tiny --metrics csv --to numbers",
            "export tiny --metrics tensorboard --to runs/tiny    # then: tensorboard --logdir runs");
        client.SetAction(command, async (session, cancellation) =>
        {
            var name = session.Parsed.GetValue(job)!;
            var destination = session.Parsed.GetValue(to)!;
            using var folder = NewFolder.Begin(destination, session.Parsed.GetValue(force));
            if (session.Parsed.GetValue(metrics) is { } format)
                await ExportMetricsAsync(session, name, format, folder, destination, cancellation);
            else
                await ExportFilesAsync(session, name, session.Parsed.GetValue(checkpoint), folder, destination, cancellation);
            return ExitCodes.Success;
        });
        return command;
    }

    private static Option<MetricsFormat?> MetricsOption()
    {
        var words = new Dictionary<string, MetricsFormat>(StringComparer.Ordinal) { ["csv"] = MetricsFormat.Csv, ["tensorboard"] = MetricsFormat.TensorBoard };
        var option = new Option<MetricsFormat?>("--metrics")
        {
            Description = "Write the metrics of the steps so far instead, whether or not the job has ended: as csv, or as an event file for tensorboard",
            HelpName = "FORMAT",
            CustomParser = result =>
            {
                if (words.TryGetValue(result.Tokens[0].Value, out var value))
                    return value;
                result.AddError($"--metrics is '{result.Tokens[0].Value}'; allowed are {string.Join(", ", words.Keys)}.");
                return null;
            },
        };
        option.CompletionSources.Add(_ => words.Keys.Select(word => new System.CommandLine.Completions.CompletionItem(word)));
        return option;
    }

    private static async Task ExportFilesAsync(
        ClientSession session, string job, string? checkpoint, NewFolder folder, string destination, CancellationToken cancellation)
    {
        var files = await ReceiveAsync(session, job, checkpoint, folder.Path, cancellation);
        folder.Commit();
        session.Context.WriteResult(
            new { job, checkpoint, folder = destination, files = files.Select(file => new { file.Path, file.Bytes }) },
            output => output.WriteLine($"Exported {Words.Count(files.Count, "file")}, {Words.Bytes(files.Sum(file => file.Bytes))}, to {destination}"));
    }

    private static async Task ExportMetricsAsync(
        ClientSession session, string job, MetricsFormat format, NewFolder folder, string destination, CancellationToken cancellation)
    {
        long steps, samples;
        using (var progress = session.Context.StartProgress())
            (job, steps, samples) = await new MetricsExport(session.Client, format, folder.Path, progress).RunAsync(job, cancellation);
        var files = new DirectoryInfo(folder.Path).GetFiles().OrderBy(file => file.Name, StringComparer.Ordinal).Select(file => new { Path = file.Name, Bytes = file.Length }).ToList();
        folder.Commit();
        var measured = samples > 0 ? $" and {Words.Count(samples, "sample")} of ranks" : "";
        session.Context.WriteResult(
            new { job, folder = destination, steps, samples, files },
            output => output.WriteLine($"Exported the metrics of {Words.Count(steps, "step")}{measured}, {Words.Bytes(files.Sum(file => file.Bytes))}, to {destination}"));
    }

    private static async Task<IReadOnlyList<(string Path, long Bytes)>> ReceiveAsync(
        ClientSession session, string job, string? checkpoint, string folder, CancellationToken cancellation)
    {
        using var progress = session.Context.StartProgress();
        using var phase = progress.StartPhase(checkpoint is null ? "Exporting the model" : "Exporting the checkpoint", "bytes");
        using var call = checkpoint is null
            ? session.Client.Jobs.Export(new ExportRequest { Job = job }, session.Client.Stream(cancellation))
            : session.Client.Jobs.ExportCheckpoint(new ExportCheckpointRequest { Job = job, Checkpoint = checkpoint }, session.Client.Stream(cancellation));
        var files = await ModelDownload.ReceiveAsync(folder, call.ResponseStream, received => phase.Report(received), cancellation);
        phase.Complete();
        return files;
    }
}
