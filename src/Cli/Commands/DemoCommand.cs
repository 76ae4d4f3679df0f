using System.CommandLine;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Demo;
using Linformer.Cli.Progress;
using Linformer.Cli.Views;
using Linformer.Protocol.Wire;

namespace Linformer.Cli.Commands;

/// <summary><c>demo</c>: pretrains a tiny Linformer on real English text, through a coordinator and two workers.</summary>
internal static class DemoCommand
{
    private const string JobFile = "examples/tiny.yaml";

    private static readonly string[] Sentences =
    [
        "The captain looked at the <mask> and said nothing.",
        "The President of the United <mask> spoke to Congress.",
        "It was one of the <mask> days of the year.",
    ];

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var (data, http) = (StorageOption.Create(), HttpOption.Create());
        var command = new Command("demo", "Pretrain a tiny Linformer on real English text through a coordinator and two workers, in a few minutes") { data, http };
        command.SetAction((parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            return RunAsync(context, parsed.GetValue(data)!, HttpOption.ValueOrFree(parsed, http, context), cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(CommandContext context, string storageRoot, IReadOnlyList<string> http, CancellationToken cancellation)
    {
        var root = RepositoryRoot();
        storageRoot = Path.GetFullPath(storageRoot);
        DemoText.Write(context, storageRoot, cancellation);
        var outcome = await new DemoCluster(context, storageRoot, http).RunAsync(Path.Combine(root, JobFile), cancellation);
        if (outcome is null)
        {
            context.Note(
                $"Stopped. Go on with ./linformer demo --data {Shell.Quote(storageRoot)}, or with ./linformer up --data {Shell.Quote(storageRoot)} and, beside it, ./linformer watch tiny");
            return ExitCodes.Cancelled;
        }

        var job = outcome.Last.Job;
        if (outcome.Last.Result is not { } result)
            throw new CommandException($"{job.Id}: {Words.StateAndReason(job)}");
        var model = Path.Combine(storageRoot, result.ModelFolder);
        using var filler = MaskFiller.Load(model);
        var filled = Sentences.SelectMany(sentence => filler.Fill(sentence, top: 5)).ToList();
        context.WriteResult(
            new { job = ProtoJson.Of(job), summary = ProtoJson.Of(result), firstStepSeconds = outcome.FirstStep?.TotalSeconds, model, filled },
            output =>
            {
                Words.WriteResult(output, result);
                output.WriteLine($"Model: {model}");
                if (outcome.FirstStep is { } firstStep)
                    output.WriteLine($"Submission to first step: {ProgressText.Duration(firstStep)}.");
                WriteFilled(output, filled);
                WriteNext(output, storageRoot, model);
            });
        return ExitCodes.Success;
    }

    private static void WriteFilled(TextWriter output, IReadOnlyList<FilledMask> masks)
    {
        output.WriteLine();
        foreach (var mask in masks)
        {
            output.WriteLine($"  {mask.Before}____{mask.After}");
            output.WriteLine($"      {string.Join(", ", mask.Candidates.Select(c => $"{c.Text.Trim()} {c.Probability:P0}"))}");
        }
    }

    private static void WriteNext(TextWriter output, string storageRoot, string model)
    {
        output.WriteLine();
        output.WriteLine("Next:");
        output.WriteLine($"  ./linformer fill-mask {Shell.Quote(model)} \"A <mask> of your own.\"");
        output.WriteLine($"  ./linformer evaluate {Shell.Quote(model)} {Shell.Quote(Path.Combine(storageRoot, DemoText.Folder, "moby-dick-chapter_1.txt"))}");
        output.WriteLine($"  ./linformer up --data {Shell.Quote(storageRoot)}     a coordinator and workers; beside it:");
        output.WriteLine("  ./linformer submit examples/small.yaml --watch     a larger model on the Brown corpus");
        output.WriteLine("  docs/quick-start.md     to train on your own text");
    }

    private static string RepositoryRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, JobFile)))
            {
                return folder.FullName;
            }
        }

        throw new CommandException($"{JobFile} is not found above {AppContext.BaseDirectory}; the demo runs from a clone of the project.");
    }
}
