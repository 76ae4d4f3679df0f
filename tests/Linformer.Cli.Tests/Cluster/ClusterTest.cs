using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

/// <summary>Runs command lines against a scripted coordinator, over real gRPC on loopback.</summary>
public abstract class ClusterTest : IAsyncLifetime, IDisposable
{
    protected static readonly DateTime Noon = new(2026, 11, 22, 12, 0, 0, DateTimeKind.Utc);

    private readonly CancellationTokenSource _ctrlC = new();

    protected ScriptedCoordinator Coordinator { get; } = new();

    protected LockedWriter Output { get; } = new();

    protected LockedWriter Error { get; } = new();

    protected string Folder { get; } = Directory.CreateTempSubdirectory("linformer-cli-").FullName;

    public Task InitializeAsync() => Coordinator.StartAsync();

    public async Task DisposeAsync()
    {
        await Coordinator.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    public void Dispose()
    {
        _ctrlC.Dispose();
        Output.Dispose();
        Error.Dispose();
        Clean();
        GC.SuppressFinalize(this);
    }

    protected virtual void Clean()
    {
    }

    protected Task<int> Run(params string[] args) => CommandLineApp.RunAsync(
        CommandLineApp.CreateRoot(), [.. args, "--coordinator", Coordinator.Address], Output, Error, _ctrlC.Token);

    protected Task CtrlC() => _ctrlC.CancelAsync();

    /// <summary>Waits until a command has written something.</summary>
    protected static async Task Written(LockedWriter writer, string text)
    {
        while (!writer.ToString().Contains(text, StringComparison.Ordinal))
            await Task.Delay(10);
    }

    protected string[] Lines() => Output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);

    protected JsonElement Json()
    {
        using var document = JsonDocument.Parse(Output.ToString());
        Lines().Length.ShouldBe(1);
        return document.RootElement.Clone();
    }

    protected string WriteJobFile(string text = "name: tiny\ncorpus: { files: [a.txt] }\n")
    {
        var path = Path.Combine(Folder, "job.yaml");
        File.WriteAllText(path, text);
        return path;
    }

    protected static Job TinyJob(JobState state = JobState.Running) => new()
    {
        Id = "tiny-abcde",
        Name = "tiny",
        State = state,
        Reason = state == JobState.Queued ? "waits for slots" : "",
        Submitter = "ada",
        SubmittedAt = Timestamp.FromDateTime(Noon),
        Generation = 2,
        WorldSize = 2,
        AppliedStep = 1200,
        CommittedStep = 1100,
        TotalSteps = 1500,
        RanksMin = 1,
        RanksMax = 2,
        Revision = 7,
    };

    protected static HistoryEntry Entry(long sequence, string what, string why = "", JobState state = JobState.Running) => new()
    {
        Sequence = sequence,
        At = Timestamp.FromDateTime(Noon.AddSeconds(sequence)),
        Who = "coordinator",
        What = what,
        Why = why,
        State = state,
        Step = 1100,
    };

    /// <summary>A writer that commands write to while the test reads it.</summary>
    protected sealed class LockedWriter : StringWriter
    {
        private readonly Lock _lock = new();

        public LockedWriter() => NewLine = "\n";

        public override void Write(char value)
        {
            lock (_lock)
                base.Write(value);
        }

        public override void Write(string? value)
        {
            lock (_lock)
                base.Write(value);
        }

        public override void WriteLine(string? value)
        {
            lock (_lock)
                base.WriteLine(value);
        }

        public void Clear()
        {
            lock (_lock)
                GetStringBuilder().Clear();
        }

        public override string ToString()
        {
            lock (_lock)
                return base.ToString();
        }
    }
}
