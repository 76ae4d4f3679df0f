using Google.Protobuf;
using Grpc.ContractTests.Contract;
using Grpc.Core;
using Grpc.Net.Client;

namespace Grpc.ContractTests;

/// <summary>Limits on the size of messages; all in bytes of the message alone.</summary>
public sealed class SizeTests
{
    private const int FourMebibytes = 4 * 1024 * 1024;

    [Fact]
    public async Task A_server_takes_four_mebibytes_unless_told_otherwise()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, _) => Task.FromResult(new Part { Number = request.CalculateSize() }),
            Upload = async (requests, _) => new Part { Number = (await Expect.ReadAllAsync(requests)).Count },
        });

        (await server.Client.UnaryAsync(OfSize(FourMebibytes))).Number.ShouldBe(FourMebibytes);
        var exception = await Expect.StatusAsync(server.Client.UnaryAsync(OfSize(FourMebibytes + 1)), StatusCode.ResourceExhausted);
        exception.Status.Detail.ShouldBe("Received message exceeds the maximum configured message size.");

        using var upload = server.Client.Upload();
        await upload.RequestStream.WriteAsync(OfSize(FourMebibytes));
        try
        {
            await upload.RequestStream.WriteAsync(OfSize(FourMebibytes + 1));
        }
        catch (RpcException)
        {
            // The server may have ended the call before it has taken all of the message.
        }
        await Expect.StatusAsync(upload.ResponseAsync, StatusCode.ResourceExhausted);
    }

    [Fact]
    public async Task A_client_takes_four_mebibytes_unless_told_otherwise()
    {
        await using var server = await TestServer.StartAsync(Returning());

        (await server.Client.UnaryAsync(new Part { Number = FourMebibytes })).CalculateSize().ShouldBe(FourMebibytes);
        var exception = await Expect.StatusAsync(
            server.Client.UnaryAsync(new Part { Number = FourMebibytes + 1 }), StatusCode.ResourceExhausted);
        exception.Status.Detail.ShouldBe("Received message exceeds the maximum configured message size.");

        using var download = server.Client.Download(new Part { Number = FourMebibytes + 1 });
        await Expect.StatusAsync(download.ResponseStream.MoveNext(), StatusCode.ResourceExhausted);
        download.GetStatus().StatusCode.ShouldBe(StatusCode.ResourceExhausted);
    }

    [Fact]
    public async Task Limits_may_be_lowered_raised_and_lifted()
    {
        await using var low = await TestServer.StartAsync(
            Returning(), o => o.MaxReceiveMessageSize = 1000, new GrpcChannelOptions { MaxReceiveMessageSize = 2000 });
        await using var none = await TestServer.StartAsync(
            Returning(), o => o.MaxReceiveMessageSize = null, new GrpcChannelOptions { MaxReceiveMessageSize = null });

        await low.Client.UnaryAsync(OfSize(1000));
        await Expect.StatusAsync(low.Client.UnaryAsync(OfSize(1001)), StatusCode.ResourceExhausted);
        await low.Client.UnaryAsync(new Part { Number = 2000 });
        await Expect.StatusAsync(low.Client.UnaryAsync(new Part { Number = 2001 }), StatusCode.ResourceExhausted);
        (await none.Client.UnaryAsync(OfSize(20_000_000, number: 20_000_000))).CalculateSize().ShouldBe(20_000_000);
    }

    [Fact]
    public async Task What_is_sent_has_no_limit_unless_told_otherwise()
    {
        await using var server = await TestServer.StartAsync(
            Returning(), o => o.MaxSendMessageSize = 2000, new GrpcChannelOptions { MaxSendMessageSize = 1000 });

        await server.Client.UnaryAsync(OfSize(1000));
        var exception = await Expect.StatusAsync(server.Client.UnaryAsync(OfSize(1001)), StatusCode.ResourceExhausted);
        exception.Status.Detail.ShouldBe("Sending message exceeds the maximum configured message size.");

        await server.Client.UnaryAsync(new Part { Number = 2000 });
        exception = await Expect.StatusAsync(server.Client.UnaryAsync(new Part { Number = 2001 }), StatusCode.ResourceExhausted);
        exception.Status.Detail.ShouldBe("Sending message exceeds the maximum configured message size.");
    }

    [Fact]
    public async Task A_message_too_large_to_send_leaves_the_stream_open()
    {
        await using var server = await TestServer.StartAsync(
            new Handlers { Upload = async (requests, _) => new Part { Number = (await Expect.ReadAllAsync(requests)).Count } },
            channel: new GrpcChannelOptions { MaxSendMessageSize = 1000 });

        using var call = server.Client.Upload();
        await Expect.StatusAsync(call.RequestStream.WriteAsync(OfSize(1001)), StatusCode.ResourceExhausted);
        await call.RequestStream.WriteAsync(OfSize(1000));
        await call.RequestStream.CompleteAsync();

        (await call).Number.ShouldBe(1);
    }

    private static Handlers Returning() => new()
    {
        Unary = (request, _) => Task.FromResult(request.Number == 0 ? new Part() : OfSize((int)request.Number)),
        Download = (request, responses, _) => responses.WriteAsync(OfSize((int)request.Number)),
    };

    private static Part OfSize(int size, long number = 0)
    {
        var part = new Part { Number = number, Data = ByteString.CopyFrom(new byte[size]) };
        var over = part.CalculateSize() - size;
        part.Data = ByteString.CopyFrom(new byte[size - over]);
        part.CalculateSize().ShouldBe(size);
        return part;
    }
}
