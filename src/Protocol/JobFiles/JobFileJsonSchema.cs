using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Linformer.Protocol;

/// <summary>
/// The job file as a JSON Schema (draft 2020-12), for editors and forms. It says of each field what the parser takes; of what must
/// hold between fields it has only what a schema can say.
/// </summary>
public static class JobFileJsonSchema
{
    // Part of the file so that it can be served without the XML documentation, from which it is written.
    private const string Resource = "job-file.schema.json";

    private static readonly JsonWriterOptions Options = new()
    {
        Indented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The schema, as JSON: docs/job-file.schema.json.</summary>
    public static string Text { get; } = ReadResource();

    /// <summary>Writes the schema anew from the job file's records.</summary>
    /// <returns>What docs/job-file.schema.json has to hold.</returns>
    /// <exception cref="FileNotFoundException">The XML documentation of this assembly is not beside it.</exception>
    public static string Generate()
    {
        var summaries = JobFileSummaries.Read();
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, Options))
        {
            writer.WriteStartObject();
            writer.WriteString("$schema", "https://json-schema.org/draft/2020-12/schema");
            writer.WriteString("title", "Linformer job file");
            writer.WriteString("description", "What to train, on which text, and how.");
            WriteSection(writer, JobFileSchema.Root, summaries);
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length) + "\n";
    }

    private static void WriteSection(Utf8JsonWriter writer, SectionSchema section, JobFileSummaries summaries)
    {
        writer.WriteString("type", "object");
        writer.WriteBoolean("additionalProperties", false);
        var required = section.Fields.Where(field => field.Required && field.ValueType != typeof(CorpusSection)).ToList();
        if (required.Count > 0)
            WriteTexts(writer, "required", required.Select(field => field.Name));
        if (section.Type == typeof(TokenizerSection))
            WriteEitherFileOrTrained(writer);
        if (section.Type == typeof(JobFile))
            JobFileTaskSchema.Write(writer);
        writer.WriteStartObject("properties");
        foreach (var field in section.Fields)
        {
            writer.WriteStartObject(field.Name);
            writer.WriteString("description", Description(field, summaries));
            if (field.Section is not null)
                WriteSection(writer, field.Section, summaries);
            else
                WriteValue(writer, field);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter writer, FieldSchema field)
    {
        switch (field.Kind)
        {
            case FieldKind.Choice:
                writer.WriteString("type", "string");
                WriteTexts(writer, "enum", field.Choices.Where(choice => IsAvailable(field, choice.Value)).Select(choice => choice.Name));
                break;
            case FieldKind.Free:
                writer.WriteString("type", "object");
                break;
            case FieldKind.TextList or FieldKind.NumberList or FieldKind.WholeNumberList:
                writer.WriteString("type", "array");
                writer.WriteNumber("minItems", field.Limits.MinCount);
                writer.WriteNumber("maxItems", field.Limits.MaxCount);
                writer.WriteStartObject("items");
                WriteScalar(writer, field);
                writer.WriteEndObject();
                break;
            default:
                WriteScalarOrAuto(writer, field);
                break;
        }
        if (HasFixedDefault(field))
        {
            writer.WritePropertyName("default");
            JobFileJson.WriteValue(writer, field.Default!);
        }
    }

    private static void WriteScalarOrAuto(Utf8JsonWriter writer, FieldSchema field)
    {
        if (!field.Limits.MayBeAuto)
        {
            WriteScalar(writer, field);
            return;
        }
        writer.WriteStartArray("anyOf");
        writer.WriteStartObject();
        WriteScalar(writer, field);
        writer.WriteEndObject();
        writer.WriteStartObject();
        writer.WriteString("type", "string");
        WriteTexts(writer, "enum", [FieldAttribute.Auto]);
        writer.WriteEndObject();
        writer.WriteEndArray();
    }

    private static void WriteScalar(Utf8JsonWriter writer, FieldSchema field)
    {
        if (field.Kind is FieldKind.Text or FieldKind.TextList)
        {
            WriteText(writer, field.Limits.Format);
            return;
        }
        if (field.Kind == FieldKind.Flag)
        {
            writer.WriteString("type", "boolean");
            return;
        }
        writer.WriteString("type", field.Kind is FieldKind.WholeNumber or FieldKind.WholeNumberList ? "integer" : "number");
        WriteLimit(writer, "minimum", field.Limits.Min);
        WriteLimit(writer, "maximum", field.Limits.Max);
        WriteLimit(writer, "exclusiveMinimum", field.Limits.Above);
        WriteLimit(writer, "exclusiveMaximum", field.Limits.Below);
    }

    private static void WriteText(Utf8JsonWriter writer, TextFormat format)
    {
        writer.WriteString("type", "string");
        if (format == TextFormat.Preset)
            WriteTexts(writer, "enum", ModelPresets.All.Select(preset => preset.Preset));
        if (Texts.Pattern(format) is { } pattern)
            writer.WriteString("pattern", pattern);
        if (Texts.MaxLength(format) is { } length)
            writer.WriteNumber("maxLength", length);
    }

    private static void WriteLimit(Utf8JsonWriter writer, string name, double limit)
    {
        if (double.IsFinite(limit))
            writer.WriteNumber(name, limit);
    }

    private static void WriteTexts(Utf8JsonWriter writer, string name, IEnumerable<string> texts)
    {
        writer.WriteStartArray(name);
        foreach (var text in texts)
            writer.WriteStringValue(text);
        writer.WriteEndArray();
    }

    private static void WriteEitherFileOrTrained(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("dependentSchemas");
        writer.WriteStartObject("file");
        writer.WriteStartObject("not");
        writer.WriteStartArray("anyOf");
        foreach (var name in (string[])["kind", "vocabularySize"])
        {
            writer.WriteStartObject();
            WriteTexts(writer, "required", [name]);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static string Description(FieldSchema field, JobFileSummaries summaries)
    {
        var description = new StringBuilder(summaries.Of(field));
        if (field.Limits.Unit is { } unit)
            description.Append($" Unit: {unit}.");
        if (field.Limits.Default is { } words && !HasFixedDefault(field))
            description.Append(words == "preset" ? " The default is the preset's." : $" The default is {words}.");
        return description.ToString();
    }

    // The default in words is one that depends on other fields, or the value itself.
    private static bool HasFixedDefault(FieldSchema field) =>
        field is { Required: false, Section: null, Default: { } value }
        && (field.Limits.Default is not { } words || words == (value is Enum ? JobFileSchema.ChoiceName(value) : value.ToString()));

    // What the parser refuses for now is not offered.
    private static bool IsAvailable(FieldSchema field, object value)
    {
        if (field.Property.DeclaringType is not { } section || (section != typeof(JobFile) && section != typeof(ModelSection) && section != typeof(TrainingSection)))
            return true;
        var job = Activator.CreateInstance<JobFile>();
        field.Property.SetValue(field.Path.Split('.')[0] switch
        {
            "model" => job.Model,
            "training" => job.Training,
            _ => job,
        }, value);
        var facts = new JobFacts(job, _ => true, Cuda: true);
        return JobFileRules.NotYet.All(rule => rule.Fields[0] != field.Path || rule.Check(facts) is null);
    }

    private static string ReadResource()
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)!);
        return reader.ReadToEnd();
    }
}
