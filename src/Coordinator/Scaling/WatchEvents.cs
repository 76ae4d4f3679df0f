using System.Net;
using System.Text.Json;

namespace Linformer.Coordinator.Scaling;

/// <summary>Reads what the API server sends; whatever else it may be is told as a <see cref="KubernetesException"/>.</summary>
internal static class WatchEvents
{
    /// <summary>A line of a watch.</summary>
    /// <param name="line">Such as <c>{"type": "MODIFIED", "object": {…}}</c>.</param>
    /// <param name="name">The StatefulSet, for errors.</param>
    /// <exception cref="KubernetesException">It is an error, or no event.</exception>
    public static StatefulSetEvent Parse(string line, string name) => Read(line, name, root =>
    {
        var type = root.GetProperty("type").GetString();
        var body = root.GetProperty("object");
        switch (type)
        {
            case "ERROR":
                var code = (HttpStatusCode)body.GetProperty("code").GetInt32();
                throw new KubernetesException($"The watch on StatefulSet {name} ended with {(int)code}: {Text(body, "message")}", code);
            case "BOOKMARK":
                return new StatefulSetEvent(null, Version(body), IsDeleted: false);
            case "DELETED":
                return new StatefulSetEvent(null, Version(body), IsDeleted: true);
            case "ADDED" or "MODIFIED":
                var scale = Scale(body);
                return new StatefulSetEvent(scale, scale.Version, IsDeleted: false);
            default:
                throw new FormatException($"an event of type '{type}'");
        }
    });

    /// <summary>A Scale, or a StatefulSet, which says the same in the same places.</summary>
    /// <exception cref="KubernetesException">It is neither.</exception>
    public static StatefulSetScale ParseScale(string text, string name) => Read(text, name, Scale);

    /// <summary>What a Status says; the text itself if it is none.</summary>
    public static string StatusMessage(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object && Text(document.RootElement, "message") is { Length: > 0 } message ? message : text;
        }
        catch (JsonException)
        {
            return text;
        }
    }

    private static T Read<T>(string text, string name, Func<JsonElement, T> read)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return read(document.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new KubernetesException($"The API server sent something about StatefulSet {name} that is not to be understood: {exception.Message}", inner: exception);
        }
    }

    // spec.replicas is left out of a Scale of 0; a StatefulSet always has it.
    private static StatefulSetScale Scale(JsonElement body)
    {
        var spec = body.GetProperty("spec");
        var replicas = spec.TryGetProperty("replicas", out var value) ? value.GetInt32() : 0;
        return replicas >= 0 ? new StatefulSetScale(replicas, Version(body)) : throw new FormatException($"spec.replicas is {replicas}");
    }

    private static string Version(JsonElement body) =>
        Text(body.GetProperty("metadata"), "resourceVersion") is { Length: > 0 } version ? version : throw new FormatException("metadata.resourceVersion is missing");

    private static string Text(JsonElement body, string property) =>
        body.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
