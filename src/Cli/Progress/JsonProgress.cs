using System.Text.Json;

namespace Linformer.Cli.Progress;

/// <summary>Progress as JSON lines, each with an <c>event</c>: phase, phase-complete, training or note.</summary>
/// <param name="writer">Where the lines go.</param>
/// <param name="time">The clock.</param>
public sealed class JsonProgress(TextWriter writer, TimeProvider time) : IProgressReporter
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();

    /// <inheritdoc/>
    public IProgressPhase StartPhase(string name, string unit, long? total = null) => new Phase(Write, time, name, unit, total);

    /// <inheritdoc/>
    public void ReportTraining(TrainingProgress progress) => Write(new
    {
        @event = "training",
        progress.Step,
        progress.Steps,
        progress.Loss,
        progress.HeldOutPerplexity,
        progress.Measures,
        progress.TokensPerSecond,
        SecondsLeft = progress.TimeLeft?.TotalSeconds,
    });

    /// <inheritdoc/>
    public void Note(string message) => Write(new { @event = "note", message });

    /// <inheritdoc/>
    public void Dispose() => writer.Flush();

    private void Write(object line)
    {
        lock (_lock)
            writer.WriteLine(JsonSerializer.Serialize(line, CommandContext.JsonOptions));
    }

    private sealed class Phase(Action<object> write, TimeProvider time, string name, string unit, long? total) : IProgressPhase
    {
        private readonly Lock _lock = new();
        private readonly RateLimit _limit = new(time, Interval);
        private readonly long _start = time.GetTimestamp();
        private long? _total = total;
        private long _done;

        public void Report(long done, long? total = null)
        {
            lock (_lock)
            {
                (_done, _total) = (done, total ?? _total);
                if (_limit.Pass())
                    write(new { @event = "phase", name, done = _done, total = _total, unit });
            }
        }

        public void Complete()
        {
            lock (_lock)
                write(new { @event = "phase-complete", name, done = _done, unit, seconds = time.GetElapsedTime(_start).TotalSeconds });
        }

        public void Dispose()
        {
        }
    }
}
