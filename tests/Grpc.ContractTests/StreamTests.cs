using Google.Protobuf;
using Grpc.ContractTests.Contract;
using Grpc.Core;

namespace Grpc.ContractTests;

/// <summary>What readers and writers of streams allow, and that a slow reader slows the writer down.</summary>
public sealed class StreamTests
{
    private const int Megabyte = 1_000_000;

    // HttpClient's window for a stream grows to 16 MiB; buffers on the way add a few more.
    private const int MostUnderway = 32;

    [Fact]
    public async Task A_slow_client_slows_the_server_down()
    {
        var written = 0;
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Download = async (_, responses, _) =>
            {
                for (; written < 120; Interlocked.Increment(ref written))
                {
                    await responses.WriteAsync(new Part { Data = ByteString.CopyFrom(new byte[Megabyte]) });
                }
            },
        });

        using var call = server.Client.Download(new Part());
        var read = 0;
        while (await call.ResponseStream.MoveNext())
        {
            await Task.Delay(5);
            (Volatile.Read(ref written) - ++read).ShouldBeLessThan(MostUnderway);
        }

        read.ShouldBe(120);
    }

    [Fact]
    public async Task A_slow_server_slows_the_client_down()
    {
        var written = 0;
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Upload = async (requests, _) =>
            {
                var read = 0;
                var underway = 0;
                while (await requests.MoveNext())
                {
                    await Task.Delay(5);
                    underway = Math.Max(underway, Volatile.Read(ref written) - ++read);
                }
                return new Part { Number = underway };
            },
        });

        using var call = server.Client.Upload();
        for (; written < 120; Interlocked.Increment(ref written))
        {
            await call.RequestStream.WriteAsync(new Part { Data = ByteString.CopyFrom(new byte[Megabyte]) });
        }
        await call.RequestStream.CompleteAsync();

        (await call).Number.ShouldBeLessThan(MostUnderway);
    }

    [Fact]
    public async Task A_client_reads_one_message_at_a_time()
    {
        var go = new Signal();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Download = async (_, responses, _) =>
            {
                await go.WaitAsync();
                await responses.WriteAsync(new Part());
            },
        });

        using var call = server.Client.Download(new Part());
        var first = call.ResponseStream.MoveNext();
        await Should.ThrowAsync<InvalidOperationException>(() => call.ResponseStream.MoveNext());
        go.Set();

        (await first).ShouldBeTrue();
    }

    [Fact]
    public async Task A_client_writes_one_message_at_a_time_and_none_after_the_end()
    {
        var go = new Signal();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Upload = async (requests, _) =>
            {
                await go.WaitAsync();
                return new Part { Number = (await Expect.ReadAllAsync(requests)).Count };
            },
        });

        using var call = server.Client.Upload();
        var big = call.RequestStream.WriteAsync(new Part { Data = ByteString.CopyFrom(new byte[3 * Megabyte]) });
        await Should.ThrowAsync<InvalidOperationException>(() => call.RequestStream.WriteAsync(new Part()));
        await Should.ThrowAsync<InvalidOperationException>(call.RequestStream.CompleteAsync);
        go.Set();
        await big;
        await call.RequestStream.CompleteAsync();
        await call.RequestStream.CompleteAsync();
        await Should.ThrowAsync<InvalidOperationException>(() => call.RequestStream.WriteAsync(new Part()));

        (await call).Number.ShouldBe(1);
    }

    [Fact]
    public async Task A_server_writes_one_message_at_a_time()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Download = async (request, responses, _) =>
            {
                var big = responses.WriteAsync(new Part { Data = ByteString.CopyFrom(new byte[3 * Megabyte]) });
                await Should.ThrowAsync<InvalidOperationException>(() => responses.WriteAsync(new Part()));
                await big;
            },
        });

        using var call = server.Client.Download(new Part());

        (await Expect.ReadAllAsync(call.ResponseStream)).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Streams_end_with_their_handler()
    {
        IAsyncStreamReader<Part> requests = null!;
        IServerStreamWriter<Part> responses = null!;
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Talk = (i, o, _) =>
            {
                (requests, responses) = (i, o);
                return Task.CompletedTask;
            },
        });

        using var call = server.Client.Talk();
        (await call.ResponseStream.MoveNext()).ShouldBeFalse();

        await Should.ThrowAsync<InvalidOperationException>(() => requests.MoveNext());
        await Should.ThrowAsync<InvalidOperationException>(() => responses.WriteAsync(new Part()));
        var late = await Should.ThrowAsync<RpcException>(call.RequestStream.WriteAsync(new Part()));
        late.StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task A_server_may_answer_before_the_requests_end()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Upload = async (requests, _) =>
            {
                (await requests.MoveNext()).ShouldBeTrue();
                throw new RpcException(new Status(StatusCode.PermissionDenied, "not this"));
            },
        });

        using var call = server.Client.Upload();
        await call.RequestStream.WriteAsync(new Part());

        await Expect.StatusAsync(call.ResponseAsync, StatusCode.PermissionDenied);
        await Expect.StatusAsync(call.RequestStream.WriteAsync(new Part()), StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task Requests_arrive_one_by_one_while_the_stream_is_open()
    {
        var first = new Signal();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Upload = async (requests, _) =>
            {
                (await requests.MoveNext()).ShouldBeTrue();
                first.Set();
                (await requests.MoveNext()).ShouldBeFalse();
                requests.Current.ShouldBeNull();
                return new Part();
            },
        });

        using var call = server.Client.Upload();
        await call.RequestStream.WriteAsync(new Part());
        await first.WaitAsync();
        await call.RequestStream.CompleteAsync();

        await call;
    }

    [Fact]
    public async Task Messages_may_wait_for_the_next_one()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Download = async (_, responses, _) =>
            {
                responses.WriteOptions = new WriteOptions(WriteFlags.BufferHint);
                for (var i = 0; i < 10; i++)
                {
                    await responses.WriteAsync(new Part { Number = i });
                }
            },
        });

        using var call = server.Client.Download(new Part());

        (await Expect.ReadAllAsync(call.ResponseStream)).Select(p => p.Number).ShouldBe([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    [Fact]
    public async Task Null_is_no_message()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Talk = async (requests, responses, _) =>
            {
                await Should.ThrowAsync<ArgumentNullException>(() => responses.WriteAsync(null!));
                await requests.MoveNext();
            },
        });

        using var call = server.Client.Talk();
        await Should.ThrowAsync<ArgumentNullException>(() => call.RequestStream.WriteAsync(null!));
        await call.RequestStream.CompleteAsync();

        (await call.ResponseStream.MoveNext()).ShouldBeFalse();
    }
}
