using Grpc.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Grpc.Net.Client;

/// <summary>A way to a server: connections over which calls run, made when they are needed.</summary>
public sealed class GrpcChannel : ChannelBase, IDisposable
{
    private readonly Lock _lock = new();
    private readonly HashSet<IDisposable> _calls = [];
    private readonly bool _ownsHttp;
    private bool _disposed;

    private GrpcChannel(Uri address, GrpcChannelOptions options) : base(address.Authority)
    {
        Address = address;
        Options = options;
        IsSecure = options.Credentials?.IsSecure ?? ByScheme(address);
        if (IsSecure != ByScheme(address))
        {
            throw new InvalidOperationException(
                $"Channel is configured with {(IsSecure ? "secure" : "insecure")} channel credentials and can't use a HttpClient with a '{address.Scheme}' scheme.");
        }
        CallCredentials = [.. options.Credentials?.ForCalls ?? []];
        if (CallCredentials.Count > 0 && !SendsCallCredentials)
        {
            throw new InvalidOperationException("CallCredentials can't be composed with insecure channel credentials: "
                + $"use TLS, or set {nameof(GrpcChannelOptions)}.{nameof(GrpcChannelOptions.UnsafeUseInsecureChannelCallCredentials)}.");
        }
        _ownsHttp = options.DisposeHttpClient || (options.HttpClient == null && options.HttpHandler == null);
        Http = options.HttpClient
            ?? new HttpMessageInvoker(options.HttpHandler ?? new SocketsHttpHandler { EnableMultipleHttp2Connections = true });
        var loggers = options.LoggerFactory ?? (ILoggerFactory?)options.ServiceProvider?.GetService(typeof(ILoggerFactory));
        Log = (loggers ?? NullLoggerFactory.Instance).CreateLogger("Grpc.Net.Client.Internal.GrpcCall");
    }

    internal Uri Address { get; }

    internal GrpcChannelOptions Options { get; }

    internal HttpMessageInvoker Http { get; }

    internal ILogger Log { get; }

    internal bool IsSecure { get; }

    internal bool SendsCallCredentials => IsSecure || Options.UnsafeUseInsecureChannelCallCredentials;

    internal List<CallCredentials> CallCredentials { get; }

    public static GrpcChannel ForAddress(string address) => ForAddress(address, new GrpcChannelOptions());

    public static GrpcChannel ForAddress(string address, GrpcChannelOptions channelOptions) =>
        ForAddress(new Uri(address), channelOptions);

    public static GrpcChannel ForAddress(Uri address) => ForAddress(address, new GrpcChannelOptions());

    public static GrpcChannel ForAddress(Uri address, GrpcChannelOptions channelOptions)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(channelOptions);
        if (channelOptions.HttpClient != null && channelOptions.HttpHandler != null)
        {
            throw new ArgumentException(
                $"{nameof(GrpcChannelOptions.HttpClient)} and {nameof(GrpcChannelOptions.HttpHandler)} have been configured. Only one HTTP caller can be specified.");
        }
        return new GrpcChannel(address, channelOptions);
    }

    public override CallInvoker CreateCallInvoker()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new HttpCallInvoker(this);
    }

    /// <summary>Cancels the calls that still run, and closes the connections if they are the channel's own.</summary>
    public void Dispose()
    {
        IDisposable[] calls;
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }
            _disposed = true;
            calls = [.. _calls];
        }
        foreach (var call in calls)
        {
            call.Dispose();
        }
        if (_ownsHttp)
        {
            Http.Dispose();
        }
    }

    internal void Register(IDisposable call)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _calls.Add(call);
        }
    }

    internal void Unregister(IDisposable call)
    {
        lock (_lock)
        {
            _calls.Remove(call);
        }
    }

    private static bool ByScheme(Uri address) => address.Scheme switch
    {
        "https" => true,
        "http" => false,
        _ => throw new InvalidOperationException($"The address '{address}' has the scheme '{address.Scheme}'; allowed are http and https."),
    };
}
