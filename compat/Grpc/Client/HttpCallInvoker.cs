using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>Starts calls over a channel's HTTP connections.</summary>
internal sealed class HttpCallInvoker(GrpcChannel channel) : CallInvoker
{
    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
        AsyncUnaryCall(method, host, options, request).GetAwaiter().GetResult();

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var call = new ClientCall<TRequest, TResponse>(channel, method, options, request);
        call.Start();
        return new AsyncUnaryCall<TResponse>(
            call.Response, _ => call.Headers, _ => call.GetStatus(), _ => call.GetTrailers(), _ => call.Dispose(), call);
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var call = new ClientCall<TRequest, TResponse>(channel, method, options, request);
        call.Start();
        return new AsyncServerStreamingCall<TResponse>(
            call.Responses!, _ => call.Headers, _ => call.GetStatus(), _ => call.GetTrailers(), _ => call.Dispose(), call);
    }

    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        var call = new ClientCall<TRequest, TResponse>(channel, method, options, request: null);
        call.Start();
        return new AsyncClientStreamingCall<TRequest, TResponse>(
            call.Requests!, call.Response, _ => call.Headers, _ => call.GetStatus(), _ => call.GetTrailers(), _ => call.Dispose(), call);
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        var call = new ClientCall<TRequest, TResponse>(channel, method, options, request: null);
        call.Start();
        return new AsyncDuplexStreamingCall<TRequest, TResponse>(
            call.Requests!, call.Responses!, _ => call.Headers, _ => call.GetStatus(), _ => call.GetTrailers(), _ => call.Dispose(), call);
    }
}
