using System.Collections.Frozen;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using Google.Protobuf.Reflection;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Rest.OpenApi;

/// <summary>The comments of the .proto files, as the documentation of the generated code has them; without its file there are none.</summary>
internal sealed partial class ProtoComments
{
    private readonly FrozenDictionary<string, string> _members = Load();

    /// <summary>What a method does; null without a comment.</summary>
    public string? Of(MethodDescriptor method)
    {
        var (outer, file) = (method.Service.Name, typeof(Job).Namespace);
        return _members.GetValueOrDefault($"M:{file}.{outer}.{outer}Base.{method.Name}");
    }

    /// <summary>What a message is; null without a comment.</summary>
    public string? Of(MessageDescriptor message) => _members.GetValueOrDefault("T:" + Name(message.ClrType));

    /// <summary>What a field is; null without a comment.</summary>
    public string? Of(FieldDescriptor field) => _members.GetValueOrDefault($"P:{Name(field.ContainingType.ClrType)}.{PropertyName(field)}");

    private static string Name(Type type) => type.FullName!.Replace('+', '.');

    private static string PropertyName(FieldDescriptor field)
    {
        var name = char.ToUpperInvariant(field.JsonName[0]) + field.JsonName[1..];
        // As the generator names a property that has its message's name.
        return name == field.ContainingType.Name ? name + "_" : name;
    }

    private static FrozenDictionary<string, string> Load()
    {
        var file = Path.ChangeExtension(typeof(Job).Assembly.Location, ".xml");
        if (!File.Exists(file))
            return FrozenDictionary<string, string>.Empty;
        try
        {
            return XDocument.Load(file).Descendants("member")
                .Select(member => (Name: member.Attribute("name")?.Value.Split('(')[0] ?? "", Text: Spaces().Replace(member.Element("summary")?.Value ?? "", " ").Trim()))
                .Where(member => member.Text.Length > 0)
                .DistinctBy(member => member.Name)
                .ToFrozenDictionary(member => member.Name, member => member.Text, StringComparer.Ordinal);
        }
        catch (Exception exception) when (exception is XmlException or IOException or UnauthorizedAccessException)
        {
            return FrozenDictionary<string, string>.Empty;
        }
    }

    [GeneratedRegex("\\s+", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Spaces();
}
