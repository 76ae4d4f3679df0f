using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Bench;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench all</c>: one benchmark after the other, their results in one file, and on a page.</summary>
internal static class AllBench
{
    /// <summary>What is run, by the name that its results have. Each is a process of its own: nothing of one is left when the next begins.</summary>
    private static readonly (string Name, string[] Arguments)[] Benchmarks =
    [
        ("pretraining", ["pretraining"]),
        ("pretraining-base-512", ["pretraining", "--size", "base", "--length", "512", "--batch", "2", "--only", "speed", "--strongest-peer"]),
        ("pretraining-base-4096", ["pretraining", "--size", "base", "--length", "4096", "--only", "speed", "--strongest-peer"]),
        ("attention", ["attention"]),
        ("attention-million", ["attention", "--million"]),
        ("collectives", ["collectives"]),
        ("data", ["data"]),
        ("control-plane", ["control-plane"]),
        ("cost", ["cost"]),
        ("metrics", ["metrics"]),
        ("recovery", ["recovery"]),
    ];

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var only = new Option<string[]>("--only")
        {
            Description = $"Only some: {string.Join(", ", Benchmarks.Select(benchmark => benchmark.Name))}",
            HelpName = "NAME",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [.. Benchmarks.Select(benchmark => benchmark.Name)],
        };
        only.AcceptOnlyFromAmong([.. Benchmarks.Select(benchmark => benchmark.Name)]);
        var markdown = new Option<string?>("--markdown")
        {
            Description = "A page whose marked tables are replaced by these results, such as docs/performance.md",
            HelpName = "FILE",
        };
        var command = new Command("all", "One benchmark after the other; their results go to artifacts/bench/results.json. Takes hours") { only, markdown };
        command.WithExamples("bench all --markdown docs/performance.md", "bench all --only attention collectives");
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var page = parsed.GetValue(markdown);
            if (page is not null && !File.Exists(page))
                throw new CommandException($"--markdown: there is no file {page}.");
            var chosen = parsed.GetValue(only)!;
            return await RunAsync(context, [.. Benchmarks.Where(benchmark => chosen.Contains(benchmark.Name))], page, cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(CommandContext context, IReadOnlyList<(string Name, string[] Arguments)> benchmarks, string? page, CancellationToken cancellation)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Repository.Root(), "artifacts", "bench"));
        var file = Path.Combine(folder.FullName, "results.json");
        var results = new Dictionary<string, JsonNode>();
        var failed = new List<string>();
        foreach (var (name, arguments) in benchmarks)
        {
            context.Note($"bench {string.Join(' ', arguments)} …");
            var (result, error) = await RunOneAsync(context, arguments, cancellation);
            if (result is null)
            {
                failed.Add(name);
                context.Note($"{name} failed: {error}");
                continue;
            }

            results[name] = result;
            // What there is, is kept, whatever becomes of the next.
            await File.WriteAllTextAsync(file, new JsonObject
            {
                ["at"] = DateTimeOffset.UtcNow.ToString("u", CultureInfo.InvariantCulture),
                ["processors"] = Environment.ProcessorCount,
                ["results"] = new JsonObject(results.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value.DeepClone()))),
            }.ToJsonString(new JsonSerializerOptions(CommandContext.JsonOptions) { WriteIndented = true }), cancellation);
        }

        if (page is not null)
        {
            var (text, unplaced) = BenchPage.Fill(await File.ReadAllTextAsync(page, cancellation), results);
            await File.WriteAllTextAsync(page, text, cancellation);
            if (unplaced.Count > 0)
                context.Note($"{page} has no marks for {string.Join(", ", unplaced)}");
        }

        context.WriteResult(new { file, page, measured = results.Keys, failed }, output =>
        {
            output.WriteLine($"Results: {file}");
            if (failed.Count > 0)
                output.WriteLine($"Failed: {string.Join(", ", failed)}");
        });
        return failed.Count == 0 ? ExitCodes.Success : ExitCodes.Failure;
    }

    private static async Task<(JsonNode? Result, string Error)> RunOneAsync(CommandContext context, string[] arguments, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["bench", .. arguments, "--output", "json"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        // Ctrl-C reaches it too; it is given the time to clean up behind itself.
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var last = "";
        while (await process.StandardError.ReadLineAsync(CancellationToken.None) is { } line)
        {
            last = line;
            if (context.Verbose)
                context.Note(line);
        }

        var printed = await output;
        await process.WaitForExitAsync(CancellationToken.None);
        cancellation.ThrowIfCancellationRequested();
        try
        {
            return process.ExitCode == 0 ? (JsonNode.Parse(printed), "") : (null, last);
        }
        catch (JsonException)
        {
            return (null, $"what it printed is no JSON: {printed}");
        }
    }
}
