using System.Text.RegularExpressions;
using Linformer.Cli.Progress;
using Spectre.Console;

namespace Linformer.Cli.Tests;

public sealed class ProgressTests : IDisposable
{
    private readonly StringWriter _writer = new();
    private readonly ManualTime _time = new();

    [Fact]
    public void Plain_lines_of_a_phase_are_few()
    {
        using var progress = new PlainProgress(_writer, _time);
        using var phase = progress.StartPhase("Sharding", "files", 1000);
        for (var i = 1; i <= 1000; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(12));
            phase.Report(i);
        }
        phase.Complete();

        Lines().ShouldBe(["Sharding …", "Sharding: 417 of 1,000 files", "Sharding: 834 of 1,000 files", "Sharding: 1,000 files, 12 s"]);
    }

    [Fact]
    public void A_phase_that_breaks_off_is_not_reported_as_complete()
    {
        using var progress = new PlainProgress(_writer, _time);
        progress.StartPhase("Sharding", "files").Dispose();

        Lines().ShouldBe(["Sharding …"]);
    }

    [Fact]
    public void Plain_training_lines_show_every_new_perplexity_and_the_last_step()
    {
        using var progress = new PlainProgress(_writer, _time);
        for (var step = 1; step <= 6; step++)
        {
            _time.Advance(TimeSpan.FromSeconds(2));
            progress.ReportTraining(new TrainingProgress(step, 6, 7.5 - step, step >= 3 ? 1234.56 : null, 98_765.4, TimeSpan.FromSeconds(130 - step)));
        }

        Lines().ShouldBe(
        [
            "step 1 of 6, 2 min 9 s left: loss 6.500, 98,765 tokens/s",
            "step 3 of 6, 2 min 7 s left: loss 4.500, held-out perplexity 1,234.6, 98,765 tokens/s",
            "step 6 of 6, 2 min 4 s left: loss 1.500, held-out perplexity 1,234.6, 98,765 tokens/s",
        ]);
    }

    [Fact]
    public void Json_lines_carry_the_numbers()
    {
        using var progress = new JsonProgress(_writer, _time);
        using var phase = progress.StartPhase("Sharding", "files");
        phase.Report(1, 2);
        phase.Report(2);
        phase.Complete();
        progress.ReportTraining(new TrainingProgress(1, 2, double.NaN, null, 10, TimeSpan.FromSeconds(3)));
        progress.Note("a \"b\" ☃");

        Lines().ShouldBe(
        [
            """{"event":"phase","name":"Sharding","done":1,"total":2,"unit":"files"}""",
            """{"event":"phase-complete","name":"Sharding","done":2,"unit":"files","seconds":0}""",
            """{"event":"training","step":1,"steps":2,"loss":"NaN","tokensPerSecond":10,"secondsLeft":3}""",
            """{"event":"note","message":"a \"b\" ☃"}""",
        ]);
    }

    [Fact]
    public void The_terminal_shows_bars_and_keeps_what_is_complete()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(_writer),
        });
        console.Profile.Width = 80;
        using (var progress = new TerminalProgress(console, TimeProvider.System))
        {
            using (var phase = progress.StartPhase("Sharding", "files", 4))
            {
                phase.Report(4);
                phase.Complete();
            }
            progress.Note("a note");
            progress.ReportTraining(new TrainingProgress(1200, 1600, 2.5, 10, 100, new TimeSpan(0, 59, 20)));
        }

        var screen = Regex.Replace(_writer.ToString(), "\e\\[[0-9;?]*[A-Za-z]", "", RegexOptions.None, TimeSpan.FromSeconds(1));
        screen.ShouldContain("Sharding: 4 files, ");
        screen.ShouldContain("a note");
        screen.ShouldContain("━━━━━━━━━━━━  75% step 1,200 of 1,600, 59 min 20 s left");
        screen.ShouldContain("loss 2.500, held-out perplexity 10.0, 100 tokens/s");
        screen.Split('\n').ShouldAllBe(line => line.TrimEnd('\r').Length <= 160);
    }

    [Fact]
    public void Text_that_looks_like_markup_is_shown_as_it_is()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.Yes, Interactive = InteractionSupport.Yes, Out = new AnsiConsoleOutput(_writer) });
        using (var progress = new TerminalProgress(console, TimeProvider.System))
        {
            using var phase = progress.StartPhase("[red]", "files");
            progress.Note("[/] is not [markup]");
            phase.Complete();
        }

        _writer.ToString().ShouldContain("[/] is not [markup]");
        _writer.ToString().ShouldContain("[red]: 0 files");
    }

    [Fact]
    public async Task Many_threads_may_report_at_once()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.Yes, Interactive = InteractionSupport.Yes, Out = new AnsiConsoleOutput(_writer) });
        using (var progress = new TerminalProgress(console, TimeProvider.System))
        {
            await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(async () =>
            {
                for (var i = 0; i < 50; i++)
                {
                    using var phase = progress.StartPhase($"phase {thread}.{i}.", "files", i);
                    phase.Report(i);
                    phase.Complete();
                    progress.ReportTraining(new TrainingProgress(i, 50, 1, null, 1, null));
                    await Task.Delay(1);
                }
            })));
        }

        for (var thread = 0; thread < 4; thread++)
            _writer.ToString().ShouldContain($"phase {thread}.49.: 49 files");
    }

    public void Dispose()
    {
        _writer.Dispose();
    }

    private string[] Lines() => _writer.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private sealed class ManualTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan time) => _ticks += time.Ticks;
    }
}
