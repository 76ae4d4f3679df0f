using Grpc.Core;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Protocol.Security;
using Linformer.Protocol.Wire;
using Serilog;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

/// <summary>A coordinator with TLS that asks everybody for a token, and tokens of several people.</summary>
internal sealed class SecureCoordinator : IAsyncDisposable
{
    private readonly TemporaryFolder _files;
    private readonly TestAuthority _authority;

    private SecureCoordinator(TemporaryFolder files, TestAuthority authority, TestCoordinator coordinator)
    {
        _files = files;
        _authority = authority;
        Coordinator = coordinator;
        Tokens = new Proto.Tokens.TokensClient(coordinator.Channel);
    }

    public TestCoordinator Coordinator { get; }

    public TestAuthority Authority => _authority;

    public Proto.Jobs.JobsClient Jobs => Coordinator.Jobs;

    public Proto.Workers.WorkersClient Workers => Coordinator.Workers;

    public Proto.Tokens.TokensClient Tokens { get; }

    public Metadata Admin => Bearer(Coordinator.Host.UserToken);

    public static async Task<SecureCoordinator> StartAsync(
        TemporaryFolder? folder = null, Func<CoordinatorOptions, CoordinatorOptions>? change = null, ILogger? logger = null)
    {
        var files = new TemporaryFolder();
        var authority = new TestAuthority();
        try
        {
            var (certificate, key) = authority.Server(files.File("server"));
            var trust = authority.WriteTo(files.File("authority.crt"));
            var coordinator = await TestCoordinator.StartAsync(
                folder,
                options =>
                {
                    options = options with
                    {
                        Certificate = new CertificateFile(certificate, key),
                        WorkerAuthorities = new TrustFile(trust),
                        Authentication = AuthenticationMode.Always,
                    };
                    return change?.Invoke(options) ?? options;
                },
                logger,
                new ClientTls(new TrustFile(trust)));
            return new SecureCoordinator(files, authority, coordinator);
        }
        catch
        {
            authority.Dispose();
            files.Dispose();
            throw;
        }
    }

    /// <summary>What a caller shows.</summary>
    public static Metadata Bearer(string token) => new() { { MetadataNames.Authorization, MetadataNames.BearerPrefix + token } };

    /// <summary>Makes a token.</summary>
    public async Task<Proto.CreateTokenResponse> CreateAsync(string user, Proto.Role role, long seconds = 0) =>
        await Tokens.CreateAsync(new Proto.CreateTokenRequest { User = user, Role = role, LifetimeSeconds = seconds, Note = "test" }, Admin);

    /// <summary>Makes a token, for calls.</summary>
    public async Task<Metadata> AsAsync(string user, Proto.Role role) => Bearer((await CreateAsync(user, role)).Secret);

    /// <summary>TLS without a client certificate.</summary>
    public ClientTls PlainTls() => new(new TrustFile(_files.File("authority.crt")));

    /// <summary>TLS with a client certificate.</summary>
    public ClientTls Tls(string name, TimeSpan? lifetime = null, TestAuthority? issuer = null)
    {
        var (certificate, key) = (issuer ?? _authority).Client(_files.File("client-" + Guid.NewGuid().ToString("N")), name, lifetime);
        return new ClientTls(new TrustFile(_files.File("authority.crt")), new CertificateFile(certificate, key));
    }

    /// <summary>Has another authority's certificates trusted from now on.</summary>
    public void Trust(TestAuthority authority) => File.Move(authority.WriteTo(_files.File("next.crt")), _files.File("authority.crt"), overwrite: true);

    public async Task<IReadOnlyList<Proto.AuditEntry>> AuditAsync() =>
        [.. (await Tokens.AuditAsync(new Proto.AuditRequest { PageSize = 1000, Newest = true }, Admin)).Entries];

    public async ValueTask DisposeAsync()
    {
        await Coordinator.DisposeAsync();
        _authority.Dispose();
        _files.Dispose();
    }
}
