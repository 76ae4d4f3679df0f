using System.Diagnostics;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Interop.Grpc.Contract;

namespace Interop.Grpc;

/// <summary>The client of this product's gRPC, against the server of @grpc/grpc-js.</summary>
[Trait("Lane", "Processes")]
public sealed class ClientTests : IClassFixture<ClientTests.NodeServer>
{
    private readonly Echo.EchoClient _client;

    public ClientTests(NodeServer server) => _client = server.Client;

    [Fact]
    public async Task Unary_calls()
    {
        var part = new Part { Text = "echo", Data = ByteString.CopyFrom(EchoService.Bytes), Number = 42 };

        (await _client.UnaryAsync(part)).ShouldBe(part);
    }

    [Fact]
    public async Task Streams_of_responses()
    {
        using var call = _client.Download(new Part { Number = 500 });

        (await ReadAllAsync(call.ResponseStream)).Select(p => p.Number).ShouldBe(Enumerable.Range(0, 500).Select(i => (long)i));
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task Streams_of_requests()
    {
        using var call = _client.Upload();
        foreach (var letter in "abcdefgh")
        {
            await call.RequestStream.WriteAsync(new Part { Text = letter.ToString() });
        }
        await call.RequestStream.CompleteAsync();

        (await call).ShouldBe(new Part { Text = "abcdefgh", Number = 8 });
    }

    [Fact]
    public async Task Streams_both_ways()
    {
        using var call = _client.Talk();
        for (var i = 0; i < 20; i++)
        {
            await call.RequestStream.WriteAsync(new Part { Number = i });
            (await call.ResponseStream.MoveNext()).ShouldBeTrue();
            call.ResponseStream.Current.Number.ShouldBe(i);
        }
        await call.RequestStream.CompleteAsync();

        (await call.ResponseStream.MoveNext()).ShouldBeFalse();
    }

    [Theory]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.NotFound)]
    [InlineData(StatusCode.Unauthenticated)]
    public async Task Errors_with_details_and_trailers(StatusCode code)
    {
        var exception = await Should.ThrowAsync<RpcException>(
            _client.UnaryAsync(new Part { Text = "fail", Number = (long)code }).ResponseAsync);

        exception.Status.ShouldBe(new Status(code, EchoService.Detail));
        exception.Trailers.GetValue("late-text").ShouldBe("sorry");
        exception.Trailers.GetValueBytes("late-data-bin").ShouldBe(EchoService.Bytes);
    }

    [Fact]
    public async Task Errors_after_messages()
    {
        using var call = _client.Download(new Part { Text = "fail", Number = 3 });
        for (var i = 0; i < 3; i++)
        {
            (await call.ResponseStream.MoveNext()).ShouldBeTrue();
        }

        var exception = await Should.ThrowAsync<RpcException>(call.ResponseStream.MoveNext());
        exception.Status.ShouldBe(new Status(StatusCode.Aborted, EchoService.Detail));
        exception.Trailers.GetValueBytes("late-data-bin").ShouldBe(EchoService.Bytes);
    }

    [Fact]
    public async Task Metadata_both_ways()
    {
        using var call = _client.UnaryAsync(
            new Part { Text = "echo" }, new Metadata { { "x-text", "some text" }, { "x-data-bin", EchoService.Bytes } });
        await call;
        var headers = await call.ResponseHeadersAsync;

        headers.GetValue("back-text").ShouldBe("some text");
        headers.GetValueBytes("back-data-bin").ShouldBe(EchoService.Bytes);
        call.GetTrailers().GetValue("late-text").ShouldBe("some text");
        call.GetTrailers().GetValueBytes("late-data-bin").ShouldBe(EchoService.Bytes);
    }

    [Fact]
    public async Task Deadlines()
    {
        var before = await CancelledAsync();

        var exception = await Should.ThrowAsync<RpcException>(
            _client.UnaryAsync(new Part { Text = "wait" }, deadline: DateTime.UtcNow.AddMilliseconds(300)).ResponseAsync);

        exception.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        await UntilCancelledAsync(before + 1);
    }

    [Fact]
    public async Task Cancellation()
    {
        var before = await CancelledAsync();
        using var cancel = new CancellationTokenSource();

        using var call = _client.Download(new Part { Text = "wait", Number = 1 }, cancellationToken: cancel.Token);
        (await call.ResponseStream.MoveNext()).ShouldBeTrue();
        await cancel.CancelAsync();

        (await Should.ThrowAsync<RpcException>(call.ResponseStream.MoveNext())).StatusCode.ShouldBe(StatusCode.Cancelled);
        await UntilCancelledAsync(before + 1);
    }

    [Fact]
    public async Task Big_messages_and_too_big_ones()
    {
        var data = ByteString.CopyFrom(Enumerable.Repeat((byte)5, 4_000_000).ToArray());

        (await _client.UnaryAsync(new Part { Text = "echo", Data = data })).Data.ShouldBe(data);
        (await Should.ThrowAsync<RpcException>(_client.UnaryAsync(new Part { Text = "size", Number = 4_200_000 }).ResponseAsync))
            .StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        (await Should.ThrowAsync<RpcException>(
                _client.UnaryAsync(new Part { Text = "echo", Data = ByteString.CopyFrom(new byte[4_200_000]) }).ResponseAsync))
            .StatusCode.ShouldBe(StatusCode.ResourceExhausted);
    }

    private static async Task<List<Part>> ReadAllAsync(IAsyncStreamReader<Part> stream)
    {
        var parts = new List<Part>();
        await foreach (var part in stream.ReadAllAsync())
        {
            parts.Add(part);
        }
        return parts;
    }

    private async Task<long> CancelledAsync() => (await _client.UnaryAsync(new Part { Text = "cancelled" })).Number;

    private async Task UntilCancelledAsync(long count)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await CancelledAsync() < count)
        {
            await Task.Delay(20, limit.Token);
        }
    }

    /// <summary>One process for all tests; it ends when its input does.</summary>
    public sealed class NodeServer : IAsyncLifetime
    {
        private Process _process = null!;
        private GrpcChannel _channel = null!;

        internal Echo.EchoClient Client { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            _process = Peer.StartNode("server.js");
            var port = await _process.StandardOutput.ReadLineAsync();
            port.ShouldNotBeNull(port == null ? await _process.StandardError.ReadToEndAsync() : null);
            _channel = GrpcChannel.ForAddress($"http://127.0.0.1:{port}");
            Client = new Echo.EchoClient(_channel);
        }

        public async Task DisposeAsync()
        {
            _channel.Dispose();
            _process.StandardInput.Close();
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            try
            {
                await _process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill();
            }
            _process.Dispose();
        }
    }
}
