using System.Collections.Concurrent;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Linformer.Cli.Screens;

/// <summary>The terminal as a screen that is drawn anew as a whole, beside what stood there before; and its keys.</summary>
internal sealed class TerminalScreen : IDisposable
{
    // The other buffer of the terminal, no cursor, no wrapping.
    private const string Enter = "\e[?1049h\e[?25l\e[?7l\e[2J";
    private const string Leave = "\e[0m\e[?7h\e[?25h\e[?1049l";
    private const string Home = "\e[H";
    private const string EndOfLine = "\e[0m\e[K";
    private const string Rest = "\e[J";

    private readonly IAnsiConsole _console;
    private readonly ConcurrentQueue<ConsoleKeyInfo> _keys = new();

    /// <summary>Takes the terminal over.</summary>
    public TerminalScreen()
    {
        _console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.Yes, Out = new AnsiConsoleOutput(Console.Out) });
        if (!Console.IsInputRedirected)
            new Thread(ReadKeys) { IsBackground = true, Name = "keys" }.Start();
        _console.Write(new ControlCode(Enter));
    }

    /// <summary>Columns and rows of the window now.</summary>
    public static (int Width, int Height) Size => (Math.Max(1, Console.WindowWidth), Math.Max(1, Console.WindowHeight));

    /// <summary>Whether results go to a terminal that can be drawn on.</summary>
    /// <param name="context">How the command writes.</param>
    public static bool IsThere(CommandContext context) =>
        context.Format == OutputFormat.Text
        && context.Width is not null
        && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb")
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("CI"));

    /// <summary>Draws lines from the top on, as many as fit, each as far as it fits.</summary>
    public void Draw(IReadOnlyList<ScreenLine> lines)
    {
        var (width, height) = Size;
        _console.Write(new Frame([.. lines.Take(height).Select(line => line.Fit(width))]));
    }

    /// <summary>A key that was pressed and not read yet; null where there is none.</summary>
    public ConsoleKeyInfo? Key() => _keys.TryDequeue(out var key) ? key : null;

    /// <inheritdoc/>
    public void Dispose() => _console.Write(new ControlCode(Leave));

    // While this waits the terminal does not show what is typed. It ends with the process.
    private void ReadKeys()
    {
        try
        {
            while (true)
                _keys.Enqueue(Console.ReadKey(intercept: true));
        }
        catch (Exception error) when (error is InvalidOperationException or IOException)
        {
            // The input has ended: there are no more keys.
        }
    }

    private static Style Look(Ink ink) => ink switch
    {
        Ink.Dim => new Style(Color.Grey),
        Ink.Strong => new Style(decoration: Decoration.Bold),
        Ink.Line => new Style(Color.Green),
        Ink.Band => new Style(Color.Grey),
        Ink.Mark => new Style(Color.Aqua),
        Ink.Warning => new Style(Color.Yellow),
        Ink.Error => new Style(Color.Red),
        Ink.Selected => new Style(decoration: Decoration.Invert),
        _ => Style.Plain,
    };

    private sealed class Frame(IReadOnlyList<ScreenLine> lines) : Renderable
    {
        protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth)
        {
            yield return Segment.Control(Home);
            for (var i = 0; i < lines.Count; i++)
            {
                if (i > 0)
                    yield return Segment.Control("\r\n");
                foreach (var piece in lines[i].Pieces)
                    yield return new Segment(piece.Text, Look(piece.Ink));
                yield return Segment.Control(EndOfLine);
            }

            yield return Segment.Control(Rest);
        }
    }
}
