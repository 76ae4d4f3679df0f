using Grpc.ContractTests.Contract;
using Grpc.Core;
using Grpc.Net.Client;

namespace Grpc.ContractTests;

/// <summary>Deadlines, on both sides.</summary>
public sealed class DeadlineTests
{
    private static DateTime Soon => DateTime.UtcNow.AddMilliseconds(300);

    [Fact]
    public async Task A_server_knows_the_deadline()
    {
        var seen = new List<DateTime>();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, context) =>
            {
                seen.Add(context.Deadline);
                return Task.FromResult(request);
            },
        });
        var deadline = DateTime.UtcNow.AddHours(3);

        await server.Client.UnaryAsync(new Part(), deadline: deadline);
        await server.Client.UnaryAsync(new Part());
        await server.Client.UnaryAsync(new Part(), deadline: DateTime.UtcNow.AddYears(1000));

        seen[0].ShouldBe(deadline, TimeSpan.FromMinutes(1));
        seen[0].Kind.ShouldBe(DateTimeKind.Utc);
        seen[1].ShouldBe(DateTime.MaxValue);
        seen[2].ShouldBeGreaterThan(DateTime.UtcNow.AddYears(3));
    }

    [Fact]
    public async Task A_call_past_its_deadline_ends_and_the_server_is_told()
    {
        var cancelled = new Signal();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = async (request, context) =>
            {
                await WaitForCancellationAsync(context, cancelled);
                return request;
            },
            Download = (_, _, context) => WaitForCancellationAsync(context, cancelled),
        });

        await Expect.StatusAsync(server.Client.UnaryAsync(new Part(), deadline: Soon), StatusCode.DeadlineExceeded);
        await cancelled.WaitAsync();
        using var call = server.Client.Download(new Part(), deadline: Soon);
        await Expect.StatusAsync(call.ResponseStream.MoveNext(), StatusCode.DeadlineExceeded);
        call.GetStatus().StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
    }

    [Fact]
    public async Task Streams_of_requests_end_at_the_deadline()
    {
        var reading = new Signal();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Talk = async (requests, _, _) =>
            {
                try
                {
                    await requests.MoveNext();
                }
                finally
                {
                    reading.Set();
                }
            },
        });

        using var call = server.Client.Talk(deadline: Soon);
        await Expect.StatusAsync(call.ResponseStream.MoveNext(), StatusCode.DeadlineExceeded);
        await Expect.StatusAsync(call.RequestStream.WriteAsync(new Part()), StatusCode.DeadlineExceeded);
        await reading.WaitAsync();
    }

    [Fact]
    public async Task A_deadline_in_the_past_sends_nothing()
    {
        var called = false;
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, _) =>
            {
                called = true;
                return Task.FromResult(request);
            },
        });

        await Expect.StatusAsync(server.Client.UnaryAsync(new Part(), deadline: DateTime.UtcNow.AddSeconds(-1)), StatusCode.DeadlineExceeded);
        await Expect.StatusAsync(server.Client.UnaryAsync(new Part(), deadline: DateTime.MinValue), StatusCode.DeadlineExceeded);

        called.ShouldBeFalse();
    }

    [Fact]
    public async Task Deadlines_are_in_utc()
    {
        await using var server = await TestServer.StartAsync(new Handlers());

        Should.Throw<InvalidOperationException>(() => server.Client.UnaryAsync(new Part(), deadline: DateTime.Now.AddHours(1)));
    }

    [Fact]
    public async Task A_server_ends_a_call_whose_client_has_no_timer()
    {
        var cancelled = new Signal();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Download = async (_, responses, context) =>
            {
                await responses.WriteAsync(new Part { Text = "in time" });
                await WaitForCancellationAsync(context, cancelled);
            },
        });

        var answer = await RawClient.PostAsync(server, "Download", RawClient.Message(new Part()), ("grpc-timeout", "300m"));

        answer.Status.ShouldBe("4");
        answer.Messages.ShouldHaveSingleItem().Text.ShouldBe("in time");
        await cancelled.WaitAsync();
    }

    [Theory]
    [InlineData("tomorrow")]
    [InlineData("-5S")]
    [InlineData("5")]
    [InlineData("0m")]
    [InlineData("5x")]
    public async Task Timeouts_that_are_none_are_ignored(string timeout)
    {
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (_, context) => Task.FromResult(new Part { Text = (context.Deadline == DateTime.MaxValue).ToString() }),
        });

        var answer = await RawClient.PostAsync(server, "Unary", RawClient.Message(new Part()), ("grpc-timeout", timeout));

        answer.Status.ShouldBe("0");
        answer.Messages.ShouldHaveSingleItem().Text.ShouldBe("True");
    }

    [Theory]
    [InlineData("3H", 3 * 3600)]
    [InlineData("90M", 90 * 60)]
    [InlineData("7200S", 7200)]
    [InlineData("7200000m", 7200)]
    public async Task Timeouts_come_in_several_units(string timeout, int seconds)
    {
        DateTime deadline = default;
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, context) =>
            {
                deadline = context.Deadline;
                return Task.FromResult(request);
            },
        });

        await RawClient.PostAsync(server, "Unary", RawClient.Message(new Part()), ("grpc-timeout", timeout));

        deadline.ShouldBe(DateTime.UtcNow.AddSeconds(seconds), TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task A_channel_may_throw_cancellation_instead()
    {
        await using var server = await TestServer.StartAsync(
            new Handlers
            {
                Unary = async (request, context) =>
                {
                    await WaitForCancellationAsync(context, new Signal());
                    return request;
                },
            },
            channel: new GrpcChannelOptions { ThrowOperationCanceledOnCancellation = true });

        using var call = server.Client.UnaryAsync(new Part(), deadline: Soon);

        await Should.ThrowAsync<OperationCanceledException>(call.ResponseAsync);
        call.GetStatus().StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
    }

    private static async Task WaitForCancellationAsync(ServerCallContext context, Signal cancelled)
    {
        try
        {
            await Task.Delay(TimeSpan.FromSeconds(30), context.CancellationToken);
        }
        finally
        {
            if (context.CancellationToken.IsCancellationRequested)
            {
                cancelled.Set();
            }
        }
    }
}
