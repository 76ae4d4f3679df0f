using Grpc.Core;
using Linformer.Coordinator.Access;

namespace Linformer.Coordinator.Services.Guard;

/// <summary>A call that may last for days: it is cancelled when what its caller has shown does not hold any more.</summary>
internal sealed class WatchedCall : IAsyncDisposable
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly Principal _caller;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _cancelled;
    private readonly CancellationTokenSource _over = new();
    private readonly Task _watching;

    public WatchedCall(ServerCallContext context, Principal caller, TimeProvider time)
    {
        (_caller, _time) = (caller, time);
        _cancelled = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        // Where GetHttpContext looks for it in a context that is not gRPC's own.
        context.UserState["__HttpContext"] = context.GetHttpContext();
        Context = new LinkedContext(context, _cancelled.Token);
        _watching = WatchAsync();
    }

    /// <summary>The call's context, with a token that fires at that end, too.</summary>
    public ServerCallContext Context { get; }

    /// <summary>Why the call was cancelled; null if it was not.</summary>
    public RpcException? Ended { get; private set; }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _watching;
        _over.Dispose();
        _cancelled.Dispose();
    }

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(LookInterval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_over.Token))
            {
                Ended = _caller.Ended();
                if (Ended is null)
                    continue;
                await _cancelled.CancelAsync();
                return;
            }
        }
        catch (OperationCanceledException) when (_over.IsCancellationRequested)
        {
            // The call is over.
        }
    }

    private sealed class LinkedContext(ServerCallContext call, CancellationToken cancellationToken) : ServerCallContext
    {
        protected override string MethodCore => call.Method;

        protected override string HostCore => call.Host;

        protected override string PeerCore => call.Peer;

        protected override DateTime DeadlineCore => call.Deadline;

        protected override Metadata RequestHeadersCore => call.RequestHeaders;

        protected override CancellationToken CancellationTokenCore => cancellationToken;

        protected override Metadata ResponseTrailersCore => call.ResponseTrailers;

        protected override Status StatusCore
        {
            get => call.Status;
            set => call.Status = value;
        }

        protected override WriteOptions? WriteOptionsCore
        {
            get => call.WriteOptions;
            set => call.WriteOptions = value;
        }

        protected override AuthContext AuthContextCore => call.AuthContext;

        protected override IDictionary<object, object> UserStateCore => call.UserState;

        protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => call.WriteResponseHeadersAsync(responseHeaders);

        protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) => call.CreatePropagationToken(options);
    }
}
