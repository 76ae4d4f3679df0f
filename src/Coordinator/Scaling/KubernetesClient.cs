using System.Net;
using System.Net.Http.Headers;
using System.Net.Mime;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace Linformer.Coordinator.Scaling;

/// <summary>How large a StatefulSet is told to be.</summary>
/// <param name="Replicas">Its pods.</param>
/// <param name="Version">The version of the object, which changes with every change of it.</param>
public sealed record StatefulSetScale(int Replicas, string Version);

/// <summary>What the API server tells of a watched StatefulSet.</summary>
/// <param name="Scale">Its size; null for a mere sign of life, and when it is deleted.</param>
/// <param name="Version">From where on a later watch goes on.</param>
/// <param name="IsDeleted">Whether it is there no more.</param>
public sealed record StatefulSetEvent(StatefulSetScale? Scale, string Version, bool IsDeleted);

/// <summary>The few calls of Kubernetes' API that scale one StatefulSet, with the pod's own service account.</summary>
public sealed class KubernetesClient : IDisposable
{
    private const int MaxAnswerBytes = 1 << 20;
    private const int MaxWatchLine = 1 << 20;
    private const int MaxShown = 300;

    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan WatchTime = TimeSpan.FromMinutes(5);

    private readonly KubernetesAccount _account;
    private readonly string _name;
    private readonly HttpClient _http;
    private readonly TimeSpan _patience;
    private string? _refused;

    /// <summary>Makes a client; it connects with its first call.</summary>
    /// <param name="account">The pod's account.</param>
    /// <param name="statefulSet">The StatefulSet's name.</param>
    /// <param name="patience">How long an answer may take; null for 10 s.</param>
    public KubernetesClient(KubernetesAccount account, string statefulSet, TimeSpan? patience = null)
    {
        (_account, _name, _patience) = (account, statefulSet, patience ?? CallTimeout);
        var handler = new SocketsHttpHandler
        {
            SslOptions = account.Tls.ToSslOptions(why => _refused = why),
            // The token goes to this server only, and it is near.
            AllowAutoRedirect = false,
            UseProxy = false,
            ConnectTimeout = _patience,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        };
        _http = new HttpClient(handler) { BaseAddress = account.Server, Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = MaxAnswerBytes };
    }

    private string ScalePath => $"apis/apps/v1/namespaces/{_account.Namespace}/statefulsets/{_name}/scale";

    /// <summary>How large the StatefulSet is told to be.</summary>
    /// <exception cref="KubernetesException">It could not be read.</exception>
    public Task<StatefulSetScale> ReadAsync(CancellationToken cancellationToken) =>
        CallAsync("get", "statefulsets/scale", () => new HttpRequestMessage(HttpMethod.Get, ScalePath), cancellationToken);

    /// <summary>Changes how large the StatefulSet is told to be.</summary>
    /// <param name="replicas">The pods.</param>
    /// <param name="version">The version that this was decided from; with another one now, it is a conflict and nothing is changed.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="KubernetesException">It was not changed, or that is not known.</exception>
    public Task<StatefulSetScale> ChangeAsync(int replicas, string version, CancellationToken cancellationToken)
    {
        var body = JsonSerializer.Serialize(new { metadata = new { resourceVersion = version }, spec = new { replicas } });
        return CallAsync(
            "patch",
            "statefulsets/scale",
            () => new HttpRequestMessage(HttpMethod.Patch, ScalePath) { Content = new StringContent(body, Encoding.UTF8, "application/merge-patch+json") },
            cancellationToken);
    }

