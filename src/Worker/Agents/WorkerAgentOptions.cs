using Linformer.Data;
using Linformer.Protocol;
using Linformer.Protocol.Security;
using Linformer.Protocol.Wire;
using Linformer.Worker.Machines;

namespace Linformer.Worker.Agents;

/// <summary>Who a worker is, and whom it works for.</summary>
public sealed record WorkerAgentOptions
{
    /// <summary>Where the coordinator is, such as <c>http://10.0.0.1:7070</c>.</summary>
    public required Uri Coordinator { get; init; }

    /// <summary>Where else a coordinator may be, each an address as <see cref="Coordinator"/>: one of all of them is active.</summary>
    public IReadOnlyList<Uri> OtherCoordinators { get; init; } = [];

    /// <summary>
    /// What proves to the coordinator that this worker may join; may be empty with a client certificate or a <see cref="JoinTokenFile"/>.
    /// </summary>
    public required string JoinToken { get; init; }

    /// <summary>
    /// A file with the join token, in place of <see cref="JoinToken"/>; read again at each connection. Of several tokens, one a line,
    /// the first counts; empty lines and those that begin with <c>#</c> are skipped.
    /// </summary>
    public string? JoinTokenFile { get; init; }

    /// <summary>How TLS is done with a coordinator whose address is https.</summary>
    public ClientTls Tls { get; init; } = new();

    /// <summary>The worker's name, a DNS label; one worker of that name at a time.</summary>
    public required string Name { get; init; }

    /// <summary>How many ranks it takes, at least 1.</summary>
    public int Slots { get; init; } = 1;

    /// <summary>The GPU of each slot; empty when the slots are shares of the CPU.</summary>
    public IReadOnlyList<Gpu> Gpus { get; init; } = [];

    /// <summary>How often the GPUs are looked at; what has changed goes to the coordinator.</summary>
    public TimeSpan GpuInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often it is looked how busy the machine is; that goes to the coordinator with the next status.</summary>
    public TimeSpan MachineInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The address under which the ranks of other workers reach those of this one: an IP address or a host name. The ranks
    /// listen there, unless <see cref="ListenAddress"/> says otherwise.
    /// </summary>
    public string Address { get; init; } = "127.0.0.1";

    /// <summary>Where the ranks listen, when that is another address than the one that others know; null for <see cref="Address"/>.</summary>
    public string? ListenAddress { get; init; }

    /// <summary>The storage that all workers and the coordinator share, as it is mounted here.</summary>
    public required string StorageRoot { get; init; }

    /// <summary>The program and arguments of a rank process.</summary>
    public required (string Command, IReadOnlyList<string> Arguments) RankProgram { get; init; }

    /// <summary>
    /// At most so many rank processes wait for a job, started and loaded, so that it begins sooner; never more than slots are free, and none
    /// on GPUs. They are no ranks, and hold nothing of a job.
    /// </summary>
    public int WarmRanks { get; init; }

    /// <summary>Whether ranks may run code of whoever submits a job (<c>task: plugin</c>).</summary>
    public bool AllowPlugins { get; init; }

    /// <summary>
    /// How long it may take until the coordinator has moved the ranks away when the worker leaves. When two thirds of it are over,
    /// those that are still there write a checkpoint and stop; at its end they are killed.
    /// </summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How long a worker that leaves waits for a coordinator that is away, before its ranks write a checkpoint and stop: longer than
    /// it takes another coordinator to take over.
    /// </summary>
    public TimeSpan DrainPatience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>When a rank counts as hung and is killed.</summary>
    public WatchdogOptions Watchdog { get; init; } = new();

    /// <summary>
    /// How long the ranks of a job that is paused may take to end with a checkpoint; then they are killed. One that gets further or
    /// waits, for others or until its state is written, has up to ten times as long.
    /// </summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// Metrics and log lines that are kept while the coordinator is away; the oldest beyond are dropped and counted.
    /// </summary>
    public int TelemetryItems { get; init; } = 50_000;

