using System.Collections;
using System.Globalization;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Linformer.Coordinator.Services.Guard;
using Linformer.Protocol.Wire;

namespace Linformer.Coordinator.Rest;

/// <summary>Sets fields of a message from text and from JSON.</summary>
internal static class FieldValues
{
    /// <summary>The words of an enum that a request may have.</summary>
    public static IEnumerable<string> Words(EnumDescriptor enumeration) => enumeration.Values.Where(value => value.Number != 0).Select(ProtoJson.Word);

    /// <summary>Sets a field, or adds to it, what a path or a query says.</summary>
    /// <param name="message">The message.</param>
    /// <param name="field">One of its fields, of text, numbers, truth values or words.</param>
    /// <param name="name">What the request calls it.</param>
    /// <param name="text">Its value.</param>
    /// <exception cref="Grpc.Core.RpcException">It is no such value.</exception>
    public static void Set(IMessage message, FieldDescriptor field, string name, string text) => Put(message, field, Parse(field, name, text));

    /// <summary>Sets a field from JSON; null leaves it as it is.</summary>
    /// <param name="message">The message.</param>
    /// <param name="field">One of its fields, of text, numbers, truth values or words.</param>
    /// <param name="json">Its value; a list for a repeated field.</param>
    /// <exception cref="Grpc.Core.RpcException">It is no such value.</exception>
    public static void Set(IMessage message, FieldDescriptor field, JsonElement json)
    {
        if (json.ValueKind == JsonValueKind.Null)
            return;
        if (!field.IsRepeated)
        {
            Put(message, field, Parse(field, json));
            return;
        }
        if (json.ValueKind != JsonValueKind.Array)
            throw Wrong(field.JsonName, json.GetRawText(), "a list");
        foreach (var item in json.EnumerateArray())
            Put(message, field, Parse(field, item));
    }

    private static void Put(IMessage message, FieldDescriptor field, object value)
    {
        if (field.IsRepeated)
            ((IList)field.Accessor.GetValue(message)).Add(value);
        else
            field.Accessor.SetValue(message, value);
    }

    private static object Parse(FieldDescriptor field, string name, string text) => field.FieldType switch
    {
        FieldType.String => text,
        FieldType.Bool => text switch { "true" => true, "false" => false, _ => throw Wrong(name, text, "true or false") },
        FieldType.Int32 => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : throw Wrong(name, text, Whole(int.MaxValue)),
        FieldType.Int64 => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : throw Wrong(name, text, Whole(long.MaxValue)),
        FieldType.Enum => Word(field, name, text),
        _ => throw new NotSupportedException($"{field.FullName} is a {field.FieldType}, which no request over HTTP has."),
    };

    private static object Parse(FieldDescriptor field, JsonElement json)
    {
        switch (field.FieldType, json.ValueKind)
        {
            case (FieldType.String, JsonValueKind.String):
                return Text(json);
            case (FieldType.Enum, JsonValueKind.String):
                return Word(field, field.JsonName, Text(json));
            case (FieldType.Bool, JsonValueKind.True or JsonValueKind.False):
                return json.GetBoolean();
            case (FieldType.Int32, JsonValueKind.Number) when json.TryGetInt32(out var number):
                return number;
            case (FieldType.Int64, JsonValueKind.Number) when json.TryGetInt64(out var number):
                return number;
            default:
                throw Wrong(field.JsonName, json.GetRawText(), field.FieldType switch
                {
                    FieldType.String => "a text",
                    FieldType.Bool => "true or false",
                    FieldType.Int32 => Whole(int.MaxValue),
                    FieldType.Int64 => Whole(long.MaxValue),
                    FieldType.Enum => string.Join(", ", Words(field.EnumType)),
                    _ => "nothing",
                });
        }
    }

    // Half of a surrogate pair, which may be written with \u, is no text that could be stored.
    private static string Text(JsonElement json)
    {
        try
        {
            return json.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Refusal.Invalid("The body has a text that is not Unicode.");
        }
    }

    // As its accessor takes it: a number of the enum's type.
    private static object Word(FieldDescriptor field, string name, string text)
    {
        var value = field.EnumType.Values.FirstOrDefault(value => value.Number != 0 && ProtoJson.Word(value) == text)
            ?? throw Wrong(name, text, string.Join(", ", Words(field.EnumType)));
        return Enum.ToObject(field.EnumType.ClrType, value.Number);
    }

    private static string Whole(long most) => $"a whole number of at most {most.ToString(CultureInfo.InvariantCulture)}";

    private static Grpc.Core.RpcException Wrong(string name, string value, string allowed) => Refusal.Invalid($"{name} is {Refusal.Show(value)}; allowed: {allowed}.");
}
