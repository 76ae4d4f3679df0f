using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace Linformer.Cli.Views;

/// <summary>
/// Messages as JSON for programs: the protos' field names in camelCase, numbers as numbers, states as lower-case words,
/// times as RFC 3339, embedded JSON documents as values. Fields that are not set at all are left out.
/// </summary>
internal static class ProtoJson
{
    /// <summary>A message as a JSON object.</summary>
    public static JsonObject Of(IMessage message)
    {
        var result = new JsonObject();
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder())
        {
            if (field.HasPresence && !field.Accessor.HasValue(message))
                continue;
            result[field.JsonName] = Value(field, field.Accessor.GetValue(message));
        }

        return result;
    }

    /// <summary>A message as one line of JSON.</summary>
    public static string Line(IMessage message) => Of(message).ToJsonString(CommandContext.JsonOptions);

    /// <summary>The word for a value of an enum, which each value begins with its enum's name: RUNNING of JOB_STATE_RUNNING.</summary>
    /// <param name="enumeration">The enum.</param>
    /// <param name="number">Its value.</param>
    public static string Word(EnumDescriptor enumeration, int number)
    {
        if (enumeration.FindValueByNumber(number) is not { } value)
            return $"{number}"; // of a newer protocol
        var prefix = enumeration.Values[0].Name[..^"UNSPECIFIED".Length];
        return value.Name[prefix.Length..].ToLowerInvariant();
    }

    private static JsonNode? Value(FieldDescriptor field, object? value)
    {
        if (field.IsRepeated)
        {
            var list = new JsonArray();
            foreach (var item in (System.Collections.IEnumerable)value!)
                list.Add(One(field, item));
            return list;
        }

        return One(field, value);
    }

    private static JsonNode? One(FieldDescriptor field, object? value) => value switch
    {
        null => null,
        Timestamp time => JsonValue.Create(time.ToDateTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'")),
        IMessage message => Of(message),
        string text when field.Name is "job_file" or "resolved_job" => Embedded(text),
        string text => JsonValue.Create(text),
        bool flag => JsonValue.Create(flag),
        int number => JsonValue.Create(number),
        long number => JsonValue.Create(number),
        double number => JsonSerializer.SerializeToNode(number, CommandContext.JsonOptions), // "NaN" is not a JSON number
        ByteString bytes => JsonValue.Create(bytes.ToBase64()),
        System.Enum => JsonValue.Create(Word(field.EnumType, Convert.ToInt32(value))),
        _ => throw new NotSupportedException($"{field.FullName} is a {field.FieldType}, which is not written as JSON."),
    };

    private static JsonNode? Embedded(string text)
    {
        try
        {
            return JsonNode.Parse(text.Length > 0 ? text : "null");
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }
}
