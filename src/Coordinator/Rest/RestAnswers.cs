using Google.Protobuf;
using Linformer.Protocol.Wire;
using Microsoft.AspNetCore.Http;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest;

/// <summary>Makes an answer over HTTP of the messages of a method's answer.</summary>
internal interface IRestAnswer : IAsyncDisposable
{
    /// <summary>Takes a message.</summary>
    Task SendAsync(IMessage message, CancellationToken cancellationToken);

    /// <summary>All messages were there.</summary>
    /// <param name="request">What was asked for.</param>
    Task CompleteAsync(IMessage request);
}

/// <summary>The kinds of answers.</summary>
internal static class RestAnswers
{
    private const string JsonType = "application/json; charset=utf-8";

    /// <summary>Begins the answer of a route.</summary>
    public static IRestAnswer Begin(HttpContext http, RestRoute route) => route.Answer switch
    {
        RestAnswer.Json or RestAnswer.Submission => new JsonAnswer(http, route.Answer),
        RestAnswer.LogText => new LogTextAnswer(http, Name(http, "job")),
        RestAnswer.MetricsCsv => new MetricsCsvAnswer(http, Name(http, "job")),
        RestAnswer.Tar => new TarAnswer(http, http.Request.RouteValues.ContainsKey("checkpoint") ? $"{Name(http, "job")}-{Name(http, "checkpoint")}" : Name(http, "job")),
        _ => throw new NotSupportedException($"{route.Answer} is no kind of answer."),
    };

    /// <summary>Writes a whole answer of JSON.</summary>
    public static Task WriteJsonAsync(HttpContext http, ReadOnlyMemory<byte> json, string type = JsonType)
    {
        http.Response.ContentType = type;
        http.Response.ContentLength = json.Length;
        return http.Response.BodyWriter.WriteAsync(json, http.RequestAborted).AsTask();
    }

    // As a file may be called, whatever the path says.
    private static string Name(HttpContext http, string part) =>
        string.Concat((http.Request.RouteValues[part] as string ?? "").Select(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' ? character : '_'));

    private sealed class JsonAnswer(HttpContext http, RestAnswer kind) : IRestAnswer
    {
        private IMessage? _message;

        public Task SendAsync(IMessage message, CancellationToken cancellationToken)
        {
            _message = message;
            return Task.CompletedTask;
        }

        public Task CompleteAsync(IMessage request)
        {
            if (kind == RestAnswer.Submission && _message is Proto.SubmitResponse { Job.Id: { Length: > 0 } id, Existed: var existed })
            {
                http.Response.StatusCode = existed ? StatusCodes.Status200OK : StatusCodes.Status201Created;
                http.Response.Headers.Location = RestRoute.Root + "jobs/" + Uri.EscapeDataString(id);
            }
            return WriteJsonAsync(http, ProtoJson.Utf8(_message!));
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