    /// <summary>The same, in bytes.</summary>
    public long TelemetryBytes { get; init; } = 32L << 20;

    /// <summary>
    /// About how much text goes into a token shard, in bytes. It decides where a corpus is cut, so all workers of a cluster
    /// must have the same.
    /// </summary>
    public long ShardBytes { get; init; } = new CorpusSettings { Files = [] }.ShardBytes;

    /// <summary>What this machine's processor can do.</summary>
    public Processor Processor { get; init; } = Processor.OfThisMachine;

    /// <summary>What all slots are: <c>cuda</c> or <c>cpu</c>.</summary>
    internal string SlotDevice => Gpus.Count > 0 ? RankDevice.Cuda : RankDevice.Cpu;

    /// <summary>What a rank finds in each slot.</summary>
    internal IReadOnlyList<SlotFacts> SlotFacts => new MachineSlots(Slots, Gpus).Facts(Processor);

    /// <summary>The join token as it is now; empty without one.</summary>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="AgentProtocolException">The file cannot be read, or does not begin with a token.</exception>
    internal async Task<string> ReadJoinTokenAsync(CancellationToken cancellationToken)
    {
        if (JoinTokenFile is not { } file)
        {
            return JoinToken;
        }

        try
        {
            var lines = await File.ReadAllLinesAsync(file, cancellationToken);
            var token = lines.Select(line => line.Trim()).FirstOrDefault(line => line.Length > 0 && !line.StartsWith('#')) ?? "";
            return token.Length > 0 && token.All(IsTokenCharacter) ? token : throw new AgentProtocolException($"{file} holds no join token");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentProtocolException($"the join token in {file} cannot be read: {e.Message}");
        }
    }

    private static bool IsTokenCharacter(char c) => c is > ' ' and <= '~';

    /// <summary>Checks what can be checked without the coordinator.</summary>
    /// <exception cref="ArgumentException">A setting is not possible; the message names it.</exception>
    internal void Check()
    {
        foreach (var coordinator in (IEnumerable<Uri>)[Coordinator, .. OtherCoordinators])
        {
            if (!coordinator.IsAbsoluteUri || coordinator.Scheme is not ("http" or "https"))
            {
                throw new ArgumentException($"The coordinator is '{coordinator}'; an address such as http://localhost:7070 is needed.");
            }
        }

        if ((JoinToken.Length == 0 && JoinTokenFile is null && Tls.Certificate is null) || !JoinToken.All(IsTokenCharacter))
        {
            throw new ArgumentException("The join token is empty, or has characters other than printable ASCII.");
        }

        if (Slots is < 1 or > WireLimits.MaxSlots)
        {
            throw new ArgumentException($"The slots are {Slots}; allowed are 1 to {WireLimits.MaxSlots}.");
        }

        if (WarmRanks is < 0 or > WireLimits.MaxSlots)
        {
            throw new ArgumentException($"The rank processes that wait are {WarmRanks}; allowed are 0 to {WireLimits.MaxSlots}.");
        }

        if (Gpus.Count > 0 && Gpus.Count != Slots)
        {
            throw new ArgumentException($"There are {Slots} slots and {Gpus.Count} GPUs; each slot needs one.");
        }

        if (Watchdog.Silence < TimeSpan.FromMilliseconds(500))
        {
            throw new ArgumentException($"The time after which a rank counts as hung is {Watchdog.Silence.TotalSeconds} s; at least 0.5 s are needed.");
        }

        ArgumentException.ThrowIfNullOrWhiteSpace(Name, nameof(Name));
        ArgumentException.ThrowIfNullOrWhiteSpace(Address, nameof(Address));
        ArgumentException.ThrowIfNullOrEmpty(RankProgram.Command, nameof(RankProgram));
        if (!Directory.Exists(StorageRoot))
        {
            throw new ArgumentException($"The storage root '{StorageRoot}' is not a folder.");
        }
    }
}
