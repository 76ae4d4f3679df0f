using System.Diagnostics;
using Linformer.Worker.Local;
using Linformer.Worker.RankProtocol;
using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace Linformer.Worker.Tests.Local;

/// <summary>A folder, a launcher and runs of the test's rank program; no process of a test outlives it.</summary>
public abstract class LauncherFixture : IDisposable, ILogEventSink
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("linformer-test-");

    protected LauncherFixture() => Launcher = new LocalLauncher(new LoggerConfiguration().WriteTo.Sink(this).CreateLogger());

    protected static string TestRank { get; } = Path.Combine(AppContext.BaseDirectory, "Linformer.Worker.TestRank");

    protected string Folder => _folder.FullName;

    protected LocalLauncher Launcher { get; }

    protected List<LogEvent> Events { get; } = [];

    public void Dispose()
    {
        Launcher.Kill();
        _folder.Delete(recursive: true);
        GC.SuppressFinalize(this);
    }

    void ILogEventSink.Emit(LogEvent logEvent)
    {
        lock (Events)
        {
            Events.Add(logEvent);
        }
    }

    protected LocalRun Run(string modes, int ranks = 2) => new()
    {
        Command = TestRank,
        Arguments = [modes],
        Processes = ranks,
        First = new JoinMessage(0, 7, 0, ranks),
        JobJson = """{"name":"brown ☃"}""",
        StorageRoot = Folder,
        CorpusFolder = Path.Combine(Folder, "corpus"),
        RunFolder = Path.Combine(Folder, "run"),
        ModelFolder = Path.Combine(Folder, "model"),
        LogFolder = Path.Combine(Folder, "logs"),
        FailureGrace = TimeSpan.FromSeconds(1),
    };

    protected async Task WaitForEventAsync(string text)
    {
        using var giveUp = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!IsLogged(text))
        {
            await Task.Delay(20, giveUp.Token);
        }
    }

    private bool IsLogged(string text)
    {
        lock (Events)
        {
            return Events.Exists(e => e.MessageTemplate.Text.Contains(text, StringComparison.Ordinal));
        }
    }

    // Gone, or dead and only not yet collected by its new parent.
    protected static bool IsGone(int processId)
    {
        try
        {
            var status = File.ReadAllText($"/proc/{processId}/stat");
            return status[(status.LastIndexOf(')') + 2)..][0] is 'Z' or 'X';
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or IOException)
        {
            return true;
        }
    }

    protected static async Task WaitUntilGoneAsync(int processId)
    {
        using var giveUp = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!IsGone(processId))
        {
            await Task.Delay(20, giveUp.Token);
        }
    }

    protected static void Signal(string name, int processId)
    {
        using var process = Process.Start(new ProcessStartInfo("kill", [$"-{name}", processId.ToString()]) { UseShellExecute = false })!;
        process.WaitForExit();
        process.ExitCode.ShouldBe(0);
    }
}
