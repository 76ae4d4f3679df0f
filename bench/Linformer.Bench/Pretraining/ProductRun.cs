using System.Diagnostics;
using System.Text;
using Linformer.Data;
using Linformer.Protocol;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using Serilog.Core;

namespace Linformer.Bench.Pretraining;

/// <summary>Trains a job as <c>linformer train</c> does, and measures the steps after some that warm up.</summary>
/// <param name="storage">The storage root.</param>
/// <param name="shape">What is trained.</param>
/// <param name="rankProgram">The program and arguments of a rank process.</param>
internal sealed class ProductRun(PretrainingStorage storage, PretrainingShape shape, (string Command, IReadOnlyList<string> Arguments) rankProgram)
{
    // Behind those that are measured: what comes at a job's end is in none of them.
    private const int LastSteps = 2;

    private int _runs;

    /// <summary>Makes the corpus ready, so that no run has to.</summary>
    public Task PrepareAsync(CancellationToken cancellationToken) => RunAsync(new PretrainingJob(1, Ranks: 1, "fp32"), new StepWatch(0, 1), cancellationToken);

    /// <summary>Runs a job.</summary>
    /// <param name="precision">fp32 or bf16.</param>
    /// <param name="ranks">Ranks.</param>
    /// <param name="warmup">Steps that warm up, at least 1.</param>
    /// <param name="steps">Steps that are measured.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Steps per second.</returns>
    /// <exception cref="JobFileException">The job asks for what there is not.</exception>
    /// <exception cref="RankFailedException">A rank failed.</exception>
    public async Task<double> MeasureAsync(string precision, int ranks, int warmup, int steps, CancellationToken cancellationToken)
    {
        var watch = new StepWatch(warmup, warmup + steps);
        await RunAsync(new PretrainingJob(warmup + steps + LastSteps, ranks, precision), watch, cancellationToken);
        return watch.StepsPerSecond;
    }

    private async Task RunAsync(PretrainingJob job, StepWatch watch, CancellationToken cancellationToken)
    {
        var name = $"run-{++_runs}";
        var file = JobFileParser.Parse(Encoding.UTF8.GetBytes(PretrainingStorage.JobFile(name, shape, job)), name, cuda: false).OrThrow();
        var options = new LocalTrainingOptions { RankProgram = rankProgram, StorageRoot = storage.Root };
        await new LocalTraining(options, watch, Logger.None).RunAsync(file, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        Directory.Delete(Path.Combine(storage.Root, "jobs", name), recursive: true);
        Directory.Delete(Path.Combine(storage.Root, "models", name), recursive: true);
    }

    /// <summary>Notes when the first step before and the last of those that are measured were done.</summary>
    private sealed class StepWatch(long before, long last) : ITrainingObserver
    {
        private long _start;
        private long _end;

        public double StepsPerSecond => (last - before) / Stopwatch.GetElapsedTime(_start, _end).TotalSeconds;

        public void StepDone(ProgressMessage progress)
        {
            if (progress.Step == before)
            {
                _start = Stopwatch.GetTimestamp();
            }
            else if (progress.Step == last)
            {
                _end = Stopwatch.GetTimestamp();
            }
        }

        public void Report(PreparationProgress value)
        {
        }

        public void CorpusReady(PreparedCorpus corpus)
        {
        }

        public void Starting(JobFile job, int ranks, long step)
        {
        }

        public void Warn(string message)
        {
        }
    }
}
