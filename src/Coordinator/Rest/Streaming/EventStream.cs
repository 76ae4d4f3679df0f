using System.Buffers;
using System.Diagnostics;
using Grpc.Core;
using Linformer.Coordinator.Access;
using Linformer.Coordinator.Services;
using Linformer.Coordinator.Services.Guard;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Hosting;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>
/// Server-sent events of all that a page asks for. A page that reads slowly is waited for, and nothing is kept for it meanwhile but
/// its cursors; one that reads nothing at all is hung up on.
/// </summary>
internal sealed class EventStream(TopicHub hub, StreamSource source, StreamLimit streams, RestCalls calls, IHostApplicationLifetime lifetime)
{
    /// <summary>Where.</summary>
    public const string Pattern = RestRoute.Root + "stream";

    private const string Parameter = "topic";
    private const int PieceBytes = 64 << 10;

    // Several topics that change within it go out at once.
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(100);
    // Whether the session still holds, and the coordinator goes on, is looked at so often.
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan WritePatience = TimeSpan.FromSeconds(30);

    private static readonly ReadOnlyMemory<byte> Ping = "event: ping\ndata: {}\n\n"u8.ToArray();

    /// <summary>Answers a call.</summary>
    public Task AnswerAsync(HttpContext http) => calls.HandleAsync(http, () => StreamAsync(http));

    private async Task StreamAsync(HttpContext http)
    {
        var caller = (Principal)http.Items[typeof(Principal)]!;
        WaitingCalls.LeaveStream(http);
        // A page in the background may be slow, and has its patience here.
        if (http.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate)
            rate.MinDataRate = null;
        var names = Names(http.Request.Query);
        using var place = streams.Enter(caller);
        using var waker = new Waker();
        using var stopping = lifetime.ApplicationStopping.Register(waker.Wake);
        var watches = new List<TopicHub.Watch>();
        try
        {
            foreach (var name in names)
                watches.Add(await hub.OpenAsync(name, caller, http.Connection.RemoteIpAddress, waker, http.RequestAborted));
            http.Response.ContentType = "text/event-stream";
            http.Response.Headers["X-Accel-Buffering"] = "no";
            await SendAsync(http, [Hello()]);
            await SendAllAsync(http, caller, watches, waker);
        }
        finally
        {
            watches.ForEach(watch => watch.Dispose());
        }
    }

    private async Task SendAllAsync(HttpContext http, Principal caller, IReadOnlyList<TopicHub.Watch> watches, Waker waker)
    {
        var sentAt = Stopwatch.GetTimestamp();
        var events = new List<ReadOnlyMemory<byte>>();
        while (true)
        {
            if (Bye(caller) is { } bye)
            {
                await SendAsync(http, [bye]);
                return;
            }
            events.Clear();
            foreach (var watch in watches)
                events.AddRange(await watch.NextAsync(http.RequestAborted));
            if (events.Count == 0 && Stopwatch.GetElapsedTime(sentAt) >= KeepAlive)
                events.Add(Ping);
            if (events.Count > 0)
            {
                await SendAsync(http, events);
                sentAt = Stopwatch.GetTimestamp();
                // There may be more at once, of records that are caught up with.
                waker.Wake();
            }
            await waker.WaitAsync(Look, http.RequestAborted);
            if (events.Count == 0 && !lifetime.ApplicationStopping.IsCancellationRequested)
                await Task.Delay(Gathering, http.RequestAborted);
        }
    }

    private static Task SendAsync(HttpContext http, IReadOnlyList<ReadOnlyMemory<byte>> events) => SendAsync(http, events, WritePatience);

    /// <summary>Sends events piece by piece, so that a slow page has little of them in memory.</summary>
    /// <param name="http">The call.</param>
    /// <param name="events">The events.</param>
    /// <param name="patience">How long each piece may take.</param>
    /// <exception cref="ConnectionAbortedException">A piece took longer, and the connection was hung up.</exception>
    internal static async Task SendAsync(HttpContext http, IReadOnlyList<ReadOnlyMemory<byte>> events, TimeSpan patience)
    {
        var body = http.Response.BodyWriter;
        var waiting = 0;
        foreach (var one in events)
        {
            body.Write(one.Span);
            waiting += one.Length;
            if (waiting < PieceBytes)
                continue;
            waiting = 0;
            await FlushAsync(http, patience);
        }
        if (waiting > 0)
            await FlushAsync(http, patience);
    }

    private static async Task FlushAsync(HttpContext http, TimeSpan patience)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        end.CancelAfter(patience);
        try
        {
            await http.Response.BodyWriter.FlushAsync(end.Token);
        }
        catch (OperationCanceledException exception) when (!http.RequestAborted.IsCancellationRequested)
        {
            http.Abort();
            throw new ConnectionAbortedException($"Nothing was read for {patience.TotalSeconds:0.#} s.", exception);
        }
    }

    private ReadOnlyMemory<byte> Hello() => Frame.Of("hello", json =>
    {
        json.WriteNumber("epoch", source.Epoch);
        json.WriteString("version", ClusterService.Version);
        json.WriteString("now", source.Time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture));
    });

    private ReadOnlyMemory<byte>? Bye(Principal caller)
    {
        var status = caller.Ended()?.Status;
        if (lifetime.ApplicationStopping.IsCancellationRequested)
            status = new Status(StatusCode.Unavailable, "The coordinator is stopping.");
        if (status is not { } why)
            return null;
        return Frame.Of("bye", json =>
        {
            json.WriteString("reason", why.Detail);
            json.WriteString("code", Problem.CodeOf(why.StatusCode));
        });
    }

    private static List<TopicName> Names(IQueryCollection query)
    {
        if (query.Keys.FirstOrDefault(name => name != Parameter) is { } other)
            throw Refusal.Invalid($"There is no query parameter {Refusal.Show(other)} here; allowed: {Parameter}.");
        var names = query[Parameter].Select(text => TopicName.Parse(text ?? "")).DistinctBy(name => name.Text).ToList();
        return names.Count is > 0 and <= TopicName.Most
            ? names
            : throw Refusal.Invalid($"{Parameter} is given {names.Count} times; 1 to {TopicName.Most} are needed.");
    }
}
