using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Coordinator.Rest.Streaming;
using Linformer.Coordinator.Services;
using Linformer.Protocol.V1;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Rest.OpenApi;

/// <summary>The description of the HTTP API by OpenAPI 3.1, made of the table of routes and the descriptors of the messages.</summary>
internal sealed class OpenApiDocument
{
    /// <summary>Where.</summary>
    public const string Pattern = "/openapi/v1.json";

    private const string Json = "application/json";
    private const string About =
        "Errors are application/problem+json with a code. A call shows a user token as 'Authorization: Bearer TOKEN', or comes from a browser that has logged in; "
        + "one that changes something without the former needs the header 'X-Linformer: 1'. A job is named by its id, or by its name: then its newest is meant.";

    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly ImmutableArray<Other> Others =
    [
        new("POST", SessionRoutes.Pattern, "Session/LogIn", "Takes a user token, {\"token\": TEXT}, and gives a cookie for it.", "204", null, null),
        new("DELETE", SessionRoutes.Pattern, "Session/LogOut", "Takes the cookie back.", "204", null, null),
        new("GET", EventStream.Pattern, "Stream/Open", "Server-sent events of all topics that are asked for.", "200", "text/event-stream", "topic"),
        new("GET", FormAnswers.SchemaPattern, "Forms/Schema", "The JSON Schema of job files.", "200", "application/schema+json", null),
        new("GET", FormAnswers.PresetsPattern, "Forms/Presets", "Job files to begin with: a list of {name, title, description, yaml}.", "200", Json, null),
        new("GET", Pattern, "Forms/OpenApi", "This document.", "200", Json, null),
    ];

    private readonly ProtoComments _comments = new();
    private readonly ProtoSchemas _schemas;
    private readonly ReadOnlyMemory<byte> _document;

    /// <summary>Makes the document.</summary>
    public OpenApiDocument(RestMethods methods)
    {
        _schemas = new ProtoSchemas(_comments);
        var paths = new JsonObject();
        foreach (var route in RestRoutes.All)
            Add(paths, route.Pattern, route.Verb, Operation(route, methods[route.Method]));
        foreach (var other in Others)
            Add(paths, other.Path, other.Verb, Operation(other));
        _schemas.Of(JobFileProblem.Descriptor);
        _schemas.Components["Problem"] = ProblemSchema();
        _document = Encoding.UTF8.GetBytes(new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject { ["title"] = "Linformer", ["version"] = ClusterService.Version, ["description"] = About },
            ["security"] = new JsonArray(new JsonObject { ["token"] = new JsonArray() }, new JsonObject { ["session"] = new JsonArray() }, new JsonObject()),
            ["paths"] = paths,
            ["components"] = new JsonObject
            {
                ["schemas"] = _schemas.Components,
                ["responses"] = new JsonObject
                {
                    ["Problem"] = new JsonObject { ["description"] = "What is wrong.", ["content"] = Content(Problem.ContentType, ProtoSchemas.Reference("Problem")) },
                },
                ["securitySchemes"] = new JsonObject
                {
                    ["token"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" },
                    ["session"] = new JsonObject { ["type"] = "apiKey", ["in"] = "cookie", ["name"] = SessionCookie.Name, ["description"] = $"By TLS its name is {SessionCookie.HostName}." },
                },
            },
        }.ToJsonString(Options));
    }

    /// <summary>Answers with the document.</summary>
    public Task AnswerAsync(HttpContext http) => RestAnswers.WriteJsonAsync(http, _document);

    private static void Add(JsonObject paths, string path, string verb, JsonObject operation)
    {
        if (paths[path] is not JsonObject item)
            paths[path] = item = [];
        item[verb.ToLowerInvariant()] = operation;
    }

    private JsonObject Operation(RestRoute route, RestMethod method)
    {
        var reader = new RequestReader(route, method.Descriptor.InputType);
        var parameters = new JsonArray();
        foreach (var (name, field) in reader.PathFields)
            parameters.Add(Parameter(name, "path", ProtoSchemas.Described(_schemas.Of(field, answers: false), _comments.Of(field)), required: true));
        foreach (var (name, field) in reader.QueryFields)
            parameters.Add(Parameter(name, "query", ProtoSchemas.Described(_schemas.Of(field, answers: false), _comments.Of(field)), required: false));
        var operation = Start(route.Method, route.Verb, _comments.Of(method.Descriptor) ?? "");
        if (route is { Body: RestBody.JobFile, Method: "Jobs/Submit" })
            parameters.Add(Parameter("Idempotency-Key", "header", new JsonObject { ["type"] = "string" }, required: false));
        if (route.Verb != HttpMethods.Get)
            parameters.Add(PageHeader(required: false));
        if (parameters.Count > 0)
            operation["parameters"] = parameters;
        if (Body(route, reader) is { } body)
            operation["requestBody"] = body;
        operation["description"] = (operation["description"]?.ToString() + $" For the role {ProtoRole(method.Rule.Role)}.").Trim();
        operation["responses"] = route.Answer switch
        {
            RestAnswer.Submission => Responses(("201", Json, _schemas.Of(method.Descriptor.OutputType)), ("200", Json, _schemas.Of(method.Descriptor.OutputType))),
            RestAnswer.LogText => Responses(("200", "text/plain", Text())),
            RestAnswer.MetricsCsv => Responses(("200", "text/csv", Text())),
            RestAnswer.Tar => Responses(("200", "application/x-tar", [])),
            _ => Responses(("200", Json, _schemas.Of(method.Descriptor.OutputType))),
        };
        return operation;
    }

