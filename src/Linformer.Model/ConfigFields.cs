using System.Text.Json.Nodes;

namespace Linformer.Model;

/// <summary>Reads the fields of <c>config.json</c>; what is not as it should be is named with the file, the field and its value.</summary>
/// <param name="fields">The fields.</param>
/// <param name="path">The file's path, for messages.</param>
internal sealed class ConfigFields(JsonObject fields, string path)
{
    public bool Has(string name) => fields.ContainsKey(name);

    public T Number<T>(string name) =>
        fields[name] is JsonValue value && value.TryGetValue<T>(out var number)
            ? number
            : throw Wrong(name, $"a {(typeof(T) == typeof(int) ? "whole " : "")}number");

    public T Number<T>(string name, T absent) => Has(name) ? Number<T>(name) : absent;

    public double? NumberOrNull(string name) => Has(name) ? Number<double>(name) : null;

    public int? WholeOrNull(string name) => Has(name) ? Number<int>(name) : null;

    public bool Flag(string name, bool absent)
    {
        if (!Has(name))
        {
            return absent;
        }

        return fields[name] is JsonValue value && value.TryGetValue<bool>(out var flag) ? flag : throw Wrong(name, "true or false");
    }

    public string Text(string name) =>
        fields[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw Wrong(name, "a text");

    public PerLayer? List(string name)
    {
        if (!Has(name))
        {
            return null;
        }

        var items = fields[name] as JsonArray ?? throw Wrong(name, "a list of whole numbers");
        return PerLayer.Of([.. items.Select(item => item is JsonValue value && value.TryGetValue<int>(out var number) ? number : throw Wrong(name, "a list of whole numbers"))]);
    }

    /// <summary>The fields of an object in this one.</summary>
    public ConfigFields Inner(string name) => new(fields[name] as JsonObject ?? throw Wrong(name, "an object"), $"{path}: {name}");

    public T OneOf<T>(string name, IReadOnlyDictionary<T, string> names)
        where T : struct, Enum
    {
        var text = Text(name);
        foreach (var (value, valueName) in names)
        {
            if (valueName == text)
            {
                return value;
            }
        }

        throw new ModelFormatException($"{path}: {name} is '{text}'; allowed are {string.Join(", ", names.Values)}.");
    }

    public T OneOf<T>(string name, IReadOnlyDictionary<T, string> names, T absent)
        where T : struct, Enum =>
        Has(name) ? OneOf(name, names) : absent;

    /// <summary>Refuses a shape that cannot be built.</summary>
    public void Check(LinformerConfig config)
    {
        try
        {
            config.Validate();
        }
        catch (ArgumentException e)
        {
            throw new ModelFormatException($"{path}: {e.Message}", e);
        }
    }

    private ModelFormatException Wrong(string name, string expected) =>
        new($"{path}: {name} is {fields[name]?.ToJsonString() ?? "missing"}; {expected} is expected.");
}
