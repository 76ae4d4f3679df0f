using System.Diagnostics;
using Grpc.Core;
using Linformer.Protocol.Security;

namespace Linformer.Cli.Cluster;

/// <summary>
/// Makes calls to the coordinator that answered last, and to the next one when that does not answer. Calls that change something
/// bear to be made twice: a submission carries a key, a job that is cancelled or pauses stays so, and so does one that has
/// just gone back. A deletion whose answer was lost may be told that there is no such job.
/// </summary>
/// <param name="coordinators">Each coordinator's own invoker, in the order in which they are tried.</param>
internal sealed class FailoverInvoker(IReadOnlyList<CallInvoker> coordinators) : CallInvoker
{
    // A standby takes over within seconds, and until then nobody answers.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    private int _current;

    /// <inheritdoc/>
    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var failures = new Failures();
        while (true)
        {
            var tried = _current;
            try
            {
                return coordinators[tried].BlockingUnaryCall(method, host, options, request);
            }
            catch (RpcException failure) when (IsAway(failure, options.CancellationToken))
            {
                // Only a shell that completes a word calls so, and it is better off without an answer than with a late one.
                if (MoveOn(tried, failure, failures))
                    throw failures.Telling;
            }
        }
    }

    /// <inheritdoc/>
    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        AsyncUnaryCall<TResponse>? call = null;
        return new AsyncUnaryCall<TResponse>(
            RunAsync(), NoHeadersAsync(), () => call!.GetStatus(), () => call!.GetTrailers(), () => call?.Dispose());

        async Task<TResponse> RunAsync()
        {
            var failures = new Failures();
            while (true)
            {
                var tried = _current;
                try
                {
                    call = coordinators[tried].AsyncUnaryCall(method, host, options, request);
                    return await call.ResponseAsync;
                }
                catch (RpcException failure) when (IsAway(failure, options.CancellationToken))
                {
                    if (MoveOn(tried, failure, failures))
                        await Task.Delay(Pause, options.CancellationToken);
                }
            }
        }
    }

    /// <inheritdoc/>
    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var reader = new Reader<TResponse>(this, invoker => invoker.AsyncServerStreamingCall(method, host, options, request));
        return new AsyncServerStreamingCall<TResponse>(
            reader, NoHeadersAsync(), () => reader.Call!.GetStatus(), () => reader.Call!.GetTrailers(), () => reader.Call?.Dispose());
    }

    /// <inheritdoc/>
    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options) =>
        coordinators[_current].AsyncClientStreamingCall(method, host, options);

    /// <inheritdoc/>
    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options) =>
        coordinators[_current].AsyncDuplexStreamingCall(method, host, options);

    private CallInvoker Coordinator(int number) => coordinators[number];

    // Nobody reads headers; waiting for those of a call that may move on would only hold up its caller.
    private static Task<Metadata> NoHeadersAsync() => Task.FromResult(new Metadata());

    // A coordinator that stands still is cut off by this side's pings, which has no status of its own; one that does not connect
    // within the connection's time limit shows as a call that was cancelled, though nobody has.
    private static bool IsAway(RpcException failure, CancellationToken callers) => failure.StatusCode switch
    {
        StatusCode.Unavailable => true,
        StatusCode.Cancelled => !callers.IsCancellationRequested,
        StatusCode.Internal or StatusCode.Unknown => failure.Status.DebugException is not null,
        _ => false,
    };

    /// <summary>Turns to the next coordinator; throws once all were tried in vain for long enough.</summary>
    /// <returns>Whether all were tried, so that it is better to wait for a moment.</returns>
    private bool MoveOn(int tried, RpcException failure, Failures failures)
    {
        TurnFrom(tried);
        failures.Add(failure);
        var round = failures.Count % coordinators.Count == 0;
        // With one coordinator there is no other that could take over, and one that does not stand by but is not trusted stays so.
        if (round && (coordinators.Count == 1 || failures.IsTls || failures.Elapsed >= Patience))
            throw failures.Telling;
        return round;
    }

    private void TurnFrom(int tried) => Interlocked.CompareExchange(ref _current, (tried + 1) % coordinators.Count, tried);

    /// <summary>The failures of a call, at one coordinator after the other.</summary>
    private sealed class Failures
    {
        private readonly long _started = Stopwatch.GetTimestamp();
        private RpcException? _telling;

        public int Count { get; private set; }

        public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_started);

        /// <summary>What a coordinator says of itself tells more than that another does not answer.</summary>
        public RpcException Telling => _telling!;

        /// <summary>Whether TLS is the reason.</summary>
        public bool IsTls { get; private set; }

        public void Add(RpcException failure)
        {
            Count++;
            var spoke = failure.Status is { DebugException: null, Detail.Length: > 0 };
            var tls = TlsFailures.Explain(failure.Status.DebugException) is not null;
            if (_telling is not null && !spoke && (!tls || _telling.Status.DebugException is null))
                return;
            (_telling, IsTls) = (failure, tls);
        }
    }

    /// <summary>A stream. Until its first message it moves on by itself; after that, its reader opens a new one where it stands.</summary>
    private sealed class Reader<T>(FailoverInvoker owner, Func<CallInvoker, AsyncServerStreamingCall<T>> open) : IAsyncStreamReader<T>
    {
        private readonly Failures _failures = new();
        private int _coordinator;
        private bool _answered;

        public AsyncServerStreamingCall<T>? Call { get; private set; }

        public T Current => Call!.ResponseStream.Current;

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            while (true)
            {
                if (Call is null)
                {
                    _coordinator = owner._current;
                    Call = open(owner.Coordinator(_coordinator));
                }
                try
                {
                    var more = await Call.ResponseStream.MoveNext(cancellationToken);
                    _answered = true;
                    return more;
                }
                catch (RpcException failure) when (IsAway(failure, cancellationToken) && !cancellationToken.IsCancellationRequested)
                {
                    if (_answered)
                    {
                        owner.TurnFrom(_coordinator);
                        throw;
                    }
                    var round = owner.MoveOn(_coordinator, failure, _failures);
                    Call.Dispose();
                    Call = null;
                    if (round)
                        await Task.Delay(Pause, cancellationToken);
                }
            }
        }
    }
}