    private JsonObject? Body(RestRoute route, RequestReader reader)
    {
        switch (route.Body)
        {
            case RestBody.Fields:
                var fields = _schemas.Properties(reader.BodyFields.Select(field => (field.Key, field.Value)));
                fields["additionalProperties"] = false;
                return new JsonObject { ["content"] = Content(Json, fields) };
            case RestBody.JobFile:
                return new JsonObject
                {
                    ["required"] = true,
                    ["description"] = $"A job file; {FormAnswers.SchemaPattern} has its schema.",
                    ["content"] = new JsonObject { ["application/yaml"] = new JsonObject { ["schema"] = Text() }, [Json] = new JsonObject { ["schema"] = new JsonObject { ["type"] = "object" } } },
                };
            default:
                return null;
        }
    }

    private static JsonObject Operation(Other other)
    {
        var operation = Start(other.Id, other.Verb, other.Text);
        if (other.Topic is { } name)
        {
            var many = new JsonObject { ["type"] = "array", ["items"] = Text(), ["minItems"] = 1, ["maxItems"] = TopicName.Most };
            operation["parameters"] = new JsonArray(Parameter(name, "query", ProtoSchemas.Described(many, $"One or more of: {TopicName.Forms}."), required: true));
        }
        if (other.Verb != HttpMethods.Get)
            operation["parameters"] = new JsonArray(PageHeader(required: true));
        if (other.Id == "Session/LogIn")
        {
            operation["requestBody"] = new JsonObject
            {
                ["required"] = true,
                ["content"] = Content(Json, new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["token"] = Text() }, ["required"] = new JsonArray("token"), ["additionalProperties"] = false }),
            };
        }
        operation["responses"] = Responses((other.Status, other.Type, other.Type == Json ? [] : Text()));
        return operation;
    }

    private static JsonObject Start(string id, string verb, string text)
    {
        var parts = id.Split('/');
        var operation = new JsonObject { ["operationId"] = parts[0] + parts[1], ["tags"] = new JsonArray(parts[0]), ["summary"] = Summary(parts[1], verb) };
        if (text.Length > 0)
            operation["description"] = text;
        return operation;
    }

    // "MetricRange" as "Metric range".
    private static string Summary(string name, string verb)
    {
        var words = string.Concat(name.Select((letter, i) => i > 0 && char.IsUpper(letter) ? $" {char.ToLowerInvariant(letter)}" : $"{letter}"));
        return $"{words} ({verb})";
    }

    private static JsonObject Parameter(string name, string where, JsonObject schema, bool required)
    {
        var parameter = new JsonObject { ["name"] = name, ["in"] = where, ["required"] = required };
        if (schema.Remove("description", out var description))
            parameter["description"] = description;
        parameter["schema"] = schema;
        return parameter;
    }

    private static JsonObject PageHeader(bool required) => Parameter(
        HttpFront.Header,
        "header",
        ProtoSchemas.Described(
            new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("1") },
            required ? "Shows that no other site's page has sent the call." : "Shows that no other site's page has sent the call: required with the cookie and without authentication, not with 'Authorization: Bearer TOKEN'."),
        required);

    private static JsonObject Responses(params (string Status, string? Type, JsonObject Schema)[] answers)
    {
        var responses = new JsonObject();
        foreach (var (status, type, schema) in answers)
        {
            var response = new JsonObject { ["description"] = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(int.Parse(status, CultureInfo.InvariantCulture)) };
            if (type is not null)
                response["content"] = Content(type, schema);
            responses[status] = response;
        }
        responses["default"] = new JsonObject { ["$ref"] = "#/components/responses/Problem" };
        return responses;
    }

    private static JsonObject Content(string type, JsonObject schema) => new() { [type] = new JsonObject { ["schema"] = schema } };

    private static JsonObject Text() => new() { ["type"] = "string" };

    private static string ProtoRole(Role role) => Access.RoleNames.Of(role);

    private static JsonObject ProblemSchema() => new()
    {
        ["type"] = "object",
        ["description"] = "What is wrong with a call (RFC 9457).",
        ["required"] = new JsonArray("type", "title", "status", "detail", "code"),
        ["properties"] = new JsonObject
        {
            ["type"] = Text(),
            ["title"] = Text(),
            ["status"] = new JsonObject { ["type"] = "integer" },
            ["detail"] = ProtoSchemas.Described(Text(), "What is wrong, in words: the thing, its value, and what is allowed."),
            ["code"] = ProtoSchemas.Described(Text(), "A word for it, mostly that of gRPC's status, such as not_found."),
            ["problems"] = ProtoSchemas.Described(
                new JsonObject { ["type"] = "array", ["items"] = ProtoSchemas.Reference(nameof(JobFileProblem)) }, "All that is wrong with a job file."),
        },
    };

    // What is no method of gRPC.
    private sealed record Other(string Verb, string Path, string Id, string Text, string Status, string? Type, string? Topic);
}
