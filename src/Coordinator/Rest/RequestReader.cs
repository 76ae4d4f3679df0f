using Google.Protobuf;
using Google.Protobuf.Reflection;
using Linformer.Coordinator.Services.Guard;
using Linformer.Protocol;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Rest;

/// <summary>Makes a method's message of a call's path, query and body.</summary>
internal sealed class RequestReader
{
    private const int MaxBody = 64 << 10;
    private const int MaxParameters = 64;
    private const string JobFile = "jobFile";
    private const string Key = "idempotencyKey";
    private const string KeyHeader = "Idempotency-Key";

    private readonly RestRoute _route;
    private readonly Dictionary<string, FieldDescriptor> _path;
    private readonly Dictionary<string, FieldDescriptor> _free;
    private readonly MessageDescriptor _message;

    /// <summary>Reads calls of a route.</summary>
    /// <param name="route">The route.</param>
    /// <param name="message">The message of its method.</param>
    public RequestReader(RestRoute route, MessageDescriptor message)
    {
        (_route, _message) = (route, message);
        var byName = message.Fields.InDeclarationOrder().ToDictionary(field => field.JsonName, StringComparer.Ordinal);
        _path = route.PathNames.ToDictionary(name => name, name => byName[name], StringComparer.Ordinal);
        var names = route.Renamed.ToDictionary(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal);
        _free = byName.Values
            .Where(field => !route.Hidden.Contains(field.JsonName) && !_path.ContainsKey(field.JsonName) && !(route.Body == RestBody.JobFile && field.JsonName is JobFile or Key))
            .ToDictionary(field => names.GetValueOrDefault(field.JsonName, field.JsonName), StringComparer.Ordinal);
    }

    /// <summary>The fields in the path, by their names.</summary>
    public IReadOnlyDictionary<string, FieldDescriptor> PathFields => _path;

    /// <summary>The fields that the query may have, by the names of their parameters.</summary>
    public IReadOnlyDictionary<string, FieldDescriptor> QueryFields => _route.Body == RestBody.Fields ? new Dictionary<string, FieldDescriptor>(StringComparer.Ordinal) : _free;

    /// <summary>The fields that the body may have, by their names.</summary>
    public IReadOnlyDictionary<string, FieldDescriptor> BodyFields => _route.Body == RestBody.Fields ? _free : new Dictionary<string, FieldDescriptor>(StringComparer.Ordinal);

    /// <summary>Reads a call.</summary>
    /// <exception cref="Grpc.Core.RpcException">Something in it is wrong.</exception>
    /// <exception cref="BadHttpRequestException">Its body is not what it should be.</exception>
    public async Task<IMessage> ReadAsync(HttpContext http)
    {
        var message = _message.Parser.ParseFrom(ReadOnlySpan<byte>.Empty);
        foreach (var (name, field) in _path)
            FieldValues.Set(message, field, name, http.Request.RouteValues[name] as string ?? "");
        ReadQuery(http.Request.Query, message);
        switch (_route.Body)
        {
            case RestBody.Fields:
                await ReadFieldsAsync(http, message);
                break;
            case RestBody.JobFile:
                await ReadJobFileAsync(http, message);
                break;
            default:
                break;
        }
        return message;
    }

    private void ReadQuery(IQueryCollection query, IMessage message)
    {
        foreach (var (name, values) in query)
        {
            if (!QueryFields.TryGetValue(name, out var field))
                throw Unknown("query parameter", name, QueryFields.Keys);
            if (values.Count > (field.IsRepeated ? MaxParameters : 1))
                throw Refusal.Invalid($"{name} is given {values.Count} times; at most {(field.IsRepeated ? MaxParameters : 1)} {(field.IsRepeated ? "are" : "is")} allowed.");
            foreach (var value in values)
                FieldValues.Set(message, field, name, value ?? "");
        }
    }

    private async Task ReadFieldsAsync(HttpContext http, IMessage message)
    {
        var body = await RequestBody.ReadAsync(http, MaxBody);
        if (body.Length == 0)
            return;
        RequestBody.Require(http, RequestBody.Json);
        using var json = RequestBody.Parse(body);
        foreach (var property in json.RootElement.EnumerateObject())
        {
            if (!_free.TryGetValue(property.Name, out var field))
                throw Unknown("field", property.Name, _free.Keys);
            FieldValues.Set(message, field, property.Value);
        }
    }

    private async Task ReadJobFileAsync(HttpContext http, IMessage message)
    {
        RequestBody.Require(http, RequestBody.JobFiles);
        var fields = _message.Fields.InDeclarationOrder();
        fields.First(field => field.JsonName == JobFile).Accessor.SetValue(message, UnsafeByteOperations.UnsafeWrap(await RequestBody.ReadAsync(http, JobFileParser.MaxBytes)));
        // Without one, a submission is one of its own.
        if (fields.FirstOrDefault(field => field.JsonName == Key) is { } key)
            key.Accessor.SetValue(message, http.Request.Headers[KeyHeader] is [{ } given, ..] ? given : Guid.NewGuid().ToString());
    }

    private static Grpc.Core.RpcException Unknown(string kind, string name, IEnumerable<string> allowed)
    {
        var names = string.Join(", ", allowed);
        return Refusal.Invalid($"There is no {kind} {Refusal.Show(name)} here; allowed: {(names.Length == 0 ? "none" : names)}.");
    }
}
