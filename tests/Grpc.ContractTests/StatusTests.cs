using Grpc.ContractTests.Contract;
using Grpc.Core;
using Grpc.Net.Client;

namespace Grpc.ContractTests;

/// <summary>How calls end, and how both sides learn of it.</summary>
public sealed class StatusTests
{
    public static TheoryData<StatusCode> Codes => [.. Enum.GetValues<StatusCode>().Where(c => c != StatusCode.OK)];

    [Theory]
    [MemberData(nameof(Codes))]
    public async Task A_handlers_status_reaches_the_client(StatusCode code)
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (_, _) => throw new RpcException(new Status(code, "because")),
        });

        var exception = await Expect.StatusAsync(server.Client.UnaryAsync(new Part()), code);

        exception.Status.Detail.ShouldBe("because");
    }

    [Theory]
    [InlineData("")]
    [InlineData("plain text, with: punctuation!")]
    [InlineData("100 % of\nlines\r\n\ttabs")]
    [InlineData("größer als 漢字 🙂")]
    [InlineData("%41 is not A")]
    public async Task Details_may_have_any_letters(string detail)
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (_, _) => throw new RpcException(new Status(StatusCode.Aborted, detail)),
        });

        var exception = await Expect.StatusAsync(server.Client.UnaryAsync(new Part()), StatusCode.Aborted);

        exception.Status.Detail.ShouldBe(detail);
    }

    [Fact]
    public async Task An_exception_in_a_handler_is_unknown_to_the_client()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (_, _) => throw new FormatException("a secret"),
            Download = (_, _, _) => throw new FormatException("a secret"),
            Upload = (_, _) => throw new FormatException("a secret"),
            Talk = (_, _, _) => throw new FormatException("a secret"),
        });
        using var download = server.Client.Download(new Part());
        using var upload = server.Client.Upload();
        using var talk = server.Client.Talk();

        foreach (var end in new[]
        {
            server.Client.UnaryAsync(new Part()).ResponseAsync,
            download.ResponseStream.MoveNext(),
            upload.ResponseAsync,
            (Task)talk.ResponseStream.MoveNext(),
        })
        {
            var exception = await Expect.StatusAsync(end, StatusCode.Unknown);
            exception.Status.Detail.ShouldBe("Exception was thrown by handler.");
        }
    }

    [Fact]
    public async Task Detailed_errors_tell_of_the_exception()
    {
        await using var server = await TestServer.StartAsync(
            new Handlers { Unary = (_, _) => throw new FormatException("the reason", new ArgumentException("behind it")) },
            o => o.EnableDetailedErrors = true);

        var exception = await Expect.StatusAsync(server.Client.UnaryAsync(new Part()), StatusCode.Unknown);

        exception.Status.Detail.ShouldBe(
            "Exception was thrown by handler. FormatException: the reason ArgumentException: behind it");
    }

    [Fact]
    public async Task A_cancellation_that_nobody_asked_for_is_an_exception_like_others()
    {
        await using var server = await TestServer.StartAsync(new Handlers { Unary = (_, _) => throw new OperationCanceledException() });

        await Expect.StatusAsync(server.Client.UnaryAsync(new Part()), StatusCode.Unknown);
    }

    [Fact]
    public async Task No_response_message_is_a_cancellation()
    {
        await using var server = await TestServer.StartAsync(new Handlers { Unary = (_, _) => Task.FromResult<Part>(null!) });

        await Expect.StatusAsync(server.Client.UnaryAsync(new Part()), StatusCode.Cancelled);
    }

    [Fact]
    public async Task A_handler_may_set_the_status_beside_its_messages()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, context) =>
            {
                context.Status = new Status(StatusCode.DataLoss, "half of it");
                return Task.FromResult(request);
            },
            Download = async (_, responses, context) =>
            {
                await responses.WriteAsync(new Part());
                context.Status = new Status(StatusCode.DataLoss, "half of it");
            },
        });

        (await Expect.StatusAsync(server.Client.UnaryAsync(new Part()), StatusCode.DataLoss)).Status.Detail.ShouldBe("half of it");
        using var call = server.Client.Download(new Part());
        (await call.ResponseStream.MoveNext()).ShouldBeTrue();
        await Expect.StatusAsync(call.ResponseStream.MoveNext(), StatusCode.DataLoss);
        await Expect.StatusAsync(call.ResponseStream.MoveNext(), StatusCode.DataLoss);
    }

    [Fact]
    public async Task The_status_is_not_to_be_had_before_the_end()
    {
        var end = new Signal();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = async (request, _) =>
            {
                await end.WaitAsync();
                return request;
            },
        });

        using var call = server.Client.UnaryAsync(new Part());
        Should.Throw<InvalidOperationException>(() => call.GetStatus());
        Should.Throw<InvalidOperationException>(() => call.GetTrailers());
        end.Set();
        await call;

        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task Unknown_services_and_methods_are_unimplemented()
    {
        await using var server = await TestServer.StartAsync(new Handlers());
        var marshaller = Marshallers.StringMarshaller;
        var method = new Method<string, string>(MethodType.Unary, "contract.v1.Probe", "Missing", marshaller, marshaller);

        var service = await Expect.StatusAsync(new Nobody.NobodyClient(server.Channel).UnaryAsync(new Part()), StatusCode.Unimplemented);
        service.Status.Detail.ShouldBe("Service is unimplemented.");
        var missing = await Expect.StatusAsync(
            server.Channel.CreateCallInvoker().AsyncUnaryCall(method, null, default, "x"), StatusCode.Unimplemented);
        missing.Status.Detail.ShouldBe("Method is unimplemented.");
    }

    [Fact]
    public async Task A_generated_method_without_code_is_unimplemented()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = new Empty().Unary,
        });

        await Expect.StatusAsync(server.Client.UnaryAsync(new Part()), StatusCode.Unimplemented);
    }

    [Fact]
    public async Task Nobody_listening_is_unavailable()
    {
        var server = await TestServer.StartAsync(new Handlers());
        await server.DisposeAsync();
        using var channel = GrpcChannel.ForAddress(server.Address);
        var client = new Probe.ProbeClient(channel);

        await Expect.StatusAsync(client.UnaryAsync(new Part()), StatusCode.Unavailable);
        using var download = client.Download(new Part());
        await Expect.StatusAsync(download.ResponseStream.MoveNext(), StatusCode.Unavailable);
        using var upload = client.Upload();
        await Expect.StatusAsync(upload.ResponseAsync, StatusCode.Unavailable);
        using var talk = client.Talk();
        await Expect.StatusAsync(talk.ResponseStream.MoveNext(), StatusCode.Unavailable);
        await Expect.StatusAsync(talk.ResponseHeadersAsync, StatusCode.Unavailable);
    }

    [Fact]
    public void Exceptions_tell_of_their_status()
    {
        var exception = new RpcException(new Status(StatusCode.NotFound, "nothing there", new FormatException("why")));

        exception.Message.ShouldBe("Status(StatusCode=\"NotFound\", Detail=\"nothing there\", DebugException=\"System.FormatException: why\")");
        exception.InnerException.ShouldBeOfType<FormatException>();
        exception.Trailers.ShouldBeEmpty();
        new RpcException(new Status(StatusCode.NotFound, ""), "own words").Message.ShouldBe("own words");
    }

    private sealed class Empty : Probe.ProbeBase;
}
