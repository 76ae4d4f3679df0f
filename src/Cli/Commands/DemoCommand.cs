using System.CommandLine;
using Linformer.Cli.Demo;
using Linformer.Protocol;
using Linformer.Worker.Jobs;
using Linformer.Worker.Local;

namespace Linformer.Cli.Commands;

/// <summary><c>demo</c>: pretrains a tiny Linformer on real English text with two ranks.</summary>
internal static class DemoCommand
{
    private const string JobFile = "examples/tiny.yaml";
    private const string CorpusFolder = "corpora/demo";
    private const string Packages = "artifacts/npm/node_modules";

    private static readonly string[] Sentences =
    [
        "The captain looked at the <mask> and said nothing.",
        "The President of the United <mask> spoke to Congress.",
        "It was one of the <mask> days of the year.",
    ];

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var data = StorageOption.Create();
        var command = new Command("demo", "Pretrain a tiny Linformer on real English text with two ranks, in a few minutes") { data };
        command.SetAction((parsed, cancellation) => RunAsync(CommandContext.Of(parsed), parsed.GetValue(data)!, cancellation));
        return command;
    }

    private static async Task<int> RunAsync(CommandContext context, string storageRoot, CancellationToken cancellation)
    {
        var root = RepositoryRoot();
        var job = JobFileParser.Load(Path.Combine(root, JobFile)).OrThrow();
        WriteCorpus(context, Path.Combine(root, Packages), Path.Combine(storageRoot, CorpusFolder), cancellation);
        StartOver(storageRoot, job.Name);
        var options = new LocalTrainingOptions { RankProgram = RankProcessCommand.Self(), StorageRoot = storageRoot };
        var result = await TrainingRun.ExecuteAsync(context, options, job, cancellation);
        if (result.Summary is not { } summary)
        {
            await context.Error.WriteLineAsync($"Stopped after step {result.Step}. Go on with: ./linformer train {JobFile} --data {Shell.Quote(storageRoot)} --resume");
            return ExitCodes.Cancelled;
        }

        using var filler = MaskFiller.Load(summary.ModelFolder);
        var filled = Sentences.SelectMany(sentence => filler.Fill(sentence, top: 5)).ToList();
        context.WriteResult(
            new { summary, filled },
            output =>
            {
                TrainingRun.WriteSummary(output, summary);
                WriteFilled(output, filled);
                WriteNext(output, storageRoot, summary.ModelFolder);
            });
        return ExitCodes.Success;
    }

    private static void WriteCorpus(CommandContext context, string packages, string folder, CancellationToken cancellation)
    {
        using var progress = context.StartProgress();
        using var phase = progress.StartPhase("Writing the demo's corpus", "documents");
        DemoCorpus.Write(packages, folder, (done, total) => phase.Report(done, total), cancellation);
        phase.Complete();
    }

    // The demo is the same every time; its corpus stays tokenized.
    private static void StartOver(string storageRoot, string job)
    {
        var layout = new StorageLayout(storageRoot);
        if (Directory.Exists(layout.Run(job)))
        {
            using var running = RunLock.Take(layout, job);
            Directory.Delete(layout.Run(job), recursive: true);
        }
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
        output.WriteLine($"  ./linformer evaluate {Shell.Quote(model)} {Shell.Quote(Path.Combine(storageRoot, CorpusFolder, "moby-dick-chapter_1.txt"))}");
        output.WriteLine($"  ./linformer train examples/small.yaml --data {Shell.Quote(storageRoot)}     a larger model on the Brown corpus");
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
