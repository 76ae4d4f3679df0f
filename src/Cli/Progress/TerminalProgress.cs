using Spectre.Console;
using Spectre.Console.Rendering;

namespace Linformer.Cli.Progress;

/// <summary>Progress as bars that are drawn anew ten times a second; what is complete stays above them as a line.</summary>
public sealed class TerminalProgress : IProgressReporter
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly IAnsiConsole _console;
    private readonly TimeProvider _time;
    private readonly List<Phase> _phases = [];
    private readonly Queue<string> _notes = [];
    private readonly CancellationTokenSource _end = new();
    private readonly Task _drawing;
    private TrainingProgress? _training;

    /// <summary>Starts to draw.</summary>
    /// <param name="console">The terminal.</param>
    /// <param name="time">The clock.</param>
    public TerminalProgress(IAnsiConsole console, TimeProvider time)
    {
        (_console, _time) = (console, time);
        _drawing = Task.Run(DrawAsync);
    }

    /// <inheritdoc/>
    public IProgressPhase StartPhase(string name, string unit, long? total = null)
    {
        var phase = new Phase(this, name, unit, total);
        lock (_lock)
            _phases.Add(phase);
        return phase;
    }

    /// <inheritdoc/>
    public void ReportTraining(TrainingProgress progress)
    {
        lock (_lock)
            _training = progress;
    }

    /// <inheritdoc/>
    public void Note(string message)
    {
        lock (_lock)
            _notes.Enqueue(message);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _end.Cancel();
        _drawing.GetAwaiter().GetResult();
        _end.Dispose();
    }

    // All that is written is written here: Spectre's live display deadlocks when another thread writes beside it.
    private async Task DrawAsync()
    {
        var display = _console.Live(Render());
        await display.StartAsync(async live =>
        {
            while (!_end.IsCancellationRequested)
            {
                Draw(live);
                await Task.Delay(Refresh, _time, _end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            lock (_lock)
                _phases.Clear();
            // The last state of training stays on the screen.
            Draw(live);
            display.AutoClear = _training is null;
        });
    }

    private void Draw(LiveDisplayContext live)
    {
        string[] notes;
        lock (_lock)
        {
            notes = [.. _notes];
            _notes.Clear();
        }
        var width = _console.Profile.Width;
        foreach (var note in notes)
            _console.WriteLine(note.PadRight((((note.Length / width) + 1) * width) - 1)); // over what the bars left there
        live.UpdateTarget(Render());
    }

    private Rows Render()
    {
        lock (_lock)
        {
            var lines = _phases.ConvertAll<IRenderable>(phase => phase.Line(_console.Profile.Width));
            if (_training is { } training)
            {
                lines.Add(Line("Training", ProgressText.Fraction(training.Step, training.Steps), ProgressText.Steps(training), _console.Profile.Width));
                lines.Add(Line("", null, ProgressText.Measures(training), _console.Profile.Width));
            }
            // Of a display of one line, the library goes up by zero lines to draw it anew, which terminals take for one.
            while (lines.Count < 2)
                lines.Add(new Text(" "));
            return new Rows(lines);
        }
    }

    // Name, bar and details in one line that never wraps.
    private static Paragraph Line(string name, double? fraction, string details, int width)
    {
        const int NameWidth = 22;
        var barWidth = width < 100 ? 12 : 20;
        var line = new Paragraph { Overflow = Overflow.Ellipsis };
        if (name.Length > 0)
            line.Append(name.Length > NameWidth ? name : name.PadRight(NameWidth)).Append(" ");
        if (fraction is { } share)
        {
            var filled = (int)Math.Round(share * barWidth);
            line.Append(new string('━', filled), Color.Green).Append(new string('━', barWidth - filled), Color.Grey);
            line.Append($" {Math.Floor(share * 100),3}% ");
        }
        var indent = name.Length == 0 ? new string(' ', NameWidth + 1) : "";
        var used = Math.Max(name.Length, NameWidth) + 1 + (fraction is null ? 0 : barWidth + 6);
        var room = Math.Max(0, width - used - 1);
        return line.Append(indent + (details.Length > room ? details[..room] : details));
    }

    private sealed class Phase(TerminalProgress owner, string name, string unit, long? total) : IProgressPhase
    {
        private readonly long _start = owner._time.GetTimestamp();
        private long? _total = total;
        private long _done;

        public void Report(long done, long? total = null)
        {
            lock (owner._lock)
                (_done, _total) = (done, total ?? _total);
        }

        public void Complete()
        {
            Dispose();
            owner.Note($"{name}: {_done:#,0} {unit}, {ProgressText.Duration(owner._time.GetElapsedTime(_start))}");
        }

        public void Dispose()
        {
            lock (owner._lock)
                owner._phases.Remove(this);
        }

        public Paragraph Line(int width) =>
            TerminalProgress.Line(name, ProgressText.Fraction(_done, _total), ProgressText.Count(_done, _total, unit), width);
    }
}
