using System.CommandLine;
using Google.Protobuf;
using Linformer.Cli.Cluster;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>submit FILE</c>: queues a job.</summary>
internal static class SubmitCommand
{
    private const int MostBytes = 1 << 20;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "The job file (YAML or JSON); - reads standard input" };
        var watch = new Option<bool>("--watch") { Description = "Watch the job until it has ended; Ctrl-C leaves it running" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only check the job file, and show it with all settings resolved" };
        var key = new Option<string?>("--key")
        {
            Description = "The submission's idempotency key: the same key and file give the same job again (default: a new one)",
            HelpName = "K",
        };
        var client = new ClientOptions();
        var command = new Command("submit", "Queue a job") { file, watch, dryRun, key };
        command.WithExamples(
            "submit examples/tiny.yaml --watch          # queue it and follow it to the end",
            "submit job.yaml --dry-run                  # only check it",
            "submit job.yaml --key nightly-2026-11-22   # one job, however often this is run");
        client.SetAction(command, async (session, cancellation) =>
        {
            var request = new SubmitRequest
            {
                JobFile = await ReadAsync(session.Parsed.GetValue(file)!, cancellation),
                IdempotencyKey = session.Parsed.GetValue(key) ?? $"{Guid.NewGuid()}",
                DryRun = session.Parsed.GetValue(dryRun),
                Submitter = Environment.UserName,
                Source = Path.GetFileName(session.Parsed.GetValue(file)!),
            };
            var response = await session.Client.SubmitAsync(request, session.Context.Note, cancellation);
            foreach (var notice in response.Notices)
                session.Context.Note($"note: {notice}");
            if (session.Parsed.GetValue(watch) && !request.DryRun)
                return await WatchAsync(session, response, cancellation);
            session.Context.WriteMessage(response, output => Write(output, session, response, request.DryRun));
            return ExitCodes.Success;
        });
        return command;
    }

    private static Task<int> WatchAsync(ClientSession session, SubmitResponse response, CancellationToken cancellation)
    {
        session.Context.Note(Submitted(response));
        return JobWatch.RunAsync(session, response.Job.Id, cancellation);
    }

    private static void Write(TextWriter output, ClientSession session, SubmitResponse response, bool dryRun)
    {
        if (dryRun)
        {
            output.WriteLine($"The job file is fine; nothing was queued. With all settings resolved it says:");
            output.WriteLine(Indented(response.ResolvedJob));
            return;
        }

        output.WriteLine(Submitted(response));
        output.WriteLine($"Watch it: {session.Command($"watch {response.Job.Id}")}");
    }

    private static string Submitted(SubmitResponse response) => response.Existed
        ? $"{response.Job.Id} was submitted before with this key; it is {Words.State(response.Job)}."
        : $"Submitted {response.Job.Id}{(response.Job.Reason.Length > 0 ? $" ({Words.State(response.Job)}: {response.Job.Reason})" : "")}.";

    private static string Indented(string json)
    {
        using var document = System.Text.Json.JsonDocument.Parse(json);
        return System.Text.Json.JsonSerializer.Serialize(document, IndentedJson);
    }

    private static readonly System.Text.Json.JsonSerializerOptions IndentedJson = new(CommandContext.JsonOptions) { WriteIndented = true };

    private static async Task<ByteString> ReadAsync(string file, CancellationToken cancellation)
    {
        if (file != "-" && !File.Exists(file))
            throw new CommandException($"{file}: there is no such file.");
        await using var stream = file == "-" ? Console.OpenStandardInput() : File.OpenRead(file);
        using var content = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (await stream.ReadAsync(buffer, cancellation) is > 0 and var read)
        {
            content.Write(buffer, 0, read);
            if (content.Length > MostBytes)
                throw new CommandException($"{file}: a job file has at most {MostBytes / 1024} KiB.");
        }

        return ByteString.CopyFrom(content.GetBuffer(), 0, (int)content.Length);
    }
}
