using Google.Protobuf;
using Grpc.ContractTests.Contract;
using Grpc.Core;

namespace Grpc.ContractTests;

/// <summary>The four kinds of calls.</summary>
public sealed class CallTests
{
    [Fact]
    public async Task A_unary_call_brings_its_response()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, _) => Task.FromResult(new Part { Text = request.Text + "!", Number = request.Number + 1 }),
        });

        using var call = server.Client.UnaryAsync(new Part { Text = "hello", Number = 41 });
        var response = await call;

        response.ShouldBe(new Part { Text = "hello!", Number = 42 });
        call.GetStatus().ShouldBe(new Status(StatusCode.OK, ""));
        call.GetTrailers().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_blocking_call_brings_its_response()
    {
        await using var server = await TestServer.StartAsync(new Handlers { Unary = (request, _) => Task.FromResult(request) });

        var response = await Task.Run(() => server.Client.Unary(new Part { Text = "hello" }));

        response.Text.ShouldBe("hello");
    }

    [Fact]
    public async Task Empty_messages_are_messages()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, _) => Task.FromResult(request),
            Download = async (_, responses, _) =>
            {
                await responses.WriteAsync(new Part());
                await responses.WriteAsync(new Part());
            },
        });

        (await server.Client.UnaryAsync(new Part())).ShouldBe(new Part());
        using var call = server.Client.Download(new Part());
        (await Expect.ReadAllAsync(call.ResponseStream)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_server_streams_responses_in_order()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Download = async (request, responses, _) =>
            {
                for (var i = 0; i < request.Number; i++)
                {
                    await responses.WriteAsync(new Part { Number = i });
                }
            },
        });

        using var call = server.Client.Download(new Part { Number = 1000 });
        var parts = await Expect.ReadAllAsync(call.ResponseStream);

        parts.Select(p => p.Number).ShouldBe(Enumerable.Range(0, 1000).Select(i => (long)i));
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
        (await call.ResponseStream.MoveNext()).ShouldBeFalse();
    }

    [Fact]
    public async Task A_server_may_stream_nothing()
    {
        await using var server = await TestServer.StartAsync(new Handlers { Download = (_, _, _) => Task.CompletedTask });

        using var call = server.Client.Download(new Part());

        (await Expect.ReadAllAsync(call.ResponseStream)).ShouldBeEmpty();
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task A_client_streams_requests_in_order()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Upload = async (requests, _) =>
            {
                var text = "";
                await foreach (var part in requests.ReadAllAsync())
                {
                    text += part.Text;
                }
                return new Part { Text = text };
            },
        });

        using var call = server.Client.Upload();
        foreach (var letter in "abcdefgh")
        {
            await call.RequestStream.WriteAsync(new Part { Text = letter.ToString() });
        }
        await call.RequestStream.CompleteAsync();

        (await call).Text.ShouldBe("abcdefgh");
    }

    [Fact]
    public async Task Both_sides_talk_in_turns()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Talk = async (requests, responses, _) =>
            {
                while (await requests.MoveNext())
                {
                    await responses.WriteAsync(new Part { Number = requests.Current.Number * 2 });
                }
            },
        });

        using var call = server.Client.Talk();
        for (var i = 0; i < 20; i++)
        {
            await call.RequestStream.WriteAsync(new Part { Number = i });
            (await call.ResponseStream.MoveNext()).ShouldBeTrue();
            call.ResponseStream.Current.Number.ShouldBe(i * 2);
        }
        await call.RequestStream.CompleteAsync();

        (await call.ResponseStream.MoveNext()).ShouldBeFalse();
        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task Both_sides_talk_at_the_same_time()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Talk = async (requests, responses, _) =>
            {
                var writing = Task.Run(async () =>
                {
                    for (var i = 0; i < 500; i++)
                    {
                        await responses.WriteAsync(new Part { Number = i });
                    }
                });
                var sum = 0L;
                await foreach (var request in requests.ReadAllAsync())
                {
                    sum += request.Number;
                }
                await writing;
                await responses.WriteAsync(new Part { Number = sum });
            },
        });

        using var call = server.Client.Talk();
        var writing = Task.Run(async () =>
        {
            for (var i = 0; i < 500; i++)
            {
                await call.RequestStream.WriteAsync(new Part { Number = i });
            }
            await call.RequestStream.CompleteAsync();
        });
        var responses = await Expect.ReadAllAsync(call.ResponseStream);
        await writing;

        responses.Count.ShouldBe(501);
        responses[^1].Number.ShouldBe(499 * 500 / 2);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(65_536)]
    [InlineData(4_000_000)]
    public async Task Bytes_arrive_as_they_were_sent(int size)
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, _) => Task.FromResult(request),
            Talk = async (requests, responses, _) =>
            {
                await foreach (var request in requests.ReadAllAsync())
                {
                    await responses.WriteAsync(request);
                }
            },
        });
        var bytes = new byte[size];
        new Random(size).NextBytes(bytes);
        var part = new Part { Data = ByteString.CopyFrom(bytes) };

        (await server.Client.UnaryAsync(part)).ShouldBe(part);
        using var call = server.Client.Talk();
        await call.RequestStream.WriteAsync(part);
        await call.RequestStream.CompleteAsync();
        (await Expect.ReadAllAsync(call.ResponseStream)).ShouldHaveSingleItem().ShouldBe(part);
    }

    [Fact]
    public async Task Many_calls_share_a_channel()
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = async (request, _) =>
            {
                await Task.Yield();
                return request;
            },
        });

        var responses = await Task.WhenAll(
            Enumerable.Range(0, 300).Select(async i => (await server.Client.UnaryAsync(new Part { Number = i })).Number));

        responses.ShouldBe(Enumerable.Range(0, 300).Select(i => (long)i));
    }

    [Fact]
    public async Task Many_streams_are_open_at_the_same_time()
    {
        var open = 0;
        var all = new Signal();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Download = async (request, responses, _) =>
            {
                if (Interlocked.Increment(ref open) == 350)
                {
                    all.Set();
                }
                await all.WaitAsync();
                await responses.WriteAsync(request);
            },
        });

        var answers = await Task.WhenAll(Enumerable.Range(0, 350).Select(async i =>
        {
            using var call = server.Client.Download(new Part { Number = i });
            return (await Expect.ReadAllAsync(call.ResponseStream)).Single().Number;
        }));

        answers.ShouldBe(Enumerable.Range(0, 350).Select(i => (long)i));
    }
}
