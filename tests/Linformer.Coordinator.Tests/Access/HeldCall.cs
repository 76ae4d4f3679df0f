using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using Google.Protobuf;
using Grpc.Core;

namespace Linformer.Coordinator.Tests.Access;

/// <summary>A gRPC call whose headers and the first bytes of whose message are sent at once, and the rest when the test says so.</summary>
internal sealed class HeldCall : IDisposable
{
    private const int Prefix = 5;

    private readonly HttpRequestMessage _request;
    private readonly Body _body;
    private readonly CancellationTokenSource _given = new();

    /// <summary>Begins a call.</summary>
    /// <param name="client">Talks to the coordinator.</param>
    /// <param name="method">Such as <c>/linformer.v1.Jobs/Cancel</c>.</param>
    /// <param name="caller">What the caller shows.</param>
    /// <param name="message">The request.</param>
    public HeldCall(HttpClient client, string method, Metadata caller, IMessage message)
    {
        _body = new Body(message.ToByteArray());
        _request = new HttpRequestMessage(HttpMethod.Post, method) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = _body };
        _request.Content.Headers.ContentType = new("application/grpc");
        _request.Headers.TE.Add(new("trailers"));
        foreach (var entry in caller)
            _request.Headers.TryAddWithoutValidation(entry.Key, entry.Value);
        Answer = AnswerAsync(client);
    }

    /// <summary>How the call was answered.</summary>
    public Task<Status> Answer { get; }

    /// <summary>Ends when what the constructor sends is on its way.</summary>
    public Task Begun => _body.Begun;

    /// <summary>A client of a coordinator with TLS.</summary>
    public static HttpClient Client(SecureCoordinator coordinator) => new(new SocketsHttpHandler { SslOptions = coordinator.PlainTls().ToSslOptions() })
    {
        BaseAddress = coordinator.Coordinator.Host.Addresses[0],
    };

    /// <summary>Sends the rest.</summary>
    public void Complete() => _body.Rest.TrySetResult();

    /// <summary>Gives the call up, if it has not been answered.</summary>
    public void Dispose()
    {
        _given.Cancel();
        _body.Rest.TrySetCanceled();
        _request.Dispose();
        _given.Dispose();
    }

    private async Task<Status> AnswerAsync(HttpClient client)
    {
        using var response = await client.SendAsync(_request, _given.Token);
        var headers = response.TrailingHeaders.Contains("grpc-status") ? response.TrailingHeaders : response.Headers;
        var detail = headers.TryGetValues("grpc-message", out var messages) ? Uri.UnescapeDataString(messages.First()) : "";
        return new Status((StatusCode)int.Parse(headers.GetValues("grpc-status").First(), CultureInfo.InvariantCulture), detail);
    }

    private sealed class Body(byte[] message) : HttpContent
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Begun => _begun.Task;

        public TaskCompletionSource Rest { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            var prefix = new byte[Prefix];
            BinaryPrimitives.WriteInt32BigEndian(prefix.AsSpan(1), message.Length);
            await stream.WriteAsync(prefix);
            await stream.FlushAsync();
            _begun.TrySetResult();
            await Rest.Task;
            await stream.WriteAsync(message);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
