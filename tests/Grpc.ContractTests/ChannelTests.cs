using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.ContractTests.Contract;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Grpc.ContractTests;

/// <summary>Channels: addresses, handlers, credentials, TLS.</summary>
public sealed class ChannelTests
{
    [Fact]
    public void Addresses_and_credentials_have_to_agree()
    {
        using var plain = GrpcChannel.ForAddress("http://localhost:1", new GrpcChannelOptions { Credentials = ChannelCredentials.Insecure });
        using var secure = GrpcChannel.ForAddress("https://localhost:1", new GrpcChannelOptions { Credentials = ChannelCredentials.SecureSsl });

        plain.Target.ShouldBe("localhost:1");
        Should.Throw<InvalidOperationException>(() => GrpcChannel.ForAddress("https://localhost:1", new GrpcChannelOptions { Credentials = ChannelCredentials.Insecure }));
        Should.Throw<InvalidOperationException>(() => GrpcChannel.ForAddress("http://localhost:1", new GrpcChannelOptions { Credentials = ChannelCredentials.SecureSsl }));
        Should.Throw<InvalidOperationException>(() => GrpcChannel.ForAddress("ftp://localhost:1"));
        Should.Throw<UriFormatException>(() => GrpcChannel.ForAddress("no address"));
    }

    [Fact]
    public void There_is_one_http_caller()
    {
        using var client = new HttpClient();
        using var handler = new SocketsHttpHandler();

        Should.Throw<ArgumentException>(() => GrpcChannel.ForAddress(
            "http://localhost:1", new GrpcChannelOptions { HttpClient = client, HttpHandler = handler }));
    }

    [Fact]
    public async Task A_server_that_comes_back_is_found_again()
    {
        var handlers = new Handlers { Unary = (request, _) => Task.FromResult(request) };
        var server = await TestServer.StartAsync(handlers);
        var backoff = TimeSpan.FromMilliseconds(50);
        using var channel = GrpcChannel.ForAddress(
            server.Address, new GrpcChannelOptions { InitialReconnectBackoff = backoff, MaxReconnectBackoff = backoff });
        var client = new Probe.ProbeClient(channel);
        await client.UnaryAsync(new Part());
        await server.DisposeAsync();
        await Expect.StatusAsync(client.UnaryAsync(new Part()), StatusCode.Unavailable);

        await using var again = await TestServer.StartAsync(handlers, port: server.Address.Port);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var answered = false;
        while (!answered)
        {
            try
            {
                await client.UnaryAsync(new Part());
                answered = true;
            }
            catch (RpcException e)
            {
                e.StatusCode.ShouldBe(StatusCode.Unavailable);
                await Task.Delay(20, limit.Token);
            }
        }
    }

    [Fact]
    public void Backoffs_are_positive()
    {
        var options = new GrpcChannelOptions();

        options.InitialReconnectBackoff.ShouldBe(TimeSpan.FromSeconds(1));
        options.MaxReconnectBackoff.ShouldBe(TimeSpan.FromMinutes(2));
        Should.Throw<ArgumentException>(() => options.InitialReconnectBackoff = TimeSpan.Zero);
        Should.Throw<ArgumentException>(() => options.MaxReconnectBackoff = TimeSpan.FromSeconds(-1));
        options.MaxReconnectBackoff = null;
        options.MaxReconnectBackoff.ShouldBeNull();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Handlers_are_disposed_of_if_asked_for(bool dispose)
    {
        await using var server = await TestServer.StartAsync(new Handlers { Unary = (request, _) => Task.FromResult(request) });
        using var handler = new WatchedHandler();
        var channel = GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = dispose });

        await new Probe.ProbeClient(channel).UnaryAsync(new Part());
        channel.Dispose();
        channel.Dispose();

        handler.Paths.ShouldBe(["/contract.v1.Probe/Unary"]);
        handler.IsDisposed.ShouldBe(dispose);
    }

    [Fact]
    public async Task Call_credentials_are_sent_where_that_is_allowed()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (_, context) => Task.FromResult(new Part { Text = context.RequestHeaders.GetValue("authorization") ?? "none" }),
        });
        var credentials = CallCredentials.FromInterceptor((context, metadata) =>
        {
            metadata.Add("authorization", $"{context.MethodName} of {new Uri(context.ServiceUrl).AbsolutePath}");
            return Task.CompletedTask;
        });
        var options = new CallOptions(credentials: credentials);
        using var allowed = GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions { UnsafeUseInsecureChannelCallCredentials = true });
        using var always = GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions
        {
            Credentials = ChannelCredentials.Create(ChannelCredentials.Insecure, credentials),
            UnsafeUseInsecureChannelCallCredentials = true,
        });

        (await server.Client.UnaryAsync(new Part(), options)).Text.ShouldBe("none");
        (await new Probe.ProbeClient(allowed).UnaryAsync(new Part(), options)).Text.ShouldBe("Unary of /contract.v1.Probe");
        (await new Probe.ProbeClient(always).UnaryAsync(new Part())).Text.ShouldBe("Unary of /contract.v1.Probe");
        Should.Throw<InvalidOperationException>(() => GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions
        {
            Credentials = ChannelCredentials.Create(ChannelCredentials.Insecure, credentials),
        }));
    }

    [Fact]
    public async Task Calls_run_over_tls_and_know_the_clients_certificate()
    {
        using var serverCertificate = CreateCertificate("localhost");
        using var clientCertificate = CreateCertificate("worker-7");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            listen.UseHttps(https =>
            {
                https.ServerCertificate = serverCertificate;
                https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
                https.ClientCertificateValidation = (_, _, _) => true;
            });
        }));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(new Handlers
        {
            Unary = (_, context) => Task.FromResult(new Part
            {
                Text = context.AuthContext.PeerIdentityPropertyName + " " + context.AuthContext.PeerIdentity.Single().Value,
            }),
        });
        await using var app = builder.Build();
        app.MapGrpcService<ProbeService>();
        await app.StartAsync();
        using var handler = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.Equals(serverCertificate),
                ClientCertificates = [clientCertificate],
            },
        };
        using var channel = GrpcChannel.ForAddress(app.Urls.Single(), new GrpcChannelOptions { HttpHandler = handler });
        using var distrustful = GrpcChannel.ForAddress(app.Urls.Single());

        (await new Probe.ProbeClient(channel).UnaryAsync(new Part())).Text.ShouldBe("x509_subject_alternative_name worker-7");
        await Should.ThrowAsync<RpcException>(new Probe.ProbeClient(distrustful).UnaryAsync(new Part()).ResponseAsync);
    }

    private static X509Certificate2 CreateCertificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), password: null);
    }

    private sealed class WatchedHandler() : DelegatingHandler(new SocketsHttpHandler())
    {
        public List<string> Paths { get; } = [];

        public bool IsDisposed { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Paths.Add(request.RequestUri!.AbsolutePath);
            return base.SendAsync(request, cancellationToken);
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
