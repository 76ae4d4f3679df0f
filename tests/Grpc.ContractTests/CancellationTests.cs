using Grpc.ContractTests.Contract;
using Grpc.Core;
using Grpc.Net.Client;

namespace Grpc.ContractTests;

/// <summary>Calls that one side gives up.</summary>
public sealed class CancellationTests
{
    private static readonly GrpcChannelOptions Throwing = new() { ThrowOperationCanceledOnCancellation = true };

    [Fact]
    public async Task A_clients_token_cancels_the_call_on_both_sides()
    {
        var (handlers, started, cancelled) = Endless();
        await using var server = await TestServer.StartAsync(handlers);
        using var cancel = new CancellationTokenSource();

        var call = server.Client.UnaryAsync(new Part(), cancellationToken: cancel.Token);
        await started.WaitAsync();
        await cancel.CancelAsync();

        (await Expect.StatusAsync(call, StatusCode.Cancelled)).Status.Detail.ShouldBe("Call canceled by the client.");
        await cancelled.WaitAsync();
    }

    [Fact]
    public async Task Disposing_of_a_call_cancels_it_on_both_sides()
    {
        var (handlers, started, cancelled) = Endless();
        await using var server = await TestServer.StartAsync(handlers);

        var call = server.Client.Download(new Part());
        (await call.ResponseStream.MoveNext()).ShouldBeTrue();
        var next = call.ResponseStream.MoveNext();
        await started.WaitAsync();
        call.Dispose();

        await Expect.StatusAsync(next, StatusCode.Cancelled);
        await cancelled.WaitAsync();
        call.GetStatus().ShouldBe(new Status(StatusCode.Cancelled, "gRPC call disposed."));
        await Should.ThrowAsync<ObjectDisposedException>(() => call.ResponseStream.MoveNext());
    }

    [Fact]
    public async Task Disposing_of_a_finished_call_changes_nothing()
    {
        await using var server = await TestServer.StartAsync(new Handlers { Unary = (request, _) => Task.FromResult(request) });

        var call = server.Client.UnaryAsync(new Part());
        await call;
        call.Dispose();

        call.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task A_token_of_one_read_cancels_the_call()
    {
        var (handlers, _, cancelled) = Endless();
        await using var server = await TestServer.StartAsync(handlers);
        using var cancel = new CancellationTokenSource();

        using var call = server.Client.Download(new Part());
        (await call.ResponseStream.MoveNext(cancel.Token)).ShouldBeTrue();
        var next = call.ResponseStream.MoveNext(cancel.Token);
        await cancel.CancelAsync();

        await Expect.StatusAsync(next, StatusCode.Cancelled);
        await cancelled.WaitAsync();
        await Expect.StatusAsync(call.ResponseStream.MoveNext(), StatusCode.Cancelled);
    }

    [Fact]
    public async Task Leaving_a_loop_over_responses_cancels_nothing_but_disposing_does()
    {
        var (handlers, _, cancelled) = Endless();
        await using var server = await TestServer.StartAsync(handlers);

        using (var call = server.Client.Download(new Part()))
        {
            await foreach (var part in call.ResponseStream.ReadAllAsync())
            {
                part.Text.ShouldBe("first");
                break;
            }
            cancelled.IsSet.ShouldBeFalse();
        }

        await cancelled.WaitAsync();
    }

    [Fact]
    public async Task A_server_that_reads_learns_of_the_cancellation()
    {
        var failed = new TaskCompletionSource<Exception>();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Upload = async (requests, _) =>
            {
                try
                {
                    await Expect.ReadAllAsync(requests);
                }
                catch (Exception e)
                {
                    failed.SetResult(e);
                    throw;
                }
                return new Part();
            },
        });

        var call = server.Client.Upload();
        await call.RequestStream.WriteAsync(new Part());
        call.Dispose();

