using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Linformer.Coordinator.Scaling;
using Linformer.Coordinator.Tests.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Linformer.Coordinator.Tests.Scaling;

/// <summary>
/// A real HTTPS server that answers as Kubernetes' API server does about one StatefulSet, and misbehaves on demand. The service
/// account that it knows is in a folder, as it is mounted into a pod.
/// </summary>
internal sealed class FakeKubernetes : IAsyncDisposable
{
    public const string Name = "linformer-worker";
    public const string Namespace = "training";

    private const string Objects = $"/apis/apps/v1/namespaces/{Namespace}/statefulsets";

    private readonly WebApplication _app;
    private readonly TemporaryFolder _account;
    private readonly Lock _lock = new();
    private readonly List<Channel<string>> _watchers = [];
    private int _replicas;
    private long _version = 100;

    private FakeKubernetes(WebApplication app, TemporaryFolder account, int replicas) => (_app, _account, _replicas) = (app, account, replicas);

    public Uri Server { get; private set; } = new("https://localhost");

    public string AccountFolder => _account.Path;

    public string Token { get; private set; } = "token-1";

    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>Answers in place of the usual ones, each used once; null stands for the usual one.</summary>
    public ConcurrentQueue<Func<HttpContext, Task>?> Next { get; } = [];

    public Func<HttpContext, bool> Forbids { get; set; } = _ => false;

    public int Replicas
    {
        get
        {
            lock (_lock)
                return _replicas;
        }
    }

