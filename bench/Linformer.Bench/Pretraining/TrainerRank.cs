using System.Diagnostics;
using System.Text.Json;
using Linformer.Bench.Profile;
using Linformer.Training;
using Linformer.Training.ProcessGroups;
using Linformer.Worker.RankProtocol;
using Linformer.Worker.Ranks;
using static TorchSharp.torch;

namespace Linformer.Bench.Pretraining;

/// <summary>What a bare rank is to train.</summary>
/// <param name="Start">The job, its data, and where it listens.</param>
/// <param name="Rank">Its number.</param>
/// <param name="WorldSize">The number of ranks.</param>
/// <param name="Meeting">The folder in which the ranks meet.</param>
/// <param name="Overlap">Whether gradients travel while backward goes on; if not, all of them behind it.</param>
public sealed record TrainerOrder(StartMessage Start, int Rank, int WorldSize, string Meeting, bool Overlap = true);

/// <summary>What a bare rank has measured of some steps.</summary>
/// <param name="Steps">How many.</param>
/// <param name="Tokens">Tokens that this rank put through the model.</param>
/// <param name="Seconds">Wall time.</param>
/// <param name="ProcessorSeconds">Processor time of the whole process.</param>
/// <param name="PeakBytes">The most memory that the process ever had.</param>
/// <param name="PhaseSeconds">Wall time of the thread that trains, by <see cref="StepPhase"/>.</param>
/// <param name="Kernels">Time by kernel; empty unless it was asked for.</param>
public sealed record TrainerWindow(
    int Steps, long Tokens, double Seconds, double ProcessorSeconds, long PeakBytes, IReadOnlyDictionary<string, double> PhaseSeconds, IReadOnlyList<KernelTime> Kernels);

/// <summary>
/// A rank process that does nothing but steps: the product's trainer, data, model and process group, without coordinator, agent,
/// checkpoints, metrics and logs.
/// </summary>
public static class TrainerRank
{
    /// <summary>The first argument with which this program starts itself as such a rank.</summary>
    public const string Command = "trainer-rank";

    /// <summary>
    /// Reads its order, a line of JSON; then for each line "steps N" or "profile N" trains so many steps together with the other ranks
    /// and writes a <see cref="TrainerWindow"/> as a line of JSON. Ends with its input.
    /// </summary>
    /// <param name="input">The lines.</param>
    /// <param name="output">The answers.</param>
    public static void Run(TextReader input, TextWriter output)
    {
        var order = JsonSerializer.Deserialize<TrainerOrder>(input.ReadLine()!)!;
        using var job = new LoadedJob(order.Start, CPU, options => order.Overlap ? options : options with { BucketElements = long.MaxValue });
        using var group = Join(order);
        job.Trainer.Join(group);
        while (input.ReadLine()?.Split(' ') is [var what, var steps])
        {
            group.Barrier().Wait();
            output.WriteLine(JsonSerializer.Serialize(Train(job.Trainer, int.Parse(steps), profiled: what == "profile")));
            output.Flush();
        }
    }

    private static IProcessGroup Join(TrainerOrder order) => order.WorldSize == 1
        ? new SingleProcessGroup(generation: 1)
        : new GlooProcessGroup(order.Rank, order.WorldSize, generation: 1, new FileRendezvousStore(order.Meeting), new GlooOptions
        {
            Timeout = TimeSpan.FromHours(1),
            RendezvousTimeout = TimeSpan.FromMinutes(2),
            BindAddress = order.Start.ListenAddress,
        });

    private static TrainerWindow Train(Trainer trainer, int steps, bool profiled)
    {
        KernelProfile.Start(profiled);
        trainer.Clock.Take();
        var (start, processor) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
        for (var step = 0; step < steps; step++)
        {
            trainer.TrainStep();
        }

        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var used = (Environment.CpuUsage.TotalTime - processor).TotalSeconds;
        var times = trainer.Clock.Take();
        var phases = new Dictionary<string, double>
        {
            ["data"] = times.Data.TotalSeconds,
            ["forward"] = times.Forward.TotalSeconds,
            ["backward"] = times.Backward.TotalSeconds,
            ["reduce"] = times.Reduce.TotalSeconds,
            ["update"] = times.Update.TotalSeconds,
            ["other"] = times.Other.TotalSeconds,
        };
        return new TrainerWindow(steps, times.Tokens, seconds, used, Process.GetCurrentProcess().PeakWorkingSet64, phases, KernelProfile.Stop());
    }
}
