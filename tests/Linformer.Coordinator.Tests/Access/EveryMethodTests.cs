using System.Net;
using System.Reflection;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Linformer.Coordinator.Tests.Services;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Access;

/// <summary>What holds for each method and route, whichever there are: they are taken from the descriptors and from the running program.</summary>
public sealed class EveryMethodTests : IAsyncLifetime
{
    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(bytes => bytes, bytes => bytes);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private SecureCoordinator _coordinator = null!;

    /// <summary>All methods of all services of all .proto files.</summary>
    private static IReadOnlyList<MethodDescriptor> Methods { get; } =
    [
        .. typeof(Job).Assembly.GetTypes()
            .Select(type => type.GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static)?.GetValue(null))
            .OfType<FileDescriptor>().SelectMany(file => file.Services).SelectMany(service => service.Methods).Where(method => method.Service.FullName != Health),
    ];

    /// <summary>gRPC's own health service is for everybody.</summary>
    private const string Health = "grpc.health.v1.Health";

    private static IEnumerable<MethodDescriptor> OfPeople => Methods.Where(method => !Rule(method).Worker);

    private static IEnumerable<MethodDescriptor> OfWorkers => Methods.Where(method => Rule(method).Worker);

    public async Task InitializeAsync() => _coordinator = await SecureCoordinator.StartAsync(
        change: options => options with { Limits = new UserLimits { WrongTokensPerMinute = 10_000, CallsPerSecond = 0 } });

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public void Every_method_says_who_may_call_it()
    {
        Methods.Select(method => method.Service.Name).Distinct().Count().ShouldBeGreaterThanOrEqualTo(5);
        foreach (var method in Methods)
        {
            var rule = method.GetOptions()?.GetExtension(AccessExtensions.Access);
            rule.ShouldNotBeNull($"{method.FullName} has no option (access)");
            (rule.Worker ^ rule.Role != Role.Unspecified).ShouldBeTrue($"{method.FullName} is for workers, or has the least role of people");
        }
    }

    [Fact]
    public void Every_method_is_served_by_the_rule_of_its_descriptor_and_no_other_route_is_open()
    {
        var routes = _coordinator.Coordinator.Host.Routes;
        routes.Where(route => route.IsGrpcMethod && !route.IsPublic).Select(route => route.Pattern).Order().ShouldBe(Methods.Select(Path).Order());
        routes.Where(route => route.IsGrpcMethod && route.IsPublic).Select(route => route.Pattern).Order().ShouldBe([$"/{Health}/Check", $"/{Health}/Watch"]);
        foreach (var method in Methods)
            routes.Single(route => route.Pattern == Path(method)).Rule.ShouldBe(Rule(method));
        // Who is not known yet logs in, and the page for that is there without it.
        routes.Where(route => !route.IsGrpcMethod && route.IsPublic && !route.Pattern.Contains("unimplemented", StringComparison.Ordinal)).Select(route => route.Pattern).Distinct().Order().ShouldBe(["/api/v1/session", "/healthz", "/readyz", "/{**path}"]);
        routes.Single(route => route.Pattern == "/metrics").Rule.ShouldBe(new Protocol.V1.Access { Role = Role.Viewer });
        foreach (var other in routes.Where(route => !route.IsGrpcMethod))
        {
            if (other.Rule is null && !other.IsPublic)
                other.Pattern.ShouldContain("unimplemented", customMessage: $"{other.Pattern} has no rule, so it is answered to nobody");
        }
    }

    [Fact]
    public async Task Without_a_token_or_with_a_wrong_one_every_method_is_UNAUTHENTICATED()
    {
        Metadata[] shown =
        [
            [],
            SecureCoordinator.Bearer("wrong-token-of-some-length"),
            SecureCoordinator.Bearer("lft_abcdefgh_" + new string('A', 43)),
            SecureCoordinator.Bearer(""),
            new() { { "authorization", "Basic YWRtaW46YWRtaW4=" } },
        ];
        foreach (var method in Methods)
        {
            foreach (var headers in shown)
                (await CallAsync(method, headers)).ShouldBe(StatusCode.Unauthenticated, method.FullName);
        }
    }

    [Fact]
    public async Task Every_role_below_a_method_s_is_refused_and_the_others_are_let_in()
    {
        var tokens = new Dictionary<Role, Metadata>();
        foreach (var role in (Role[])[Role.Viewer, Role.Submitter, Role.Admin])
            tokens[role] = await _coordinator.AsAsync("person-" + (int)role, role);
        foreach (var method in OfPeople)
        {
            foreach (var (role, token) in tokens)
            {
                var code = await CallAsync(method, token);
                if (role < Rule(method).Role)
                    code.ShouldBe(StatusCode.PermissionDenied, $"{method.FullName} for {role}");
                else
                    code.ShouldBeOneOf([StatusCode.OK, StatusCode.InvalidArgument, StatusCode.NotFound], $"{method.FullName} for {role}");
            }
        }
    }

    [Fact]
    public async Task Workers_may_not_call_what_is_for_people_and_people_not_what_is_for_workers()
    {
        var join = SecureCoordinator.Bearer(_coordinator.Coordinator.Host.JoinToken);
        foreach (var method in OfPeople)
            (await CallAsync(method, join)).ShouldBe(StatusCode.Unauthenticated, method.FullName);
        var admin = await _coordinator.AsAsync("ada", Role.Admin);
        foreach (var method in OfWorkers)
        {
            (await CallAsync(method, admin)).ShouldBe(StatusCode.Unauthenticated, method.FullName);
            (await CallAsync(method, _coordinator.Admin)).ShouldBe(StatusCode.Unauthenticated, method.FullName);
            // It is let in, and says nothing.
            (await CallAsync(method, join)).ShouldBe(StatusCode.InvalidArgument, method.FullName);
        }
    }

    [Fact]
    public async Task A_worker_s_certificate_lets_nobody_call_what_is_for_people()
    {
        using var channel = _coordinator.Coordinator.Connect(_coordinator.Tls("linformer-worker"));
        foreach (var method in OfPeople)
            (await CallAsync(method, [], channel.CreateCallInvoker())).ShouldBe(StatusCode.Unauthenticated, method.FullName);
        foreach (var method in OfWorkers)
            (await CallAsync(method, [], channel.CreateCallInvoker())).ShouldBe(StatusCode.InvalidArgument, method.FullName);
    }

    [Fact]
    public async Task Every_route_is_refused_to_plain_HTTP_without_a_token_and_what_is_not_there_is_not_found()
    {
        using var http = Http();
        var paths = _coordinator.Coordinator.Host.Routes.Where(route => !route.IsPublic).Select(route => "/" + route.Pattern.TrimStart('/').Split('{')[0]).Append("/").Append("/nothing").Distinct();
        foreach (var path in paths)
        {
            foreach (var verb in (HttpMethod[])[HttpMethod.Get, HttpMethod.Post, HttpMethod.Put, HttpMethod.Delete, HttpMethod.Options])
            {
                using var response = await http.SendAsync(Request(verb, path));
                response.StatusCode.ShouldBe(HttpStatusCode.Unauthorized, $"{verb} {path}");
                response.Headers.WwwAuthenticate.ShouldHaveSingleItem().Scheme.ShouldBe("Bearer");
            }
        }
        using var known = Request(HttpMethod.Get, "/nothing");
        known.Headers.Authorization = new("Bearer", _coordinator.Coordinator.Host.UserToken);
        using var absent = await http.SendAsync(known);
        absent.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_method_that_is_not_there_is_refused_to_strangers_and_UNIMPLEMENTED_for_others()
    {
        foreach (var service in (string[])["linformer.v1.Jobs", "linformer.v1.Nothing"])
        {
            var method = new Method<byte[], byte[]>(MethodType.Unary, service, "Nothing", Bytes, Bytes);
            var invoker = _coordinator.Coordinator.Channel.CreateCallInvoker();
            await Refused.With(StatusCode.Unauthenticated, () => invoker.AsyncUnaryCall(method, null, Options([]), []).ResponseAsync);
            await Refused.With(StatusCode.Unimplemented, () => invoker.AsyncUnaryCall(method, null, Options(_coordinator.Admin), []).ResponseAsync);
        }
    }

    [Fact]
    public async Task A_path_in_other_letters_leads_by_no_rule()
    {
        var viewer = await _coordinator.AsAsync("vic", Role.Viewer);
        foreach (var path in (string[])["LINFORMER.V1.JOBS", "linformer.v1.jobs"])
        {
            var method = new Method<byte[], byte[]>(MethodType.Unary, path, "CANCEL", Bytes, Bytes);
            var invoker = _coordinator.Coordinator.Channel.CreateCallInvoker();
            await Refused.With(StatusCode.Unauthenticated, () => invoker.AsyncUnaryCall(method, null, Options([]), []).ResponseAsync);
            await Refused.With(StatusCode.PermissionDenied, () => invoker.AsyncUnaryCall(method, null, Options(viewer), []).ResponseAsync);
        }
        (await _coordinator.AuditAsync()).Count(entry => entry.Method == "/linformer.v1.Jobs/Cancel").ShouldBe(4);
    }

    private HttpClient Http() => new(new SocketsHttpHandler { SslOptions = _coordinator.PlainTls().ToSslOptions() }) { BaseAddress = _coordinator.Coordinator.Host.Addresses[0] };

    private static HttpRequestMessage Request(HttpMethod verb, string path) =>
        new(verb, path) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };

    private static Protocol.V1.Access Rule(MethodDescriptor method) => method.GetOptions().GetExtension(AccessExtensions.Access);

    private static string Path(MethodDescriptor method) => $"/{method.Service.FullName}/{method.Name}";

    private static CallOptions Options(Metadata headers) => new(headers, DateTime.UtcNow + Patience);

    /// <summary>Calls a method with an empty message, or none where it takes a stream of them.</summary>
    private async Task<StatusCode> CallAsync(MethodDescriptor descriptor, Metadata headers, CallInvoker? invoker = null)
    {
        invoker ??= _coordinator.Coordinator.Channel.CreateCallInvoker();
        var type = (descriptor.IsClientStreaming, descriptor.IsServerStreaming) switch
        {
            (false, false) => MethodType.Unary,
            (false, true) => MethodType.ServerStreaming,
            (true, false) => MethodType.ClientStreaming,
            (true, true) => MethodType.DuplexStreaming,
        };
        var method = new Method<byte[], byte[]>(type, descriptor.Service.FullName, descriptor.Name, Bytes, Bytes);
        try
        {
            switch (type)
            {
                case MethodType.Unary:
                    await invoker.AsyncUnaryCall(method, null, Options(headers), []).ResponseAsync;
                    break;
                case MethodType.ServerStreaming:
                    using (var call = invoker.AsyncServerStreamingCall(method, null, Options(headers), []))
                        await call.ResponseStream.MoveNext(CancellationToken.None);
                    break;
                case MethodType.ClientStreaming:
                    using (var call = invoker.AsyncClientStreamingCall(method, null, Options(headers)))
                        await CompleteAsync(call.RequestStream, call.ResponseAsync);
                    break;
                default:
                    using (var call = invoker.AsyncDuplexStreamingCall(method, null, Options(headers)))
                        await CompleteAsync(call.RequestStream, call.ResponseStream.MoveNext(CancellationToken.None));
                    break;
            }
            return StatusCode.OK;
        }
        catch (RpcException exception)
        {
            return exception.StatusCode;
        }
    }

    private static async Task CompleteAsync(IClientStreamWriter<byte[]> requests, Task answer)
    {
        try
        {
            await requests.CompleteAsync();
        }
        catch (Exception exception) when (exception is RpcException or InvalidOperationException)
        {
            // The answer was there before.
        }
        await answer;
    }
}