    /// <summary>Follows the StatefulSet until the server ends that, which it does after some minutes.</summary>
    /// <param name="version">From which version on; null for how it is now, and what comes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="KubernetesException">It was refused or broke; <see cref="KubernetesException.IsGone"/> when the version is too old.</exception>
    public async IAsyncEnumerable<StatefulSetEvent> WatchAsync(string? version, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var from = version is null ? "" : $"&resourceVersion={Uri.EscapeDataString(version)}";
        var path = $"apis/apps/v1/namespaces/{_account.Namespace}/statefulsets?watch=true&allowWatchBookmarks=true"
            + $"&fieldSelector={Uri.EscapeDataString($"metadata.name={_name}")}&timeoutSeconds={(int)WatchTime.TotalSeconds}{from}";
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(_patience);
        using var response = await SendAsync("watch", "statefulsets", () => new HttpRequestMessage(HttpMethod.Get, path), patience, cancellationToken);
        // A server that vanished says nothing; one that is there ends the watch by itself before that.
        patience.CancelAfter(WatchTime + _patience);
        var lines = new WatchLines(await response.Content.ReadAsStreamAsync(cancellationToken), MaxWatchLine);
        while (true)
        {
            string? line;
            try
            {
                line = await lines.NextAsync(patience.Token);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is IOException or HttpRequestException or OperationCanceledException)
            {
                throw new KubernetesException($"The watch on StatefulSet {_name} broke: {exception.Message}", inner: exception);
            }
            if (line is null)
                yield break;
            yield return WatchEvents.Parse(line, _name);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<StatefulSetScale> CallAsync(string verb, string resource, Func<HttpRequestMessage> request, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(_patience);
        using var response = await SendAsync(verb, resource, request, patience, cancellationToken);
        var text = await ReadTextAsync(response, patience, cancellationToken);
        return WatchEvents.ParseScale(text, _name);
    }

    private async Task<HttpResponseMessage> SendAsync(
        string verb, string resource, Func<HttpRequestMessage> request, CancellationTokenSource patience, CancellationToken cancellationToken)
    {
        var token = _account.Token();
        var response = await SendOnceAsync(verb, request(), token, patience, cancellationToken);
        // The token may have been renewed between its reading and its arrival.
        if (response.StatusCode == HttpStatusCode.Unauthorized && _account.Token() is var renewed && renewed != token)
        {
            response.Dispose();
            response = await SendOnceAsync(verb, request(), renewed, patience, cancellationToken);
        }
        if (response.StatusCode == HttpStatusCode.OK)
            return response;
        using (response)
        {
            var why = WatchEvents.StatusMessage(await ReadTextAsync(response, patience, cancellationToken));
            throw new KubernetesException(Words(verb, resource, response.StatusCode, why), response.StatusCode, RetryAfter(response));
        }
    }

    private async Task<HttpResponseMessage> SendOnceAsync(
        string verb, HttpRequestMessage message, string token, CancellationTokenSource patience, CancellationToken cancellationToken)
    {
        using var request = message;
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(MediaTypeNames.Application.Json));
        request.Headers.UserAgent.ParseAdd("linformer-coordinator");
        _refused = null;
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is HttpRequestException or OperationCanceledException or IOException)
        {
            var why = _refused ?? (exception is OperationCanceledException ? $"no answer within {_patience.TotalSeconds} s" : exception.Message);
            throw new KubernetesException($"The API server {_account.Server} could not be asked to {verb} StatefulSet {_name}: {why}", inner: exception);
        }
    }

    private async Task<string> ReadTextAsync(HttpResponseMessage response, CancellationTokenSource patience, CancellationToken cancellationToken)
    {
        try
        {
            // Buffered up to the client's bound, and no further.
            await response.Content.LoadIntoBufferAsync(MaxAnswerBytes, patience.Token);
            return await response.Content.ReadAsStringAsync(patience.Token);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is HttpRequestException or OperationCanceledException or IOException or InvalidOperationException)
        {
            var why = exception is OperationCanceledException ? $"it was not complete within {_patience.TotalSeconds} s" : exception.Message;
            throw new KubernetesException($"The answer of the API server {_account.Server} cannot be read: {why}", response.StatusCode, inner: exception);
        }
    }

    private string Words(string verb, string resource, HttpStatusCode status, string why)
    {
        var said = why.Length > MaxShown ? why[..MaxShown] + "…" : why;
        return status switch
        {
            HttpStatusCode.Forbidden =>
                $"The coordinator's service account may not {verb} {resource} of StatefulSet {_name} in namespace {_account.Namespace}; its Role needs the rule "
                + $"{{apiGroups: [apps], resources: [{resource}], resourceNames: [{_name}], verbs: [{verb}]}}. The API server says: {said}",
            HttpStatusCode.Unauthorized => $"The API server does not accept the token of the coordinator's service account: {said}",
            HttpStatusCode.NotFound => $"There is no StatefulSet {_name} in namespace {_account.Namespace}: {said}",
            HttpStatusCode.Conflict => $"StatefulSet {_name} was changed by somebody else meanwhile: {said}",
            _ => $"The API server answered {(int)status} when it was asked to {verb} StatefulSet {_name}: {said}",
        };
    }

    private static TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } when date > DateTimeOffset.UtcNow => date - DateTimeOffset.UtcNow,
        _ => null,
    };
}
