using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Linformer.Coordinator.Hosting;

/// <summary>The addresses that are listened on: their limits, their TLS, and what a call can tell of the connection that it came over.</summary>
internal static class Listeners
{
    private const int StreamsPerConnection = 1024;
    private const int Connections = 8192;
    private const int HeaderBytes = 16 << 10;
    private const int Headers = 64;

    private const string LoopbackMark = "linformer.loopback";
    private const string HttpMark = "linformer.http";
    private const string ChainMark = "linformer.chain";

    private static readonly TimeSpan HeadersPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan HandshakePatience = TimeSpan.FromSeconds(10);

    /// <summary>Sets the server up.</summary>
    /// <param name="kestrel">The server.</param>
    /// <param name="options">Certificates.</param>
    /// <param name="grpc">The addresses of gRPC.</param>
    /// <param name="http">The addresses of HTTP.</param>
    public static void Configure(KestrelServerOptions kestrel, CoordinatorOptions options, IReadOnlyList<ListenAddress> grpc, IReadOnlyList<ListenAddress> http)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxConcurrentConnections = Connections;
        kestrel.Limits.MaxRequestHeadersTotalSize = HeaderBytes;
        kestrel.Limits.MaxRequestHeaderCount = Headers;
        kestrel.Limits.RequestHeadersTimeout = HeadersPatience;
        kestrel.Limits.Http2.MaxRequestHeaderFieldSize = HeaderBytes;
        kestrel.Limits.Http2.MaxStreamsPerConnection = StreamsPerConnection;
        // A peer whose machine has vanished sends nothing, not even a reset.
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(15);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(10);
        // Streams are open for days, and a reader may be slow. Messages have a limit each. The least rate at which a request's message
        // has to come stays Kestrel's: gRPC takes it off for streams of requests, such as that of a worker that waits.
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxRequestBodySize = null;
        foreach (var address in grpc)
            Listen(kestrel, options, address, isHttp: false);
        foreach (var address in http)
            Listen(kestrel, options, address, isHttp: true);
    }

    private static void Listen(KestrelServerOptions kestrel, CoordinatorOptions options, ListenAddress address, bool isHttp) =>
        kestrel.Listen(address.Address, address.Port, endpoint =>
        {
            // Without TLS a connection cannot tell which of the two it speaks.
            endpoint.Protocols = !isHttp ? HttpProtocols.Http2 : options.Certificate is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
            if (address.IsLoopback)
                endpoint.Use(next => connection => MarkAsync(connection, LoopbackMark, next));
            if (isHttp)
                endpoint.Use(next => connection => MarkAsync(connection, HttpMark, next));
            if (options.Certificate is not null)
            {
                endpoint.UseHttps(new TlsHandshakeCallbackOptions
                {
                    HandshakeTimeout = HandshakePatience,
                    OnConnection = context => ValueTask.FromResult(isHttp ? HttpTls(options) : Tls(options, context.Connection)),
                });
            }
        });

    /// <summary>Whether a call came in on a listener of HTTP, rather than of gRPC.</summary>
    public static bool IsHttp(HttpContext http) => Items(http)?.ContainsKey(HttpMark) == true;

    /// <summary>Whether a call came in on a loopback listener: other machines cannot reach one.</summary>
    public static bool IsLoopback(HttpContext http) => Items(http)?.ContainsKey(LoopbackMark) == true;

    /// <summary>What the peer has shown besides its own certificate, unchecked.</summary>
    public static X509Certificate2Collection? ClientChain(HttpContext http) =>
        Items(http)?.TryGetValue(ChainMark, out var chain) == true ? chain as X509Certificate2Collection : null;

    private static IDictionary<object, object?>? Items(HttpContext http) => http.Features.Get<IConnectionItemsFeature>()?.Items;

    private static Task MarkAsync(ConnectionContext connection, string mark, ConnectionDelegate next)
    {
        connection.Items[mark] = true;
        return next(connection);
    }

    // Asked for each connection, so that a renewed certificate is taken without a restart.
    private static SslServerAuthenticationOptions Tls(CoordinatorOptions options, BaseConnectionContext connection)
    {
        var tls = Tls(options, SslApplicationProtocol.Http2);
        if (options.WorkerAuthorities is null)
            return tls;
        // Asked for, not required: people have none. It is checked when a worker calls, not here, so that the answer can tell what is wrong.
        tls.ClientCertificateRequired = true;
        tls.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            // Nobody who is not known may have this program fetch something.
            DisableCertificateDownloads = true,
        };
        tls.RemoteCertificateValidationCallback = (_, certificate, chain, _) => certificate is null || TryKeep(connection, chain);
        return tls;
    }

    // Browsers ask their user for a certificate when they are asked for one, and nobody here needs one.
    private static SslServerAuthenticationOptions HttpTls(CoordinatorOptions options) => Tls(options, SslApplicationProtocol.Http2, SslApplicationProtocol.Http11);

    private static SslServerAuthenticationOptions Tls(CoordinatorOptions options, params SslApplicationProtocol[] protocols) => new()
    {
        ServerCertificateContext = options.Certificate!.Context,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        ApplicationProtocols = [.. protocols],
        AllowRenegotiation = false,
    };

    // Copies, since the handshake disposes of its own. A certificate without its chain could not be checked later.
    private static bool TryKeep(BaseConnectionContext connection, X509Chain? chain)
    {
        if (chain is null)
            return false;
        var kept = new X509Certificate2Collection();
        foreach (var certificate in chain.ChainPolicy.ExtraStore)
            kept.Add(X509CertificateLoader.LoadCertificate(certificate.RawDataMemory.Span));
        connection.Items[ChainMark] = kept;
        return true;
    }
}
