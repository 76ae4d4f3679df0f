using System.Net;
using Grpc.ContractTests.Contract;

namespace Grpc.ContractTests;

/// <summary>Requests that no client should send: each gets a status, and the server goes on.</summary>
public sealed class BadRequestTests : IAsyncLifetime
{
    private TestServer _server = null!;

    public static TheoryData<string, byte[], string> Bodies => new()
    {
        { "nothing at all", [], "13" },
        { "half a header", [0, 0, 0], "13" },
        { "half a message", RawClient.Frame(0, [1, 2, 3], length: 100), "13" },
        { "a flag of 7", RawClient.Frame(7, []), "2" },
        { "a length over 2 GiB", RawClient.Frame(0, [], length: 0xFFFFFFFF), "2" },
        { "a length over the limit", RawClient.Frame(0, [], length: 5_000_000), "8" },
        { "not a protobuf message", RawClient.Frame(0, [255, 255, 255, 255, 255, 255]), "2" },
        { "a compressed message without an encoding", RawClient.Frame(1, [1]), "13" },
    };

    public async Task InitializeAsync() => _server = await TestServer.StartAsync(new Handlers
    {
        Unary = (request, _) => Task.FromResult(request),
        Upload = async (requests, _) =>
        {
            var parts = await Expect.ReadAllAsync(requests);
            return new Part { Number = parts.Count };
        },
    });

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_bad_body_gets_a_status(string what, byte[] body, string status)
    {
        (await RawClient.PostAsync(_server, "Unary", body)).Status.ShouldBe(status, what);
        if (body.Length > 0)
        {
            (await RawClient.PostAsync(_server, "Upload", [.. RawClient.Message(new Part()), .. body])).Status.ShouldBe(status, what);
        }
        (await _server.Client.UnaryAsync(new Part { Text = "still here" })).Text.ShouldBe("still here");
    }

    [Fact]
    public async Task Two_messages_where_one_is_due_are_refused()
    {
        var message = RawClient.Message(new Part());

        (await RawClient.PostAsync(_server, "Unary", [.. message, .. message])).Status.ShouldBe("13");
        (await RawClient.PostAsync(_server, "Upload", [.. message, .. message])).Messages.Single().Number.ShouldBe(2);
    }

    [Theory]
    [InlineData("identity", "13")]
    [InlineData("snappy", "12")]
    public async Task A_message_in_an_unknown_compression_is_refused(string encoding, string status)
    {
        var answer = await RawClient.PostAsync(_server, "Unary", RawClient.Frame(1, [1, 2, 3]), ("grpc-encoding", encoding));

        answer.Status.ShouldBe(status);
        answer.Detail.ShouldNotBeNull().ShouldContain("grpc-encoding");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("application/json")]
    [InlineData("application/grpcx")]
    public async Task Another_content_type_is_unsupported(string? contentType)
    {
        var answer = await RawClient.SendAsync(_server, HttpVersion.Version20, contentType, "Unary", RawClient.Message(new Part()));

        answer.Http.ShouldBe(HttpStatusCode.UnsupportedMediaType);
        answer.Status.ShouldBe("13");
    }

    [Theory]
    [InlineData("application/grpc+proto")]
    [InlineData("application/grpc;charset=utf-8")]
    public async Task Variants_of_the_content_type_are_supported(string contentType)
    {
        var answer = await RawClient.SendAsync(_server, HttpVersion.Version20, contentType, "Unary", RawClient.Message(new Part()));

        answer.Status.ShouldBe("0");
    }

    [Fact]
    public async Task Binary_headers_need_no_padding_and_bad_ones_end_the_call()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (_, context) => Task.FromResult(new Part { Number = context.RequestHeaders.GetValueBytes("x-bin")!.Length }),
        });

        (await RawClient.PostAsync(server, "Unary", RawClient.Message(new Part()), ("x-bin", "AQ"))).Messages.Single().Number.ShouldBe(1);
        (await RawClient.PostAsync(server, "Unary", RawClient.Message(new Part()), ("x-bin", "AQI"))).Messages.Single().Number.ShouldBe(2);
        (await RawClient.PostAsync(server, "Unary", RawClient.Message(new Part()), ("x-bin", "A"))).Status.ShouldBe("2");
        (await RawClient.PostAsync(server, "Unary", RawClient.Message(new Part()), ("x-bin", "not base 64!"))).Status.ShouldBe("2");
    }
}
