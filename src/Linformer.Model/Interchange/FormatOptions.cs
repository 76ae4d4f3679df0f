using System.Text.Json.Nodes;

namespace Linformer.Model.Interchange;

/// <summary>The constructor arguments of another project's model, which its state dict does not have.</summary>
/// <param name="values">By their names in that project.</param>
/// <param name="source">Where they come from, for messages.</param>
/// <param name="prefix">What the names begin with there, but those of <paramref name="common"/>.</param>
/// <param name="common">Names without the prefix.</param>
internal sealed class FormatOptions(JsonObject values, string source, string prefix = "", params string[] common)
{
    public bool Has(string name) => Value(name) is not null;

    /// <summary>What an option is called there.</summary>
    public string NameOf(string name) => common.Contains(name) ? name : prefix + name;

    /// <summary>The options of a part of the model, which have a prefix, but for some that all parts share.</summary>
    public FormatOptions Part(string prefix, params string[] common) => new(values, source, prefix, common);

    /// <summary>Refuses what a format does not know.</summary>
    public void AllowOnly(params string[] names)
    {
        if (values.FirstOrDefault(item => !names.Contains(item.Key)).Key is { } strange)
        {
            throw new ModelFormatException($"{source}: '{strange}' is not an option of this format; there are {string.Join(", ", names)}.");
        }
    }

    public int Whole(string name, int absent) => !Has(name) ? absent
        : Value(name) is JsonValue value && value.TryGetValue<int>(out var number) ? number
        : throw Wrong(name, "a whole number");

    public int Whole(string name) => Has(name) ? Whole(name, 0) : throw new ModelFormatException($"{source}: '{NameOf(name)}' is missing; it cannot be told from the tensors. Give it with --options.");

    public double Number(string name, double absent) => !Has(name) ? absent
        : Value(name) is JsonValue value && value.TryGetValue<double>(out var number) ? number
        : throw Wrong(name, "a number");

    /// <summary>A truth value; fairseq writes 0 and 1.</summary>
    public bool Flag(string name, bool absent = false) => !Has(name) ? absent
        : Value(name) is JsonValue value && value.TryGetValue<bool>(out var flag) ? flag
        : Value(name) is JsonValue digit && digit.TryGetValue<int>(out var number) && number is 0 or 1 ? Whole(name, 0) == 1
        : throw Wrong(name, "true or false");

    public string Text(string name, string absent) => !Has(name) ? absent
        : Value(name) is JsonValue value && value.TryGetValue<string>(out var text) ? text
        : throw Wrong(name, "a text");

    /// <summary>One of a few texts.</summary>
    public T OneOf<T>(string name, T absent, params (string Name, T Value)[] choices)
    {
        if (!Has(name))
        {
            return absent;
        }

        var text = Text(name, string.Empty);
        var found = Array.FindIndex(choices, choice => choice.Name == text);
        return found >= 0 ? choices[found].Value
            : throw new ModelFormatException($"{source}: {NameOf(name)} is '{text}', which is not supported; supported are {string.Join(", ", choices.Select(choice => choice.Name))}.");
    }

    /// <summary>Refuses an option that says something else than the tensors do.</summary>
    public void CheckSame(string name, bool told, string path)
    {
        if (Flag(name, told) != told)
        {
            throw new ModelFormatException($"{source}: {NameOf(name)} is {Value(name)!.ToJsonString()}, and the tensors in {path} say otherwise.");
        }
    }

    /// <summary>Refuses an option that a Linformer here does not have.</summary>
    public void Refuse(string name, string why)
    {
        if (Has(name) && Value(name)!.ToJsonString() is not ("false" or "0"))
        {
            throw new ModelFormatException($"{source}: {NameOf(name)} is {Value(name)!.ToJsonString()}, which is not supported: {why}");
        }
    }

    private JsonNode? Value(string name) => values[NameOf(name)];

    private ModelFormatException Wrong(string name, string expected) => new($"{source}: {NameOf(name)} is {Value(name)!.ToJsonString()}; {expected} is expected.");
}
