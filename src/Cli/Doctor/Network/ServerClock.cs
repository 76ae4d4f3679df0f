using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using Linformer.Cli.Cluster;
using Linformer.Protocol.Security;

namespace Linformer.Cli.Doctor.Network;

/// <summary>What time it is at a coordinator: each of its answers has the time in a header, whole seconds.</summary>
internal static class ServerClock
{
    // The header has whole seconds, and servers make it anew only once a second.
    private static readonly TimeSpan Coarseness = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How far its clock is ahead of this machine's at least, zero if both may be the same; null if it does not answer or tell.</summary>
    /// <param name="address">Where it answers.</param>
    /// <param name="tls">Whom to trust.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task<TimeSpan?> AheadAsync(CoordinatorAddress address, ClientTls tls, CancellationToken cancellation)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, SslOptions = TlsFailures.Telling(tls) }) { Timeout = Patience };
        // An empty message of gRPC to a method that need not be allowed: a refusal tells the time, too.
        using var content = new ByteArrayContent(new byte[5]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address.Uri, "/linformer.v1.Tokens/WhoAmI"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        try
        {
            var started = Stopwatch.GetTimestamp();
            var sent = DateTimeOffset.UtcNow;
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
            var answered = sent + Stopwatch.GetElapsedTime(started);
            return response.Headers.Date is { } date ? Ahead(date, sent, answered) : null;
        }
        catch (Exception error) when (error is HttpRequestException or TaskCanceledException && !cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    // The server's time was from date to date + coarseness when this machine's was from sent to answered.
    private static TimeSpan Ahead(DateTimeOffset date, DateTimeOffset sent, DateTimeOffset answered) =>
        date > answered ? date - answered
        : date + Coarseness < sent ? date + Coarseness - sent
        : TimeSpan.Zero;
}
