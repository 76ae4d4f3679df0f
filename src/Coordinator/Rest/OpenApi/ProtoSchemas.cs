using System.Text.Json.Nodes;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Linformer.Protocol.Wire;

namespace Linformer.Coordinator.Rest.OpenApi;

/// <summary>JSON Schemas of messages as <see cref="ProtoJson"/> writes them, gathered as components that refer to each other.</summary>
internal sealed class ProtoSchemas(ProtoComments comments)
{
    private const string Prefix = "#/components/schemas/";
    private const string Number = "Number";

    /// <summary>The schemas by their names.</summary>
    public JsonObject Components { get; } = new()
    {
        [Number] = new JsonObject
        {
            ["description"] = "A number that may be what JSON has no word for.",
            ["oneOf"] = new JsonArray(new JsonObject { ["type"] = "number" }, new JsonObject { ["type"] = "string", ["enum"] = new JsonArray("NaN", "Infinity", "-Infinity") }),
        },
    };

    /// <summary>A reference to a component.</summary>
    public static JsonObject Reference(string name) => new() { ["$ref"] = Prefix + name };

    /// <summary>A reference to a message's schema.</summary>
    public JsonObject Of(MessageDescriptor message)
    {
        if (!Components.ContainsKey(message.Name))
        {
            // Before its fields: a message may hold itself.
            Components[message.Name] = new JsonObject();
            var fields = message.Fields.InDeclarationOrder();
            var schema = Properties(fields.Select(field => (field.JsonName, field)));
            // A field without presence is always written.
            schema["required"] = new JsonArray([.. fields.Where(field => !field.HasPresence).Select(field => (JsonNode)field.JsonName)]);
            Components[message.Name] = Described(schema, comments.Of(message));
        }
        return Reference(message.Name);
    }

    /// <summary>The schema of an object of some fields.</summary>
    public JsonObject Properties(IEnumerable<(string Name, FieldDescriptor Field)> fields)
    {
        var properties = new JsonObject();
        foreach (var (name, field) in fields)
            properties[name] = Described(Of(field, answers: true), comments.Of(field));
        return new JsonObject { ["type"] = "object", ["properties"] = properties };
    }

    /// <summary>The schema of a field.</summary>
    /// <param name="field">The field.</param>
    /// <param name="answers">Whether it is that of an answer, which has a word for an enum's value that is not set.</param>
    public JsonObject Of(FieldDescriptor field, bool answers)
    {
        if (field.IsMap)
            return new JsonObject { ["type"] = "object", ["additionalProperties"] = Of(field.MessageType.FindFieldByNumber(2), answers) };
        var one = One(field, answers);
        return field.IsRepeated ? new JsonObject { ["type"] = "array", ["items"] = one } : one;
    }

    /// <summary>A schema with a description; one that is a reference may have one beside it.</summary>
    public static JsonObject Described(JsonObject schema, string? description)
    {
        if (description is not null)
            schema["description"] = description;
        return schema;
    }

    private JsonObject One(FieldDescriptor field, bool answers) => field.FieldType switch
    {
        FieldType.String when ProtoJson.IsEmbedded(field) => [],
        FieldType.String => new JsonObject { ["type"] = "string" },
        FieldType.Bool => new JsonObject { ["type"] = "boolean" },
        FieldType.Int32 => new JsonObject { ["type"] = "integer", ["format"] = "int32" },
        FieldType.Int64 => new JsonObject { ["type"] = "integer", ["format"] = "int64" },
        FieldType.Double => Reference(Number),
        FieldType.Bytes => new JsonObject { ["type"] = "string", ["contentEncoding"] = "base64" },
        FieldType.Enum => new JsonObject { ["type"] = "string", ["enum"] = Words(field.EnumType, answers) },
        FieldType.Message when field.MessageType == Timestamp.Descriptor => new JsonObject { ["type"] = "string", ["format"] = "date-time" },
        FieldType.Message => Of(field.MessageType),
        _ => throw new NotSupportedException($"{field.FullName} is a {field.FieldType}, which is not written as JSON."),
    };

    private static JsonArray Words(EnumDescriptor enumeration, bool answers) =>
        [.. (answers ? enumeration.Values.Select(ProtoJson.Word) : FieldValues.Words(enumeration)).Select(word => (JsonNode)word)];
}
