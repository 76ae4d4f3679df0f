using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Linformer.Protocol.Security;

namespace Linformer.Coordinator.Tests.Rest;

/// <summary>Calls a coordinator over HTTP, as a page of its own does unless headers say otherwise.</summary>
internal sealed class RestClient : IDisposable
{
    private readonly HttpClient _http;

    public RestClient(CoordinatorHost host, string? token = null, ClientTls? tls = null)
    {
        // A page's cookies are sent by hand, so that tests see them.
        var handler = new SocketsHttpHandler { UseCookies = false, SslOptions = (tls ?? new ClientTls()).ToSslOptions() };
        Address = new UriBuilder(host.HttpAddresses[0]) { Host = "localhost" }.Uri;
        _http = new HttpClient(handler) { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(60) };
        if (token is not null)
            _http.DefaultRequestHeaders.Authorization = new("Bearer", token);
    }

    public Uri Address { get; }

    public async Task<Answer> SendAsync(string verb, string path, string? body = null, string type = "application/json", params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(verb), path);
        if (body is not null)
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) { Headers = { { "Content-Type", type } } };
        if (headers.All(header => header.Name != "X-Linformer"))
            request.Headers.Add("X-Linformer", "1");
        foreach (var (name, value) in headers.Where(header => header.Value.Length > 0))
            request.Headers.TryAddWithoutValidation(name, value).ShouldBeTrue();
        using var response = await _http.SendAsync(request);
        return new Answer(
            response.StatusCode,
            response.Headers.Concat(response.Content.Headers).ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase),
            await response.Content.ReadAsByteArrayAsync());
    }

    public Task<Answer> GetAsync(string path, params (string Name, string Value)[] headers) => SendAsync("GET", path, headers: headers);

    /// <summary>The JSON of a call that succeeds.</summary>
    public async Task<JsonObject> JsonAsync(string path)
    {
        var answer = await GetAsync(path);
        answer.Status.ShouldBe(HttpStatusCode.OK, answer.Text);
        return answer.Json;
    }

    public async Task<EventReader> StreamAsync(params string[] topics)
    {
        var query = string.Join('&', topics.Select(topic => "topic=" + Uri.EscapeDataString(topic)));
        var response = await _http.GetAsync("/api/v1/stream?" + query, HttpCompletionOption.ResponseHeadersRead);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        return new EventReader(response, await response.Content.ReadAsStreamAsync());
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>An answer over HTTP.</summary>
internal sealed record Answer(HttpStatusCode Status, Dictionary<string, string> Headers, byte[] Body)
{
    public string Text => Encoding.UTF8.GetString(Body);

    public JsonObject Json => JsonNode.Parse(Body)!.AsObject();

    /// <summary>Checks that it is an error as RFC 9457 has them, and returns its words.</summary>
    public string Problem(HttpStatusCode status, string code)
    {
        Status.ShouldBe(status, Text);
        Headers["Content-Type"].ShouldBe("application/problem+json");
        var problem = Json;
        problem["status"]!.GetValue<int>().ShouldBe((int)status);
        problem["code"]!.GetValue<string>().ShouldBe(code);
        problem["type"]!.GetValue<string>().ShouldBe("about:blank");
        problem["title"]!.GetValue<string>().ShouldNotBeEmpty();
        return problem["detail"]!.GetValue<string>();
    }
}

/// <summary>Reads server-sent events.</summary>
internal sealed class EventReader(HttpResponseMessage response, Stream stream) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly StreamReader _lines = new(stream);

    /// <summary>The next event, but for pings; null at the end.</summary>
    public async Task<(string Name, JsonObject Data)?> NextAsync()
    {
        while (true)
        {
            using var patience = new CancellationTokenSource(Patience);
            var (name, data) = ("", "");
            while (await _lines.ReadLineAsync(patience.Token) is { } line)
            {
                if (line.Length == 0)
                    break;
                if (line.StartsWith("event: ", StringComparison.Ordinal))
                    name = line["event: ".Length..];
                else
                    data += line["data: ".Length..];
            }
            if (name.Length == 0)
                return null;
            if (name != "ping")
                return (name, JsonNode.Parse(data)!.AsObject());
        }
    }

    /// <summary>The next event of a name.</summary>
    public Task<JsonObject> NextAsync(string name) => NextAsync(name, _ => true);

    /// <summary>The next event of a name that fits.</summary>
    public async Task<JsonObject> NextAsync(string name, Func<JsonObject, bool> fits)
    {
        while (true)
        {
            var next = await NextAsync();
            next.ShouldNotBeNull($"the stream has ended before {name}");
            if (next.Value.Name == name && fits(next.Value.Data))
                return next.Value.Data;
        }
    }

    public void Dispose()
    {
        _lines.Dispose();
        response.Dispose();
    }
}