        // The read that is waiting breaks; one that begins later is not allowed.
        var exception = await failed.Task.WaitAsync(TimeSpan.FromSeconds(30));
        (exception is IOException or InvalidOperationException).ShouldBeTrue(exception.ToString());
        await Should.ThrowAsync<ObjectDisposedException>(() => call.RequestStream.WriteAsync(new Part()));
        await Should.ThrowAsync<ObjectDisposedException>(call.RequestStream.CompleteAsync);
    }

    [Fact]
    public async Task A_server_that_writes_learns_of_the_cancellation()
    {
        var failed = new Signal();
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Download = async (_, responses, _) =>
            {
                try
                {
                    while (true)
                    {
                        await responses.WriteAsync(new Part { Text = new string('x', 10_000) });
                    }
                }
                catch (Exception e) when (e is InvalidOperationException or OperationCanceledException)
                {
                    failed.Set();
                    throw;
                }
            },
        });

        var call = server.Client.Download(new Part());
        (await call.ResponseStream.MoveNext()).ShouldBeTrue();
        call.Dispose();

        await failed.WaitAsync();
    }

    [Fact]
    public async Task Cancelled_calls_may_throw_cancellation_with_the_callers_token()
    {
        var (handlers, started, _) = Endless();
        await using var server = await TestServer.StartAsync(handlers, channel: Throwing);
        using var cancel = new CancellationTokenSource();

        using var unary = server.Client.UnaryAsync(new Part(), cancellationToken: cancel.Token);
        using var download = server.Client.Download(new Part(), cancellationToken: cancel.Token);
        (await download.ResponseStream.MoveNext()).ShouldBeTrue();
        var next = download.ResponseStream.MoveNext();
        await started.WaitAsync();
        await cancel.CancelAsync();

        (await Should.ThrowAsync<OperationCanceledException>(unary.ResponseAsync)).CancellationToken.ShouldBe(cancel.Token);
        (await Should.ThrowAsync<OperationCanceledException>(next)).CancellationToken.ShouldBe(cancel.Token);
        unary.GetStatus().StatusCode.ShouldBe(StatusCode.Cancelled);
    }

    [Fact]
    public async Task A_token_that_is_cancelled_before_sends_nothing()
    {
        var (handlers, started, _) = Endless();
        await using var server = await TestServer.StartAsync(handlers);

        await Expect.StatusAsync(
            server.Client.UnaryAsync(new Part(), cancellationToken: new CancellationToken(canceled: true)), StatusCode.Cancelled);

        started.IsSet.ShouldBeFalse();
    }

    [Fact]
    public async Task A_handler_that_was_not_asked_to_stop_has_no_cancelled_token()
    {
        CancellationToken token = default;
        await using var server = await TestServer.StartAsync(new Handlers
        {
            Unary = (request, context) =>
            {
                token = context.CancellationToken;
                token.CanBeCanceled.ShouldBeTrue();
                token.IsCancellationRequested.ShouldBeFalse();
                return Task.FromResult(request);
            },
        });

        await server.Client.UnaryAsync(new Part());
    }

    [Fact]
    public async Task Disposing_of_the_channel_cancels_its_calls()
    {
        var (handlers, _, cancelled) = Endless();
        await using var server = await TestServer.StartAsync(handlers);

        var call = server.Client.Download(new Part());
        (await call.ResponseStream.MoveNext()).ShouldBeTrue();
        var next = call.ResponseStream.MoveNext();
        server.Channel.Dispose();

        await Expect.StatusAsync(next, StatusCode.Cancelled);
        await cancelled.WaitAsync();
        Should.Throw<ObjectDisposedException>(() => server.Client.UnaryAsync(new Part()));
        Should.Throw<ObjectDisposedException>(server.Channel.CreateCallInvoker);
    }

    [Fact]
    public async Task A_server_that_dies_makes_its_calls_unavailable()
    {
        var (handlers, started, _) = Endless();
        await using var server = await TestServer.StartAsync(handlers);

        using var download = server.Client.Download(new Part());
        (await download.ResponseStream.MoveNext()).ShouldBeTrue();
        var next = download.ResponseStream.MoveNext();
        await started.WaitAsync();
        await server.KillAsync();

        await Expect.StatusAsync(next, StatusCode.Unavailable);
        await Expect.StatusAsync(server.Client.UnaryAsync(new Part()), StatusCode.Unavailable);
    }

    private static (Handlers Handlers, Signal Started, Signal Cancelled) Endless()
    {
        var started = new Signal();
        var cancelled = new Signal();
        async Task WaitAsync(ServerCallContext context)
        {
            started.Set();
            await using var registration = context.CancellationToken.Register(cancelled.Set);
            await Task.Delay(TimeSpan.FromSeconds(30), context.CancellationToken);
        }
        var handlers = new Handlers
        {
            Unary = async (request, context) =>
            {
                await WaitAsync(context);
                return request;
            },
            Download = async (_, responses, context) =>
            {
                await responses.WriteAsync(new Part { Text = "first" });
                await WaitAsync(context);
            },
        };
        return (handlers, started, cancelled);
    }
}
