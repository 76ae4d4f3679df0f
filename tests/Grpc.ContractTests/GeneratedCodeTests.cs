using System.Buffers;
using Google.Protobuf;
using Grpc.ContractTests.Contract;
using Grpc.Core;

namespace Grpc.ContractTests;

/// <summary>What generated code, hand-made methods and test doubles rely on.</summary>
public sealed class GeneratedCodeTests
{
    [Fact]
    public void A_service_announces_its_methods()
    {
        var binder = new Binder();

        Probe.BindService(new ProbeService(new Handlers())).BindService(binder);
        Probe.BindService(binder, new ProbeService(new Handlers()));

        string[] methods = ["Unary Unary", "ServerStreaming Download", "ClientStreaming Upload", "DuplexStreaming Talk"];
        binder.Methods.ShouldBe([.. methods, .. methods]);
    }

    [Fact]
    public void A_service_definition_has_each_method_once()
    {
        var marshaller = Marshallers.StringMarshaller;
        var method = new Method<string, string>(MethodType.Unary, "s", "m", marshaller, marshaller);
        UnaryServerMethod<string, string> handler = (request, _) => Task.FromResult(request);
        var builder = ServerServiceDefinition.CreateBuilder().AddMethod(method, handler);

        Should.Throw<ArgumentException>(() => builder.AddMethod(method, handler));
        method.FullName.ShouldBe("/s/m");
    }

    [Fact]
    public async Task Clients_can_be_doubled()
    {
        var client = new DoubledClient();

        (await client.UnaryAsync(new Part())).Text.ShouldBe("double");
        Should.Throw<NotImplementedException>(() => client.Download(new Part()));
    }

    [Fact]
    public async Task Marshallers_write_arrays_or_buffers()
    {
        await using var server = await TestServer.StartAsync(new Handlers { Unary = (request, _) => Task.FromResult(request) });
        var part = new Part { Text = "hello", Data = ByteString.CopyFrom(new byte[100_000]) };
        var array = Marshallers.Create(MessageExtensions.ToByteArray, Part.Parser.ParseFrom);
        var buffer = Marshallers.Create(
            (Part message, SerializationContext context) =>
            {
                context.GetBufferWriter().Write(message.ToByteArray());
                context.Complete();
            },
            context =>
            {
                context.PayloadLength.ShouldBe(part.CalculateSize());
                context.PayloadAsReadOnlySequence().ToArray().ShouldBe(context.PayloadAsNewBuffer());
                return Part.Parser.ParseFrom(context.PayloadAsReadOnlySequence());
            });

        foreach (var marshaller in new[] { array, buffer })
        {
            var method = new Method<Part, Part>(MethodType.Unary, "contract.v1.Probe", "Unary", marshaller, marshaller);
            using var call = server.Channel.CreateCallInvoker().AsyncUnaryCall(method, null, default, part);
            (await call).ShouldBe(part);
        }
    }

    [Fact]
    public async Task A_marshaller_that_throws_ends_the_call()
    {
        await using var server = await TestServer.StartAsync(new Handlers { Unary = (request, _) => Task.FromResult(request) });
        var good = Marshallers.Create(MessageExtensions.ToByteArray, Part.Parser.ParseFrom);
        var bad = Marshallers.Create<Part>(_ => throw new FormatException("cannot write"), _ => throw new FormatException("cannot read"));

        foreach (var (request, response) in new[] { (bad, good), (good, bad) })
        {
            var method = new Method<Part, Part>(MethodType.Unary, "contract.v1.Probe", "Unary", request, response);
            using var call = server.Channel.CreateCallInvoker().AsyncUnaryCall(method, null, default, new Part());
            var exception = await Expect.StatusAsync(call.ResponseAsync, StatusCode.Internal);
            exception.Status.Detail.ShouldContain("FormatException: cannot ");
        }
    }

    [Fact]
    public void Options_are_changed_one_at_a_time()
    {
        var headers = new Metadata();
        var deadline = DateTime.UtcNow;
        using var cancel = new CancellationTokenSource();
        var options = new CallOptions(headers, deadline);

        var changed = options.WithCancellationToken(cancel.Token).WithWriteOptions(WriteOptions.Default);

        changed.Headers.ShouldBeSameAs(headers);
        changed.Deadline.ShouldBe(deadline);
        changed.CancellationToken.ShouldBe(cancel.Token);
        changed.WriteOptions.ShouldBeSameAs(WriteOptions.Default);
        options.CancellationToken.ShouldBe(CancellationToken.None);
        options.WithHeaders([]).Headers.ShouldNotBeSameAs(headers);
        options.WithDeadline(DateTime.MaxValue).Deadline.ShouldBe(DateTime.MaxValue);
    }

    private sealed class DoubledClient : Probe.ProbeClient
    {
        public override AsyncUnaryCall<Part> UnaryAsync(Part request, CallOptions options) => new(
            Task.FromResult(new Part { Text = "double" }),
            Task.FromResult(new Metadata()),
            () => Status.DefaultSuccess,
            () => [],
            () => { });
    }

    private sealed class Binder : ServiceBinderBase
    {
        public List<string> Methods { get; } = [];

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler) => Add(method, handler);

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler) => Add(method, handler);

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler) => Add(method, handler);

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler) => Add(method, handler);

        private void Add(IMethod method, Delegate? handler)
        {
            handler.ShouldNotBeNull();
            Methods.Add($"{method.Type} {method.Name}");
        }
    }
}
