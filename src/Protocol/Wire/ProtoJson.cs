using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace Linformer.Protocol.Wire;

/// <summary>
/// Messages as JSON for programs: the protos' field names in camelCase, numbers as numbers (NaN and infinity as "NaN", "Infinity",
/// "-Infinity"), states as lower-case words, times as RFC 3339 in UTC with milliseconds, bytes in base64, embedded JSON documents as
/// values. Fields that are not set at all are left out. A map is an object.
/// </summary>
public static class ProtoJson
{
    // It is read by programs and in terminals, never inside a page's markup.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A message as a JSON object.</summary>
    public static JsonObject Of(IMessage message) => JsonNode.Parse(Utf8(message).Span)!.AsObject();

    /// <summary>A message as one line of JSON.</summary>
    public static string Line(IMessage message) => Encoding.UTF8.GetString(Utf8(message).Span);

    /// <summary>A message as one line of JSON in UTF-8.</summary>
    public static ReadOnlyMemory<byte> Utf8(IMessage message)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = NewWriter(buffer))
            Write(writer, message);
        return buffer.WrittenMemory;
    }

    /// <summary>A writer that escapes as little as <see cref="Line"/> does.</summary>
    /// <param name="buffer">Where it writes.</param>
    public static Utf8JsonWriter NewWriter(IBufferWriter<byte> buffer) => new(buffer, Options);

    /// <summary>Writes a message as a JSON object.</summary>
    /// <param name="writer">Where a value may stand.</param>
    /// <param name="message">The message.</param>
    public static void Write(Utf8JsonWriter writer, IMessage message)
    {
        writer.WriteStartObject();
        WriteFields(writer, message);
        writer.WriteEndObject();
    }

    /// <summary>Writes the fields of a message into a JSON object that was begun.</summary>
    /// <param name="writer">Inside an object.</param>
    /// <param name="message">The message.</param>
    public static void WriteFields(Utf8JsonWriter writer, IMessage message)
    {
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder())
        {
            if (field.HasPresence && !field.Accessor.HasValue(message))
                continue;
            writer.WritePropertyName(field.JsonName);
            WriteValue(writer, field, field.Accessor.GetValue(message));
        }
    }

    /// <summary>The word for a value of an enum, which each value begins with its enum's name: "running" of JOB_STATE_RUNNING.</summary>
    /// <param name="enumeration">The enum.</param>
    /// <param name="number">Its value.</param>
    public static string Word(EnumDescriptor enumeration, int number) =>
        enumeration.FindValueByNumber(number) is { } value ? Word(value) : number.ToString(CultureInfo.InvariantCulture); // of a newer protocol

    /// <summary>The word for a value of an enum.</summary>
    public static string Word(EnumValueDescriptor value)
    {
        var prefix = value.EnumDescriptor.Values[0].Name[..^"UNSPECIFIED".Length];
        return value.Name[prefix.Length..].ToLowerInvariant();
    }

    /// <summary>Whether a text field holds a JSON document, which is written as a value.</summary>
    public static bool IsEmbedded(FieldDescriptor field) => field.FieldType == FieldType.String && field.Name is "job_file" or "resolved_job";

    private static void WriteValue(Utf8JsonWriter writer, FieldDescriptor field, object? value)
    {
        if (!field.IsRepeated)
        {
            WriteOne(writer, field, value);
            return;
        }
        if (field.IsMap)
        {
            WriteMap(writer, field.MessageType.FindFieldByNumber(2), (IDictionary)value!);
            return;
        }
        writer.WriteStartArray();
        foreach (var item in (IEnumerable)value!)
            WriteOne(writer, field, item);
        writer.WriteEndArray();
    }

    // In the order of the names, so that equal messages give equal text.
    private static void WriteMap(Utf8JsonWriter writer, FieldDescriptor field, IDictionary values)
    {
        writer.WriteStartObject();
        foreach (var name in values.Keys.Cast<string>().Order(StringComparer.Ordinal))
        {
            writer.WritePropertyName(name);
            WriteOne(writer, field, values[name]);
        }
        writer.WriteEndObject();
    }

    private static void WriteOne(Utf8JsonWriter writer, FieldDescriptor field, object? value)
    {
        switch (value)
        {
            case null:
                writer.WriteNullValue();
                break;
            case Timestamp time:
                writer.WriteStringValue(time.ToDateTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
                break;
            case IMessage message:
                Write(writer, message);
                break;
            case string text when IsEmbedded(field):
                WriteEmbedded(writer, text);
                break;
            case string text:
                writer.WriteStringValue(text);
                break;
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case int number:
                writer.WriteNumberValue(number);
                break;
            case long number:
                writer.WriteNumberValue(number);
                break;
            case double number when double.IsFinite(number):
                writer.WriteNumberValue(number);
                break;
            case double number:
                writer.WriteStringValue(double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
                break;
            case ByteString bytes:
                writer.WriteBase64StringValue(bytes.Span);
                break;
            case System.Enum:
                writer.WriteStringValue(Word(field.EnumType, Convert.ToInt32(value, CultureInfo.InvariantCulture)));
                break;
            default:
                throw new NotSupportedException($"{field.FullName} is a {field.FieldType}, which is not written as JSON.");
        }
    }

    private static void WriteEmbedded(Utf8JsonWriter writer, string text)
    {
        if (text.Length == 0)
        {
            writer.WriteNullValue();
            return;
        }
        try
        {
            using var document = JsonDocument.Parse(text);
            document.RootElement.WriteTo(writer);
        }
        catch (JsonException)
        {
            writer.WriteStringValue(text);
        }
    }
}
