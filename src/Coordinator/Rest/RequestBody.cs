using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using Linformer.Coordinator.Services.Guard;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace Linformer.Coordinator.Rest;

/// <summary>Bodies of calls, which are small, and read as a whole.</summary>
public static class RequestBody
{
    /// <summary>What a JSON body is called.</summary>
    public static readonly ImmutableArray<string> Json = ["application/json"];

    /// <summary>What a job file is called.</summary>
    public static readonly ImmutableArray<string> JobFiles = ["application/yaml", "application/json", "text/yaml", "application/x-yaml"];

    // So much more is read and dropped, so that the answer is one, and no broken connection.
    private const int Dropped = 1 << 20;

    // A name of its own is an error of its own: the parser takes both silently otherwise.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    /// <summary>Refuses a body that is called something else.</summary>
    /// <exception cref="BadHttpRequestException">It is.</exception>
    public static void Require(HttpContext http, ImmutableArray<string> allowed)
    {
        var given = http.Request.ContentType;
        if (MediaTypeHeaderValue.TryParse(given, out var type) && allowed.Contains(type.MediaType.Value ?? "", StringComparer.OrdinalIgnoreCase))
            return;
        throw new BadHttpRequestException($"The body's Content-Type is {Refusal.Show(given ?? "")}; allowed: {string.Join(", ", allowed)}.", StatusCodes.Status415UnsupportedMediaType);
    }

    /// <summary>Reads a body.</summary>
    /// <param name="http">The call.</param>
    /// <param name="most">Most bytes.</param>
    /// <exception cref="BadHttpRequestException">It is larger, or does not come as it should.</exception>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext http, int most)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = most + Dropped;
        while (true)
        {
            var result = await http.Request.BodyReader.ReadAsync(http.RequestAborted);
            if (result.Buffer.Length > most)
            {
                http.Request.BodyReader.AdvanceTo(result.Buffer.End);
                throw new BadHttpRequestException($"The body has more than {most:#,0} bytes, which is the most here.", StatusCodes.Status413PayloadTooLarge);
            }
            if (result.IsCompleted)
            {
                var body = result.Buffer.ToArray();
                http.Request.BodyReader.AdvanceTo(result.Buffer.End);
                return body;
            }
            http.Request.BodyReader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    /// <summary>A JSON object, of which every name and text can be read.</summary>
    /// <exception cref="Grpc.Core.RpcException">It is none.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> body)
    {
        JsonDocument? json = null;
        try
        {
            json = JsonDocument.Parse(body, Strict);
            ReadTexts(json.RootElement);
        }
        catch (JsonException exception)
        {
            throw Refusal.Invalid($"The body is not JSON: {Refusal.Plain(exception.Message)}");
        }
        catch (InvalidOperationException)
        {
            // Escapes are not looked at before they are read.
            json?.Dispose();
            throw Refusal.Invalid("The body is not JSON: a name or a text in it has half of a surrogate pair, so it is not Unicode.");
        }
        if (json.RootElement.ValueKind == JsonValueKind.Object)
            return json;
        using (json)
            throw Refusal.Invalid($"The body is a JSON {json.RootElement.ValueKind.ToString().ToLowerInvariant()}; an object is needed.");
    }

    private static void ReadTexts(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                    ReadTexts(item);
                break;
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    _ = property.Name;
                    ReadTexts(property.Value);
                }
                break;
            default:
                break;
        }
    }
}
