using System.Reflection;
using System.Xml.Linq;

namespace Linformer.Protocol;

/// <summary>The summaries of the job file's records: what its fields mean, for the reference page and the JSON Schema.</summary>
internal sealed class JobFileSummaries
{
    private readonly Dictionary<string, string> _byMember;

    private JobFileSummaries(Dictionary<string, string> byMember) => _byMember = byMember;

    /// <summary>Reads the XML documentation that was built with this assembly.</summary>
    /// <exception cref="FileNotFoundException">It is not beside the assembly.</exception>
    public static JobFileSummaries Read()
    {
        var name = Assembly.GetExecutingAssembly().GetName().Name;
        return new JobFileSummaries(XDocument.Load(Path.Combine(AppContext.BaseDirectory, $"{name}.xml"))
            .Descendants("member")
            .Where(member => member.Element("summary") is not null)
            .ToDictionary(
                member => member.Attribute("name")!.Value,
                member => string.Join(' ', member.Element("summary")!.Value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)),
                StringComparer.Ordinal));
    }

    /// <summary>What a field means.</summary>
    public string Of(FieldSchema field) => _byMember[$"P:{field.Property.DeclaringType!.FullName}.{field.Property.Name}"];
}
