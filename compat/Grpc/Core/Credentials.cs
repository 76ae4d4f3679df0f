namespace Grpc.Core;

/// <summary>Whether a channel uses TLS. Certificates are set on the HTTP handler.</summary>
public abstract class ChannelCredentials
{
    public static ChannelCredentials Insecure { get; } = new InsecureCredentials();

    public static ChannelCredentials SecureSsl { get; } = new SslCredentials();

    /// <summary>Adds credentials that go with every call.</summary>
    public static ChannelCredentials Create(ChannelCredentials channelCredentials, CallCredentials callCredentials) =>
        new CompositeCredentials(channelCredentials, callCredentials);

    internal abstract bool IsSecure { get; }

    internal virtual IEnumerable<CallCredentials> ForCalls => [];

    private sealed class InsecureCredentials : ChannelCredentials
    {
        internal override bool IsSecure => false;
    }

    private sealed class CompositeCredentials : ChannelCredentials
    {
        private readonly ChannelCredentials _channel;
        private readonly CallCredentials _calls;

        public CompositeCredentials(ChannelCredentials channel, CallCredentials calls)
        {
            ArgumentNullException.ThrowIfNull(channel);
            ArgumentNullException.ThrowIfNull(calls);
            _channel = channel;
            _calls = calls;
        }

        internal override bool IsSecure => _channel.IsSecure;

        internal override IEnumerable<CallCredentials> ForCalls => [.. _channel.ForCalls, _calls];
    }
}

public sealed class SslCredentials : ChannelCredentials
{
    internal override bool IsSecure => true;
}

public delegate Task AsyncAuthInterceptor(AuthInterceptorContext context, Metadata metadata);

public class AuthInterceptorContext
{
    public AuthInterceptorContext(string serviceUrl, string methodName) : this(serviceUrl, methodName, CancellationToken.None)
    {
    }

    public AuthInterceptorContext(string serviceUrl, string methodName, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(serviceUrl);
        ArgumentNullException.ThrowIfNull(methodName);
        ServiceUrl = serviceUrl;
        MethodName = methodName;
        CancellationToken = cancellationToken;
    }

    public string ServiceUrl { get; }

    public string MethodName { get; }

    public CancellationToken CancellationToken { get; }
}

/// <summary>Metadata, such as a token, that is made anew for each call.</summary>
public abstract class CallCredentials
{
    public static CallCredentials FromInterceptor(AsyncAuthInterceptor interceptor) => new InterceptorCredentials(interceptor);

    public static CallCredentials Compose(params CallCredentials[] credentials) => new ComposedCredentials(credentials);

    internal abstract Task AddAsync(AuthInterceptorContext context, Metadata metadata);

    private sealed class InterceptorCredentials : CallCredentials
    {
        private readonly AsyncAuthInterceptor _interceptor;

        public InterceptorCredentials(AsyncAuthInterceptor interceptor)
        {
            ArgumentNullException.ThrowIfNull(interceptor);
            _interceptor = interceptor;
        }

        internal override Task AddAsync(AuthInterceptorContext context, Metadata metadata) => _interceptor(context, metadata);
    }

    private sealed class ComposedCredentials : CallCredentials
    {
        private readonly CallCredentials[] _credentials;

        public ComposedCredentials(CallCredentials[] credentials)
        {
            if (credentials.Length < 2)
            {
                throw new ArgumentException("Composite credentials are made of 2 or more credentials.");
            }
            _credentials = [.. credentials];
        }

        internal override async Task AddAsync(AuthInterceptorContext context, Metadata metadata)
        {
            foreach (var credentials in _credentials)
            {
                await credentials.AddAsync(context, metadata);
            }
        }
    }
}
