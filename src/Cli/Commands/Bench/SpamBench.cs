using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Demo;
using Linformer.Cli.Views;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Worker.Local;
using Linformer.Worker.Machines;

namespace Linformer.Cli.Commands.Bench;

/// <summary><c>bench spam</c>: whole mails classified with linear and with full attention, same model and budget.</summary>
internal static class SpamBench
{
    private const string Packages = "artifacts/npm/node_modules";
    private const string Corpus = "corpora/spam";

    private const int MostSeeds = 20;
    private const string Linear = "linear attention";
    private const string Full = "full attention";

    private static readonly (string Name, string File)[] Jobs = [(Linear, "examples/spam/linformer.yaml"), (Full, "examples/spam/full-attention.yaml")];

    private sealed record Row(string Attention, long Seed, double Accuracy, double F1, long HeldOut, double Seconds, double ExamplesPerSecond, long PeakMemoryBytes)
    {
        // Of the share of mails told rightly, as of so many throws of a coin.
        public double StandardError => Math.Sqrt(Accuracy * (1 - Accuracy) / HeldOut);
    }

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var data = StorageOption.Create();
        var steps = new Option<int?>("--steps") { Description = "Steps of both trainings (default: the job files')", HelpName = "N" };
        var seeds = CountOption.Create("--seeds", "Trainings with linear attention, from as many seeds", 3, MostSeeds);
        var fullSeeds = CountOption.Create("--full-seeds", "Trainings with full attention; each takes long", 1, MostSeeds);
        var command = new Command("spam", "Whole mails, spam or not, at n = 2,048: linear beside full attention, accuracy, time and memory") { steps, seeds, fullSeeds, data };
        command.WithExamples("bench spam", "bench spam --steps 60 --seeds 1");
        command.SetAction(async (parsed, cancellation) =>
        {
            var context = CommandContext.Of(parsed);
            var root = parsed.GetValue(data)!;
            WriteCorpus(context, root, cancellation);
            var rows = new List<Row>();
            foreach (var (name, file) in Jobs)
            {
                for (var seed = 1; seed <= parsed.GetValue(name == Full ? fullSeeds : seeds); seed++)
                    rows.Add(await TrainAsync(context, root, (name, file, seed), parsed.GetValue(steps), cancellation));
            }

            context.WriteResult(rows, output => Write(output, rows));
            return ExitCodes.Success;
        });
        return command;
    }

    private static void WriteCorpus(CommandContext context, string root, CancellationToken cancellation)
    {
        if (!File.Exists(Jobs[0].File))
            throw new CommandException($"{Jobs[0].File} is not found; run this in a clone of the project.");
        using var progress = context.StartProgress();
        using var phase = progress.StartPhase("Writing the mails", "mails");
        SpamCorpus.Write(Packages, Path.Combine(root, Corpus), (done, total) => phase.Report(done, total), cancellation);
        phase.Complete();
    }

    private static async Task<Row> TrainAsync(CommandContext context, string root, (string Name, string File, int Seed) of, int? steps, CancellationToken cancellation)
    {
        var (name, file, seed) = of;
        var fields = JsonNode.Parse(JobFileParser.Load(file, GpuSupport.IsBuiltIn).OrThrow().ToJson())!;
        // Each run is a job of its own: one of that name may have been trained before.
        fields["name"] = string.Create(CultureInfo.InvariantCulture, $"{fields["name"]}-{DateTime.UtcNow:yyyyMMddHHmmss}");
        fields["training"]!["seed"] = seed;
        if (steps is { } count)
        {
            fields["training"]!["steps"] = count;
            fields["training"]!["warmupSteps"] = count / 10;
            fields["training"]!["evaluateEvery"] = count;
        }
        var job = JobFileParser.Parse(fields.ToJsonString(), "--steps", cuda: true).OrThrow();
        var options = new LocalTrainingOptions { RankProgram = RankProcessCommand.Self(), StorageRoot = root, Ranks = 1 };
        var result = await TrainingRun.ExecuteAsync(context, options, job, cancellation);
        var summary = result.Summary ?? throw new OperationCanceledException();
        var seconds = result.PhaseSeconds.Where(phase => phase.Key != StepPhase.Other).Sum(phase => phase.Value);
        return new Row(
            name, seed, summary.Measures!["accuracy"], summary.Measures["f1"], summary.PredictedTokens, seconds,
            job.Training.Steps * (double)job.Training.GlobalBatch / seconds, result.PeakMemoryBytes);
    }

    private static void Write(TextWriter output, List<Row> rows)
    {
        var table = new TextTable("", ">SEED", ">ACCURACY", ">F1", ">SECONDS", ">MAILS/S", ">PEAK MEMORY");
        foreach (var row in rows)
        {
            table.Add(
                row.Attention, row.Seed.ToString(CultureInfo.InvariantCulture), row.Accuracy.ToString("P1", CultureInfo.InvariantCulture), row.F1.ToString("0.000", CultureInfo.InvariantCulture),
                row.Seconds.ToString("#,0", CultureInfo.InvariantCulture), row.ExamplesPerSecond.ToString("0.0", CultureInfo.InvariantCulture), Words.Bytes(row.PeakMemoryBytes));
        }
        table.Write(output, width: null);
        var (linear, full) = (rows.Where(row => row.Attention == Linear).ToList(), rows.Where(row => row.Attention == Full).ToList());
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"Of {full[0].HeldOut:#,0} held-out mails linear attention tells {Mean(linear):P1} rightly and full attention {Mean(full):P1}; one standard error is {100 * full[0].StandardError:0.0} points."));
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"Linear attention trains {linear.Average(row => row.ExamplesPerSecond) / full.Average(row => row.ExamplesPerSecond):0.0} times as fast, in {full[0].PeakMemoryBytes / (double)Math.Max(1, linear[0].PeakMemoryBytes):0.0} times less memory."));
    }

    private static double Mean(List<Row> rows) => rows.Average(row => row.Accuracy);
}
