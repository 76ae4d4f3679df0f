using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Linformer.Protocol;

/// <summary>Writes a job as JSON, in the order of the schema.</summary>
internal static class JobFileJson
{
    // Relaxed: the text is stored in files and never put into HTML as it is.
    private static readonly JsonWriterOptions Options = new()
    {
        Indented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The job, all defaults written out.</summary>
    public static string Write(JobFile job)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, Options))
            WriteSection(writer, JobFileSchema.Root, job);
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length) + "\n";
    }

    private static void WriteSection(Utf8JsonWriter writer, SectionSchema schema, object section)
    {
        writer.WriteStartObject();
        foreach (var field in schema.Fields)
        {
            // Without files there is no corpus.
            if (section is JobFile { HasCorpus: false } && field.ValueType == typeof(CorpusSection))
                continue;
            if ((field.Property.GetValue(section) ?? (field.Limits.MayBeAuto ? FieldAttribute.Auto : null)) is not { } value)
                continue;
            writer.WritePropertyName(field.Name);
            if (field.Section is not null)
                WriteSection(writer, field.Section, value);
            else
                WriteValue(writer, value);
        }
        writer.WriteEndObject();
    }

    /// <summary>Writes one value of a field, or a list of them.</summary>
    /// <exception cref="NotSupportedException">It is none.</exception>
    public static void WriteValue(Utf8JsonWriter writer, object value)
    {
        switch (value)
        {
            case string text:
                writer.WriteStringValue(text);
                break;
            case double number:
                writer.WriteNumberValue(number);
                break;
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case Enum choice:
                writer.WriteStringValue(JobFileSchema.ChoiceName(choice));
                break;
            case FreeFields free:
                writer.WriteRawValue(free.Json);
                break;
            case int or long:
                writer.WriteNumberValue(Convert.ToInt64(value));
                break;
            case System.Collections.IEnumerable items:
                writer.WriteStartArray();
                foreach (var item in items)
                    WriteValue(writer, item);
                writer.WriteEndArray();
                break;
            default:
                throw new NotSupportedException($"A job file has no values of type {value.GetType()}.");
        }
    }
}
