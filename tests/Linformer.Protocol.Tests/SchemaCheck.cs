using System.Text.Json;
using System.Text.RegularExpressions;

namespace Linformer.Protocol.Tests;

/// <summary>As much of JSON Schema as the job file's uses; a keyword that it does not know fails the test.</summary>
internal static class SchemaCheck
{
    private static readonly HashSet<string> Annotations = ["$schema", "title", "description", "default"];

    /// <summary>Paths of what the schema refuses.</summary>
    public static List<string> Errors(JsonElement schema, JsonElement value, string path = "")
    {
        var errors = new List<string>();
        foreach (var keyword in schema.EnumerateObject().Where(keyword => !Annotations.Contains(keyword.Name)))
        {
            if (!Holds(keyword.Name, keyword.Value, value))
                errors.Add($"{path}: {keyword.Name}");
        }
        if (value.ValueKind == JsonValueKind.Object && schema.TryGetProperty("properties", out var properties))
        {
            foreach (var field in value.EnumerateObject())
            {
                if (properties.TryGetProperty(field.Name, out var inner))
                    errors.AddRange(Errors(inner, field.Value, $"{path}.{field.Name}"));
                else if (schema.TryGetProperty("additionalProperties", out var more) && !more.GetBoolean())
                    errors.Add($"{path}.{field.Name}: additionalProperties");
            }
        }
        if (value.ValueKind == JsonValueKind.Array && schema.TryGetProperty("items", out var items))
            errors.AddRange(value.EnumerateArray().SelectMany((item, i) => Errors(items, item, $"{path}[{i}]")));
        return errors;
    }

    private static bool Holds(string keyword, JsonElement rule, JsonElement value) => keyword switch
    {
        "type" => IsOfType(rule.GetString()!, value),
        "enum" => rule.EnumerateArray().Any(choice => choice.GetString() == (value.ValueKind == JsonValueKind.String ? value.GetString() : null)),
        "required" => value.ValueKind != JsonValueKind.Object || rule.EnumerateArray().All(name => value.TryGetProperty(name.GetString()!, out _)),
        "minimum" => value.ValueKind != JsonValueKind.Number || value.GetDouble() >= rule.GetDouble(),
        "maximum" => value.ValueKind != JsonValueKind.Number || value.GetDouble() <= rule.GetDouble(),
        "exclusiveMinimum" => value.ValueKind != JsonValueKind.Number || value.GetDouble() > rule.GetDouble(),
        "exclusiveMaximum" => value.ValueKind != JsonValueKind.Number || value.GetDouble() < rule.GetDouble(),
        "minItems" => value.ValueKind != JsonValueKind.Array || value.GetArrayLength() >= rule.GetInt32(),
        "maxItems" => value.ValueKind != JsonValueKind.Array || value.GetArrayLength() <= rule.GetInt32(),
        "maxLength" => value.ValueKind != JsonValueKind.String || value.GetString()!.EnumerateRunes().Count() <= rule.GetInt32(),
        "pattern" => value.ValueKind != JsonValueKind.String || Regex.IsMatch(value.GetString()!, rule.GetString()!, RegexOptions.ECMAScript, TimeSpan.FromSeconds(10)),
        "not" => Errors(rule, value).Count > 0,
        "anyOf" => rule.EnumerateArray().Any(choice => Errors(choice, value).Count == 0),
        "dependentSchemas" => value.ValueKind != JsonValueKind.Object
            || rule.EnumerateObject().All(part => !value.TryGetProperty(part.Name, out _) || Errors(part.Value, value).Count == 0),
        "properties" or "items" or "additionalProperties" => true,
        _ => throw new NotSupportedException($"The schema has the keyword {keyword}."),
    };

    private static bool IsOfType(string type, JsonElement value) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "number" => value.ValueKind == JsonValueKind.Number,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "integer" => value.ValueKind == JsonValueKind.Number && double.IsInteger(value.GetDouble()),
        _ => throw new NotSupportedException($"The schema has the type {type}."),
    };
}
