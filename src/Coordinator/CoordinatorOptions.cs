using Linformer.Coordinator.Storage.Postgres;
using Linformer.Protocol.Security;

namespace Linformer.Coordinator;

/// <summary>How a coordinator runs.</summary>
public sealed record CoordinatorOptions
{
    /// <summary>The port that is listened on unless another is given.</summary>
    public const int DefaultPort = 7070;

    /// <summary>The port of HTTP that commands take unless another is given.</summary>
    public const int DefaultHttpPort = 7080;

    /// <summary>The storage root, which all workers share. The coordinator's own files are in its folder <c>coordinator</c>.</summary>
    public required string DataFolder { get; init; }

    /// <summary>
    /// Where gRPC is served, as <c>HOST:PORT</c> with an IP address, <c>localhost</c> or <c>*</c>; port 0 has one chosen.
    /// </summary>
    public IReadOnlyList<string> Listen { get; init; } = [$"localhost:{DefaultPort}"];

    /// <summary>
    /// Where the dashboard and the HTTP API are served, as <see cref="Listen"/> has it; empty for nowhere.
    /// </summary>
    public IReadOnlyList<string> HttpListen { get; init; } = [];

    /// <summary>
    /// Where people's browsers reach <see cref="HttpListen"/> if not there itself, such as <c>https://linformer.example</c>: the addresses
    /// of proxies. Their pages count as this coordinator's, and their names as names of it.
    /// </summary>
    public IReadOnlyList<string> PublicAddresses { get; init; } = [];

    /// <summary>
    /// Whether browsers that came by TLS are told to use nothing but TLS with the host's name for a year, on <b>all</b> its ports (HSTS).
    /// </summary>
    public bool StrictTransport { get; init; }

    /// <summary>The built dashboard; null for the folder <c>dashboard</c> beside the program. Without one, only the HTTP API is served.</summary>
    public string? DashboardFolder { get; init; }

    /// <summary>Agents report at least so often.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>An agent that is not heard for so long is lost.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A worker that makes no progress with its part of a corpus's preparation has it taken away after so long.</summary>
    public TimeSpan PreparationPatience { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The silo's port on loopback; 0 to have one chosen.</summary>
    public int SiloPort { get; init; }

    /// <summary>The silo's gateway port on loopback; 0 to have one chosen.</summary>
    public int GatewayPort { get; init; }

    /// <summary>The longest that a stop waits for open calls.</summary>
    public TimeSpan StopPatience { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>The database's server; null for SQLite in the coordinator's folder.</summary>
    public PostgresAddress? Database { get; init; }

    /// <summary>
    /// With a server: a coordinator that has not renewed its lease of the database for so long is replaced by one that stands by.
    /// </summary>
    public TimeSpan DatabaseLease { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>With a server: whether a start waits for one that does not answer, rather than to fail.</summary>
    public bool WaitForDatabase { get; init; }

    /// <summary>The largest size of an SQLite database, in bytes; 0 for no limit.</summary>
    public long MaximumDatabaseBytes { get; init; }

    /// <summary>The certificate of all listeners; null to serve without TLS.</summary>
    public CertificateFile? Certificate { get; init; }

    /// <summary>
    /// Whose client certificates let a worker join without the join token; null for nobody's. One with the common name
    /// <c>linformer-worker</c> may take any worker's name, another one only the name that is its common name.
    /// </summary>
    public TrustFile? WorkerAuthorities { get; init; }

    /// <summary>Who has to show a token.</summary>
    public AuthenticationMode Authentication { get; init; } = AuthenticationMode.FromNetwork;

    /// <summary>
    /// A file of join tokens, one a line, each as good as the other; read again when it changes. Null for the one in
    /// <see cref="CoordinatorFolder"/>, which is made at the first start.
    /// </summary>
    public string? JoinTokenFile { get; init; }

    /// <summary>The same with tokens of the user <c>admin</c>; null for <c>user-token</c> in <see cref="CoordinatorFolder"/>.</summary>
    public string? AdminTokenFile { get; init; }

    /// <summary>What one user may do at most.</summary>
    public UserLimits Limits { get; init; } = new();

    /// <summary>How much of the telemetry of jobs stays in the database.</summary>
    public RetentionOptions Retention { get; init; } = new();

    /// <summary>The workers that the coordinator may scale; null for none.</summary>
    public ScalingOptions? Scaling { get; init; }

    /// <summary>The folder of the tokens, and of an SQLite database and its lock; <c>coordinator</c> at the storage root unless it is set.</summary>
    public string CoordinatorFolder
    {
        get => field ?? Path.Combine(DataFolder, "coordinator");
        init;
    }
}
