namespace Linformer.Cli.Progress;

/// <summary>Progress as log lines: a few for each phase, one for each held-out measurement, else one every five seconds.</summary>
/// <param name="writer">Where the lines go.</param>
/// <param name="time">The clock.</param>
public sealed class PlainProgress(TextWriter writer, TimeProvider time) : IProgressReporter
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly RateLimit _training = new(time, Interval);
    private double? _perplexity;

    /// <inheritdoc/>
    public IProgressPhase StartPhase(string name, string unit, long? total = null)
    {
        Write($"{name} …");
        return new Phase(this, time, name, unit, total);
    }

    /// <inheritdoc/>
    public void ReportTraining(TrainingProgress progress)
    {
        lock (_lock)
        {
            var important = progress.Step == progress.Steps || progress.HeldOutPerplexity != _perplexity;
            _perplexity = progress.HeldOutPerplexity;
            if (_training.Pass(important))
                Write($"{ProgressText.Steps(progress)}: {ProgressText.Measures(progress)}");
        }
    }

    /// <inheritdoc/>
    public void Note(string message) => Write(message);

    /// <inheritdoc/>
    public void Dispose() => writer.Flush();

    private void Write(string line)
    {
        lock (_lock)
            writer.WriteLine(line);
    }

    private sealed class Phase(PlainProgress owner, TimeProvider time, string name, string unit, long? total) : IProgressPhase
    {
        private readonly long _start = time.GetTimestamp();
        private readonly RateLimit _limit = new(time, Interval, startsNow: true);
        private long? _total = total;
        private long _done;

        public void Report(long done, long? total = null)
        {
            lock (owner._lock)
            {
                (_done, _total) = (done, total ?? _total);
                if (_limit.Pass())
                    owner.Write($"{name}: {ProgressText.Count(_done, _total, unit)}");
            }
        }

        public void Complete()
        {
            lock (owner._lock)
                owner.Write($"{name}: {_done:#,0} {unit}, {ProgressText.Duration(time.GetElapsedTime(_start))}");
        }

        public void Dispose()
        {
        }
    }
}
