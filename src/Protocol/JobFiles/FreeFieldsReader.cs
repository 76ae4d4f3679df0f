using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Linformer.Protocol;

/// <summary>Makes JSON of a part of a job file whose fields nobody here knows, with the types that its author wrote.</summary>
internal sealed class FreeFieldsReader(JobFileValues.Report report)
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private bool _failed;

    /// <summary>The mapping, or null after an error was reported.</summary>
    public FreeFields? Read(YamlMapping mapping, string path)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, Options))
            Write(writer, mapping, path);
        return _failed ? null : new FreeFields(Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length));
    }

    private void Write(Utf8JsonWriter writer, YamlNode node, string path)
    {
        switch (node)
        {
            case YamlMapping mapping:
                WriteMapping(writer, mapping, path);
                break;
            case YamlList list:
                writer.WriteStartArray();
                foreach (var (i, item) in list.Items.Index())
                    Write(writer, item, $"{path}[{i}]");
                writer.WriteEndArray();
                break;
            case YamlScalar { Plain: true } scalar:
                WritePlain(writer, scalar, path);
                break;
            case YamlScalar scalar:
                writer.WriteStringValue(scalar.Text);
                break;
        }
    }

    private void WriteMapping(Utf8JsonWriter writer, YamlMapping mapping, string path)
    {
        writer.WriteStartObject();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (key, value) in mapping.Entries)
        {
            var inner = $"{path}.{Texts.Show(key.Text).Trim('\'')}";
            if (!names.Add(key.Text))
                Fail(key, inner, "is given twice");
            writer.WritePropertyName(key.Text);
            Write(writer, value, inner);
        }
        writer.WriteEndObject();
    }

    // What YAML readers do not agree on is refused, as everywhere in the job file.
    private void WritePlain(Utf8JsonWriter writer, YamlScalar scalar, string path)
    {
        switch (JobFileValues.KindOfPlain(scalar))
        {
            case PlainKind.Null:
                writer.WriteNullValue();
                break;
            case PlainKind.Truth:
                writer.WriteBooleanValue(scalar.Text is "true");
                break;
            case PlainKind.WholeNumber:
                writer.WriteRawValue(scalar.Text.TrimStart('+'));
                break;
            case PlainKind.Number when double.Parse(scalar.Text, CultureInfo.InvariantCulture) is var number && double.IsFinite(number):
                writer.WriteNumberValue(number);
                break;
            case PlainKind.Text:
                writer.WriteStringValue(scalar.Text);
                break;
            default:
                Fail(scalar, path, $"{Texts.Show(scalar.Text)} without quotes does not mean the same to all readers of YAML; put it in quotes if it is a text, and write true, false or a plain number otherwise");
                writer.WriteNullValue();
                break;
        }
    }

    private void Fail(YamlNode node, string path, string message)
    {
        _failed = true;
        report(node, path, message);
    }
}
