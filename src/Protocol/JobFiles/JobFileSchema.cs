using System.Reflection;
using System.Text;
using System.Text.Json;

namespace Linformer.Protocol;

/// <summary>
/// The fields of the job file, read once from the records and their <see cref="FieldAttribute"/>s.
/// Parsing, validation, writing and the reference page all walk this tree.
/// </summary>
internal static class JobFileSchema
{
    /// <summary>The whole file.</summary>
    public static SectionSchema Root { get; } = SectionSchema.Of(typeof(JobFile), "");

    /// <summary>Every field of every section, in the order of the file.</summary>
    public static IEnumerable<FieldSchema> AllFields(SectionSchema? section = null) =>
        (section ?? Root).Fields.SelectMany(field => field.Section is null ? [field] : AllFields(field.Section).Prepend(field));

    /// <summary>The name of an enum value in a job file: MaskedLm is masked-lm.</summary>
    public static string ChoiceName(object value)
    {
        var name = new StringBuilder();
        foreach (var character in value.ToString()!)
        {
            if (char.IsAsciiLetterUpper(character) && name.Length > 0)
                name.Append('-');
            name.Append(char.ToLowerInvariant(character));
        }
        return name.ToString();
    }
}

/// <summary>A mapping of the job file: one record.</summary>
internal sealed record SectionSchema(Type Type, string Path, IReadOnlyList<FieldSchema> Fields)
{
    /// <summary>The field of this name, or null.</summary>
    public FieldSchema? Find(string name) => Fields.FirstOrDefault(field => field.Name == name);

    /// <summary>Reads the fields of a record type.</summary>
    public static SectionSchema Of(Type type, string path)
    {
        var defaults = Activator.CreateInstance(type)!;
        var fields = type.GetProperties()
            .Select(property => (Property: property, Attribute: property.GetCustomAttribute<FieldAttribute>()))
            .Where(field => field.Attribute is not null)
            .Select(field => FieldSchema.Of(field.Property, field.Attribute!, path, defaults))
            .ToArray();
        return new SectionSchema(type, path, fields);
    }
}

/// <summary>What a value of the job file is.</summary>
internal enum FieldKind
{
    /// <summary>A mapping with fields of its own.</summary>
    Section,

    /// <summary>A whole number.</summary>
    WholeNumber,

    /// <summary>A finite number.</summary>
    Number,

    /// <summary>True or false.</summary>
    Flag,

    /// <summary>A text.</summary>
    Text,

    /// <summary>One of the names of an enum.</summary>
    Choice,

    /// <summary>A list of texts.</summary>
    TextList,

    /// <summary>A list of finite numbers.</summary>
    NumberList,

    /// <summary>A list of whole numbers.</summary>
    WholeNumberList,

    /// <summary>A mapping with any fields.</summary>
    Free,
}

/// <summary>One field: a property of a section's record.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Path">Name with those of the sections around it: model.heads.</param>
/// <param name="Property">The record's property.</param>
/// <param name="Limits">Range and form.</param>
/// <param name="Kind">What the value is.</param>
/// <param name="Required">Whether the file must give it.</param>
/// <param name="Default">The value of an absent field; null where there is none.</param>
/// <param name="Section">The fields inside, of a section.</param>
internal sealed record FieldSchema(
    string Name,
    string Path,
    PropertyInfo Property,
    FieldAttribute Limits,
    FieldKind Kind,
    bool Required,
    object? Default,
    SectionSchema? Section)
{
    /// <summary>The type without the question mark.</summary>
    public Type ValueType => Nullable.GetUnderlyingType(Property.PropertyType) ?? Property.PropertyType;

    /// <summary>The enum's values by their names in the file.</summary>
    public IReadOnlyList<(string Name, object Value)> Choices { get; } =
        ChoicesOf(Nullable.GetUnderlyingType(Property.PropertyType) ?? Property.PropertyType);

    /// <summary>Reads one property.</summary>
    public static FieldSchema Of(PropertyInfo property, FieldAttribute limits, string sectionPath, object defaults)
    {
        var name = JsonNamingPolicy.CamelCase.ConvertName(property.Name);
        var path = sectionPath.Length == 0 ? name : $"{sectionPath}.{name}";
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var kind = KindOf(type);
        return new FieldSchema(
            name,
            path,
            property,
            limits,
            kind,
            property.GetCustomAttribute<System.Runtime.CompilerServices.RequiredMemberAttribute>() is not null,
            property.GetValue(defaults),
            kind == FieldKind.Section ? SectionSchema.Of(type, path) : null);
    }

    /// <summary>What the field takes, in words: "a whole number, 1 to 1,000".</summary>
    public string Allowed() => Limits.MayBeAuto ? $"{FieldAttribute.Auto} or {AllowedValue()}" : AllowedValue();

    private string AllowedValue() => Kind switch
    {
        FieldKind.WholeNumber => Join("a whole number", Limits.Range()),
        FieldKind.Number => Join("a number", Limits.Range()),
        FieldKind.Flag => "true, false",
        FieldKind.Choice => string.Join(", ", Choices.Select(choice => choice.Name)),
        FieldKind.Text => Texts.Allowed(Limits.Format),
        FieldKind.TextList => $"a list of {Limits.MinCount:#,0} to {Limits.MaxCount:#,0}: {Texts.Allowed(Limits.Format)}",
        FieldKind.Free => "a mapping with fields of your own",
        FieldKind.NumberList => Join($"a list of {Limits.MinCount} numbers", Limits.Range()),
        FieldKind.WholeNumberList => Join($"a list of {Limits.MinCount:#,0} to {Limits.MaxCount:#,0} whole numbers", Limits.Range()),
        _ => $"fields: {string.Join(", ", Section!.Fields.Select(field => field.Name))}",
    };

    private static string Join(string type, string range) => range.Length == 0 ? type : $"{type}, {range}";

    private static FieldKind KindOf(Type type)
    {
        if (type.IsEnum)
            return FieldKind.Choice;
        if (type == typeof(int) || type == typeof(long))
            return FieldKind.WholeNumber;
        if (type == typeof(double))
            return FieldKind.Number;
        if (type == typeof(bool))
            return FieldKind.Flag;
        if (type == typeof(string))
            return FieldKind.Text;
        if (type == typeof(FreeFields))
            return FieldKind.Free;
        if (type == typeof(IReadOnlyList<string>))
            return FieldKind.TextList;
        if (type == typeof(IReadOnlyList<int>))
            return FieldKind.WholeNumberList;
        return type == typeof(IReadOnlyList<double>) ? FieldKind.NumberList : FieldKind.Section;
    }

    private static (string Name, object Value)[] ChoicesOf(Type type) =>
        type.IsEnum
            ? [.. Enum.GetValues(type).Cast<object>().Select(value => (JobFileSchema.ChoiceName(value), value))]
            : [];
}
