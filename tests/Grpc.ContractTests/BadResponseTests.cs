using Grpc.ContractTests.Contract;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Grpc.ContractTests;

/// <summary>Answers that no gRPC server should give: the client ends each call with a status.</summary>
public sealed class BadResponseTests
{
    private static readonly byte[] Message = RawClient.Message(new Part { Text = "hello" });

    [Theory]
    [InlineData(400, StatusCode.Internal)]
    [InlineData(401, StatusCode.Unauthenticated)]
    [InlineData(403, StatusCode.PermissionDenied)]
    [InlineData(404, StatusCode.Unimplemented)]
    [InlineData(418, StatusCode.Unknown)]
    [InlineData(429, StatusCode.Unavailable)]
    [InlineData(500, StatusCode.Unknown)]
    [InlineData(502, StatusCode.Unavailable)]
    [InlineData(503, StatusCode.Unavailable)]
    [InlineData(504, StatusCode.Unavailable)]
    public Task Http_statuses_stand_for_others(int http, StatusCode code) => ExpectAsync(code, response =>
    {
        response.StatusCode = http;
        response.ContentType = "text/html";
        return response.WriteAsync("sorry");
    });

    [Fact]
    public Task Another_content_type_is_no_answer() => ExpectAsync(StatusCode.Cancelled, response =>
    {
        response.ContentType = "application/json";
        return response.WriteAsync("{}");
    });

    [Fact]
    public Task No_status_is_a_cancellation() => ExpectAsync(StatusCode.Cancelled, response => SendAsync(response, Message, status: null));

    [Theory]
    [InlineData("x")]
    [InlineData("")]
    public Task A_status_that_is_no_number_is_a_cancellation(string status) =>
        ExpectAsync(StatusCode.Cancelled, response => SendAsync(response, Message, status));

    [Fact]
    public Task A_status_that_is_no_number_in_the_headers_is_an_internal_error() => ExpectAsync(StatusCode.Internal, response =>
    {
        response.ContentType = "application/grpc";
        response.Headers["grpc-status"] = "x";
        return Task.CompletedTask;
    });

    [Theory]
    [InlineData(99)]
    [InlineData(-1)]
    public async Task Unknown_codes_are_kept(int code) =>
        ((int)await EndAsync(response => SendAsync(response, [], code.ToString(System.Globalization.CultureInfo.InvariantCulture)))).ShouldBe(code);

    [Fact]
    public Task Half_a_header_is_an_internal_error() =>
        ExpectAsync(StatusCode.Internal, response => SendAsync(response, [0, 0, 0], "0"));

    [Fact]
    public Task Half_a_message_is_an_internal_error() =>
        ExpectAsync(StatusCode.Internal, response => SendAsync(response, RawClient.Frame(0, [1, 2], length: 50), "0"));

    [Fact]
    public Task A_flag_of_7_is_an_internal_error() =>
        ExpectAsync(StatusCode.Internal, response => SendAsync(response, RawClient.Frame(7, []), "0"));

    [Fact]
    public Task A_length_over_2_GiB_is_an_internal_error() =>
        ExpectAsync(StatusCode.Internal, response => SendAsync(response, RawClient.Frame(0, [], length: 0xFFFFFFFF), "0"));

    [Fact]
    public Task A_length_over_the_limit_is_refused_before_the_message_comes() =>
        ExpectAsync(StatusCode.ResourceExhausted, response => SendAsync(response, RawClient.Frame(0, [], length: 5_000_000), "0"));

    [Fact]
    public Task What_is_no_protobuf_message_counts_as_a_broken_connection() =>
        ExpectAsync(StatusCode.Unavailable, response => SendAsync(response, RawClient.Frame(0, [255, 255, 255, 255]), "0"));

    [Fact]
    public Task A_compressed_message_without_an_encoding_is_an_internal_error() =>
        ExpectAsync(StatusCode.Internal, response => SendAsync(response, RawClient.Frame(1, [1]), "0"));

    [Fact]
    public Task A_message_in_an_unknown_compression_is_unimplemented() => ExpectAsync(StatusCode.Unimplemented, response =>
    {
        response.Headers["grpc-encoding"] = "snappy";
        return SendAsync(response, RawClient.Frame(1, [1]), "0");
    });

    [Theory]
    [InlineData(0x2, StatusCode.Internal)]
    [InlineData(0x7, StatusCode.Unavailable)]
    [InlineData(0x8, StatusCode.Cancelled)]
    [InlineData(0xb, StatusCode.ResourceExhausted)]
    [InlineData(0xc, StatusCode.PermissionDenied)]
    public Task Resets_stand_for_statuses(int error, StatusCode code) => ExpectAsync(code, async response =>
    {
        response.ContentType = "application/grpc";
        await response.StartAsync();
        response.HttpContext.Features.GetRequiredFeature<IHttpResetFeature>().Reset(error);
    });

    [Fact]
    public async Task A_unary_call_has_one_message()
    {
        await using var server = await StartAsync(response => SendAsync(response, [], "0"));
        await Expect.StatusAsync(new Nobody.NobodyClient(server.Channel).UnaryAsync(new Part()), StatusCode.Internal);

        await using var other = await StartAsync(response => SendAsync(response, [.. Message, .. Message], "0"));
        await Expect.StatusAsync(new Nobody.NobodyClient(other.Channel).UnaryAsync(new Part()), StatusCode.Internal);
    }

    [Fact]
    public async Task An_error_after_the_message_counts()
    {
        await using var server = await StartAsync(response => SendAsync(response, Message, "9", "too%20late %zz"));

        var exception = await Expect.StatusAsync(
            new Nobody.NobodyClient(server.Channel).UnaryAsync(new Part()), StatusCode.FailedPrecondition);

        exception.Status.Detail.ShouldBe("too late %zz");
    }

    private static async Task ExpectAsync(StatusCode code, Func<HttpResponse, Task> answer) =>
        (await EndAsync(answer)).ShouldBe(code);

    /// <summary>The status of a unary call, which that of a stream of responses has to equal.</summary>
    private static async Task<StatusCode> EndAsync(Func<HttpResponse, Task> answer)
    {
        await using var server = await StartAsync(answer);
        var marshaller = Marshallers.Create(Google.Protobuf.MessageExtensions.ToByteArray, Part.Parser.ParseFrom);
        var method = new Method<Part, Part>(MethodType.ServerStreaming, "contract.v1.Nobody", "Unary", marshaller, marshaller);

        var unary = await Should.ThrowAsync<RpcException>(new Nobody.NobodyClient(server.Channel).UnaryAsync(new Part()).ResponseAsync);
        using var call = server.Channel.CreateCallInvoker().AsyncServerStreamingCall(method, null, default, new Part());
        var streaming = await Should.ThrowAsync<RpcException>(Expect.ReadAllAsync(call.ResponseStream));

        streaming.StatusCode.ShouldBe(unary.StatusCode);
        call.GetStatus().StatusCode.ShouldBe(streaming.StatusCode);
        return unary.StatusCode;
    }

    private static Task<TestServer> StartAsync(Func<HttpResponse, Task> answer) =>
        TestServer.StartAsync(new Handlers(), routes: app => app.MapPost("/contract.v1.Nobody/Unary", http => answer(http.Response)));

    private static async Task SendAsync(HttpResponse response, byte[] body, string? status, string? detail = null)
    {
        response.ContentType = "application/grpc";
        await response.StartAsync();
        await response.Body.WriteAsync(body);
        if (status != null)
        {
            response.AppendTrailer("grpc-status", status);
        }
        if (detail != null)
        {
            response.AppendTrailer("grpc-message", detail);
        }
    }
}