    public static async Task<FakeKubernetes> StartAsync(int replicas = 2)
    {
        using var authority = Authority();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        var certificate = Certificate(authority);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, endpoint => endpoint.UseHttps(certificate)));
        var app = builder.Build();
        var account = new TemporaryFolder();
        await File.WriteAllTextAsync(Path.Combine(account.Path, "ca.crt"), authority.ExportCertificatePem());
        await File.WriteAllTextAsync(Path.Combine(account.Path, "namespace"), Namespace);
        var fake = new FakeKubernetes(app, account, replicas);
        await fake.RenewTokenAsync("token-1");
        app.Run(fake.AnswerAsync);
        await app.StartAsync();
        fake.Server = new Uri(app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single());
        return fake;
    }

    public ScalingOptions Options(int minimum = 0, int maximum = 10) => new()
    {
        StatefulSet = Name,
        Minimum = minimum,
        Maximum = maximum,
        Server = Server,
        AccountFolder = AccountFolder,
        Interval = TimeSpan.FromMilliseconds(50),
    };

    public KubernetesClient Client(TimeSpan? patience = null) => new(KubernetesAccount.Load(Options(), _ => null), Name, patience ?? TimeSpan.FromSeconds(10));

    /// <summary>Kubernetes renews the token: it accepts the new one only, and puts it into the pod's volume.</summary>
    public async Task RenewTokenAsync(string token, bool write = true)
    {
        Token = token;
        if (write)
            await File.WriteAllTextAsync(Path.Combine(AccountFolder, "token"), token);
    }

    /// <summary>Somebody changes the StatefulSet, as <c>kubectl scale</c> does.</summary>
    public void Scale(int replicas)
    {
        lock (_lock)
        {
            _replicas = replicas;
            _version++;
            Tell(Event("MODIFIED"));
        }
    }

    /// <summary>Sends a line to all who watch, as it is.</summary>
    public void Tell(string line)
    {
        lock (_lock)
        {
            foreach (var watcher in _watchers)
                watcher.Writer.TryWrite(line);
        }
    }

    /// <summary>Breaks the connections of all who watch.</summary>
    public void DropWatches()
    {
        lock (_lock)
        {
            foreach (var watcher in _watchers)
                watcher.Writer.TryComplete(new IOException("dropped"));
        }
    }

    public int Watchers
    {
        get
        {
            lock (_lock)
                return _watchers.Count;
        }
    }

    public string Bookmark()
    {
        lock (_lock)
            return $$$"""{"type":"BOOKMARK","object":{"kind":"StatefulSet","apiVersion":"apps/v1","metadata":{"resourceVersion":"{{{++_version}}}"} } }""" + "\n";
    }

    public static Func<HttpContext, Task> Status(int code, string reason, string message) => context =>
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(JsonSerializer.Serialize(new { kind = "Status", apiVersion = "v1", status = "Failure", message, reason, code }));
    };

    public static Func<HttpContext, Task> Text(string text) => context => context.Response.WriteAsync(text);

    public async ValueTask DisposeAsync()
    {
        DropWatches();
        await _app.StopAsync(new CancellationToken(canceled: true));
        await _app.DisposeAsync();
        _account.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var watch = context.Request.Query["watch"] == "true";
        Requests.Enqueue($"{context.Request.Method} {context.Request.Path}{(watch ? " " + context.Request.QueryString : "")}");
        if (context.Request.Headers.Authorization != $"Bearer {Token}")
            await Status(401, "Unauthorized", "Unauthorized")(context);
        else if (Forbids(context))
            await Status(403, "Forbidden", $"""statefulsets.apps "{Name}" is forbidden: User "system:serviceaccount:{Namespace}:coordinator" cannot do that""")(context);
        else if (Next.TryDequeue(out var other) && other is not null)
            await other(context);
        else if (watch && context.Request.Path == Objects && context.Request.Query["fieldSelector"] == $"metadata.name={Name}")
            await WatchAsync(context);
        else if (context.Request.Path == $"{Objects}/{Name}/scale" && HttpMethods.IsGet(context.Request.Method))
            await context.Response.WriteAsync(ScaleObject());
        else if (context.Request.Path == $"{Objects}/{Name}/scale" && HttpMethods.IsPatch(context.Request.Method))
            await PatchAsync(context);
        else
            await Status(404, "NotFound", "the server could not find the requested resource")(context);
    }

    private async Task PatchAsync(HttpContext context)
    {
        var patch = (await JsonNode.ParseAsync(context.Request.Body))!;
        if (context.Request.ContentType?.StartsWith("application/merge-patch+json", StringComparison.Ordinal) != true)
        {
            await Status(415, "UnsupportedMediaType", "the body of the request was in an unknown format")(context);
            return;
        }
        string? answer = null;
        lock (_lock)
        {
            if ((string?)patch["metadata"]?["resourceVersion"] == $"{_version}")
            {
                _replicas = (int)patch["spec"]!["replicas"]!;
                _version++;
                Tell(Event("MODIFIED"));
                answer = ScaleObject();
            }
        }
        await (answer is not null
            ? context.Response.WriteAsync(answer)
            : Status(409, "Conflict", "the object has been modified; please apply your changes to the latest version and try again")(context));
    }

    private async Task WatchAsync(HttpContext context)
    {
        var channel = Channel.CreateUnbounded<string>();
        lock (_lock)
        {
            if (!context.Request.Query.ContainsKey("resourceVersion"))
                channel.Writer.TryWrite(Event("ADDED"));
            _watchers.Add(channel);
        }
        try
        {
            await context.Response.StartAsync();
            await foreach (var line in channel.Reader.ReadAllAsync(context.RequestAborted))
            {
                await context.Response.WriteAsync(line);
                await context.Response.Body.FlushAsync();
            }
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            context.Abort();
        }
        finally
        {
            lock (_lock)
                _watchers.Remove(channel);
        }
    }

    private string Event(string type) =>
        $$$"""{"type":"{{{type}}}","object":{"kind":"StatefulSet","apiVersion":"apps/v1","metadata":{"name":"{{{Name}}}","resourceVersion":"{{{_version}}}"},"spec":{"replicas":{{{_replicas}}},"serviceName":"x"},"status":{"replicas":{{{_replicas}}} } } }""" + "\n";

    // As the real one: replicas are left out of the spec when they are 0.
    private string ScaleObject()
    {
        lock (_lock)
        {
            var spec = _replicas == 0 ? "{}" : $$$"""{"replicas":{{{_replicas}}}}""";
            return $$$"""{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"{{{Name}}}","namespace":"{{{Namespace}}}","resourceVersion":"{{{_version}}}","creationTimestamp":"2026-05-04T12:00:00Z"},"spec":{{{spec}}},"status":{"replicas":{{{_replicas}}},"selector":"app=x"}}""";
        }
    }

    private static X509Certificate2 Authority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=kubernetes", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private static X509Certificate2 Certificate(X509Certificate2 authority)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=kube-apiserver", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        using var signed = request.Create(authority, new DateTimeOffset(authority.NotBefore), new DateTimeOffset(authority.NotAfter), [1, 2, 3, 4]);
        using var whole = signed.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }
}
