using System.CommandLine;
using Google.Protobuf;
using Grpc.Core;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Views;
using Linformer.Protocol;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;

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
        var dryRun = new Option<bool>("--dry-run") { Description = "Only check the job file; show it with all settings resolved, and what it takes" };
        var on = new Option<string?>("--on")
        {
            Description = $"With --dry-run: say how long the job would take on this GPU, one a rank, without asking a coordinator: {string.Join(", ", GpuModel.Known.Select(gpu => gpu.Name))}",
            HelpName = "GPU",
        };
        on.AcceptOnlyFromAmong([.. GpuModel.Known.Select(gpu => gpu.Name)]);
        var network = LinkSpeed.Create("--network", "With --on: each rank's link to the others", "100gbit");
        var key = new Option<string?>("--key")
        {
            Description = "The submission's idempotency key: the same key and file give the same job again (default: a new one)",
            HelpName = "K",
        };
        var client = new ClientOptions();
        var command = new Command("submit", "Queue a job") { file, watch, dryRun, on, network, key };
        command.Validators.Add(result =>
        {
            if (result.GetValue(on) is not null && !result.GetValue(dryRun))
                result.AddError("--on goes with --dry-run.");
            if (result.GetResult(network) is { Implicit: false } && result.GetValue(on) is null)
                result.AddError("--network goes with --on.");
        });
        command.WithExamples(
            "submit examples/tiny.yaml --watch          # queue it and follow it to the end",
            "submit job.yaml --dry-run                  # only check it",
            "submit examples/base.yaml --dry-run --on a100-80gb --network 100gbit",
            "submit job.yaml --key nightly-2026-11-22   # one job, however often this is run");
        client.SetAction(command, async (session, cancellation) =>
        {
            if (session.Parsed.GetValue(on) is { } gpu)
            {
                var path = session.Parsed.GetValue(file)!;
                var job = JobFileParser.Parse((await ReadAsync(path, cancellation)).Span, path, cuda: true).OrThrow();
                ForecastText.Write(session.Context, path, job, gpu, session.Parsed.GetValue(network));
                return ExitCodes.Success;
            }

            var request = new SubmitRequest
            {
                JobFile = await ReadAsync(session.Parsed.GetValue(file)!, cancellation),
                IdempotencyKey = session.Parsed.GetValue(key) ?? $"{Guid.NewGuid()}",
                DryRun = session.Parsed.GetValue(dryRun),
                Submitter = Environment.UserName,
                Source = Path.GetFileName(session.Parsed.GetValue(file)!),
            };
            var response = await session.Client.SubmitAsync(request, session.Context.Note, cancellation);
            if (request.DryRun)
                return await ShowAsync(session, response, request.JobFile, cancellation);
            Note(session, response.Notices);
            if (session.Parsed.GetValue(watch))
                return await WatchAsync(session, response, cancellation);
            session.Context.WriteMessage(response, output =>
            {
                output.WriteLine(Submitted(response));
                if (Words.Computes(response.ResolvedJob) is { Length: > 0 } computes)
                    output.WriteLine($"It computes {computes}.");
                output.WriteLine($"Watch it: {session.Command($"watch {response.Job.Id}")}");
            });
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Note(ClientSession session, IEnumerable<string> notices)
    {
        foreach (var notice in notices)
            session.Context.Note($"note: {notice}");
    }

    /// <summary>What a job file comes to that would be taken.</summary>
    private static async Task<int> ShowAsync(ClientSession session, SubmitResponse response, ByteString file, CancellationToken cancellation)
    {
        var check = await CheckAsync(session, file, cancellation);
        Note(session, check?.Notices ?? response.Notices);
        var json = ProtoJson.Of(response);
        if (check?.Estimate is { } known)
            json["estimate"] = ProtoJson.Of(known);
        session.Context.WriteResult(json, output =>
        {
            output.WriteLine($"The job file is fine; nothing was queued. With all settings resolved it says:");
            output.WriteLine(Indented(response.ResolvedJob));
            if (check?.Estimate is { } estimate)
            {
                output.WriteLine();
                EstimateText.Write(output, estimate, response.Job.TotalSteps);
            }
        });
        return ExitCodes.Success;
    }

    // An older coordinator has no estimates.
    private static async Task<CheckJobResponse?> CheckAsync(ClientSession session, ByteString file, CancellationToken cancellation)
    {
        try
        {
            return await session.Client.Jobs.CheckAsync(new CheckJobRequest { JobFile = file }, session.Client.Call(cancellation));
        }
        catch (RpcException error) when (error.StatusCode == StatusCode.Unimplemented)
        {
            return null;
        }
    }

    private static Task<int> WatchAsync(ClientSession session, SubmitResponse response, CancellationToken cancellation)
    {
        session.Context.Note(Submitted(response));
        return JobWatch.RunAsync(session, response.Job.Id, logScale: false, cancellation);
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
