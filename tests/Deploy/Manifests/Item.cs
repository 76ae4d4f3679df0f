using YamlDotNet.RepresentationModel;

namespace Deploy.Manifests;

/// <summary>A part of a manifest; one that is not there is empty, so that a path can be followed without asking at every step.</summary>
internal readonly struct Item(YamlNode? node)
{
    public YamlNode? Node { get; } = node;

    public bool IsThere => Node is not null;

    /// <summary>The text of a scalar; empty for what is not there.</summary>
    public string Text => Node is YamlScalarNode scalar ? scalar.Value ?? "" : "";

    public int Number => int.Parse(Text, System.Globalization.CultureInfo.InvariantCulture);

    public IEnumerable<Item> List => Node is YamlSequenceNode sequence ? sequence.Children.Select(child => new Item(child)) : [];

    public IEnumerable<(string Key, Item Value)> Map =>
        Node is YamlMappingNode mapping ? mapping.Children.Select(child => (((YamlScalarNode)child.Key).Value!, new Item(child.Value))) : [];

    /// <summary>The field of a mapping.</summary>
    public Item this[string key] => Node is YamlMappingNode mapping && mapping.Children.TryGetValue(key, out var child) ? new Item(child) : default;

    /// <summary>
    /// Follows a path of fields and items of lists, such as <c>spec/containers/0/args/--name</c>; a slash within a field's name is
    /// written <c>|</c>.
    /// </summary>
    public Item At(string path) => path.Split('/').Select(step => step.Replace('|', '/')).Aggregate(this, (item, step) =>
        item.Node is YamlSequenceNode sequence ? Place(sequence, step) is var place and >= 0 ? new Item(sequence.Children[place]) : default : item[step]);

    /// <summary>Where an item of a list is: by its number, by its <c>name</c>, or by the option that it sets; -1 if it is not there.</summary>
    public static int Place(YamlSequenceNode sequence, string step)
    {
        if (int.TryParse(step, System.Globalization.CultureInfo.InvariantCulture, out var number))
            return number < sequence.Children.Count ? number : -1;
        var items = sequence.Children.Select(child => new Item(child)).ToList();
        return items.FindIndex(item => item["name"].Text == step || item.Text.Split('=')[0] == step);
    }

    /// <summary>The pairs of a mapping of texts.</summary>
    public Dictionary<string, string> Pairs() => Map.ToDictionary(pair => pair.Key, pair => pair.Value.Text);

    /// <summary>As JSON values: mappings, lists, texts, numbers, booleans and null, after YAML's rules for plain scalars.</summary>
    public object? ToValue() => Node switch
    {
        YamlMappingNode => Map.ToDictionary(pair => pair.Key, pair => pair.Value.ToValue()),
        YamlSequenceNode => List.Select(item => item.ToValue()).ToList(),
        YamlScalarNode { Style: YamlDotNet.Core.ScalarStyle.Plain } plain => plain.Value switch
        {
            null or "" or "null" or "~" => null,
            "true" => true,
            "false" => false,
            var text when long.TryParse(text, out var number) => number,
            var text => text,
        },
        YamlScalarNode scalar => scalar.Value,
        _ => null,
    };
}
