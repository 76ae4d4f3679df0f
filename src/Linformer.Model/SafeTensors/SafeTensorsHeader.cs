using System.Text.Json;
using System.Text.Unicode;

namespace Linformer.Model.SafeTensors;

/// <summary>Parses and checks a safetensors header: everything that the format's reference implementation checks.</summary>
internal sealed record SafeTensorsHeader(IReadOnlyList<SafeTensorInfo> Tensors, IReadOnlyDictionary<string, string> Metadata)
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Parses and checks a header.</summary>
    /// <param name="path">The file's path, for messages.</param>
    /// <param name="json">The header.</param>
    /// <param name="fileLength">The whole file's length, which the tensors must reach exactly.</param>
    public static SafeTensorsHeader Parse(string path, ReadOnlyMemory<byte> json, long fileLength)
    {
        if (!json.Span.StartsWith("{"u8))
        {
            throw new SafeTensorsException($"{path}: the header does not start with '{{'.");
        }

        if (!Utf8.IsValid(json.Span))
        {
            throw new SafeTensorsException($"{path}: the header is not valid UTF-8.");
        }

        try
        {
            using var document = JsonDocument.Parse(json, Strict);
            return Read(path, document.RootElement, 8 + json.Length, fileLength);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: an escape such as \ud800 that is no character.
            throw new SafeTensorsException($"{path}: the header is not valid JSON: {e.Message}", e);
        }
    }

    private static SafeTensorsHeader Read(string path, JsonElement root, long dataStart, long fileLength)
    {
        var tensors = new List<SafeTensorInfo>();
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var property in root.EnumerateObject())
        {
            if (property.NameEquals(SafeTensorsWriter.MetadataKey))
            {
                ReadMetadata(path, property.Value, metadata);
            }
            else
            {
                tensors.Add(ReadTensor(path, property, dataStart));
            }
        }

        tensors.Sort((a, b) => (a.Offset, a.ByteLength).CompareTo((b.Offset, b.ByteLength)));
        CheckCoverage(path, tensors, dataStart, fileLength);
        return new SafeTensorsHeader(tensors, metadata);
    }

    private static void ReadMetadata(string path, JsonElement element, Dictionary<string, string> metadata)
    {
        // The reference implementation takes null for "no metadata".
        if (element.ValueKind == JsonValueKind.Null)
        {
            return;
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new SafeTensorsException($"{path}: '{SafeTensorsWriter.MetadataKey}' is {Shown(element)}; allowed is an object of strings.");
        }

        foreach (var property in element.EnumerateObject())
        {
            metadata[property.Name] = property.Value.ValueKind == JsonValueKind.String
                ? property.Value.GetString()!
                : throw new SafeTensorsException($"{path}: metadata '{Short(property.Name)}' is {Shown(property.Value)}; allowed is a string.");
        }
    }

    private static SafeTensorInfo ReadTensor(string path, JsonProperty property, long dataStart)
    {
        var name = property.Name;
        if (property.Value.ValueKind != JsonValueKind.Object)
        {
            throw Wrong("entry", property.Value, "an object of dtype, shape and data_offsets");
        }

        var dtype = Field("dtype");
        if (dtype.ValueKind != JsonValueKind.String || !ElementTypes.TryParse(dtype.GetString()!, out var type))
        {
            throw Wrong("dtype", dtype, ElementTypes.Allowed);
        }

        var shape = Numbers("shape");
        var offsets = Numbers("data_offsets");
        if (offsets is not [var start, var end] || end < start)
        {
            throw Wrong("data_offsets", Field("data_offsets"), "two whole numbers, the second not below the first");
        }

        if (type.ByteLength(shape) is not { } length)
        {
            throw Wrong("shape", Field("shape"), $"dimensions whose product times {type.Size()} bytes fits 63 bits");
        }

        if (end - start != length)
        {
            throw Wrong("data_offsets", Field("data_offsets"), $"a range of {length} bytes, which is what shape {Shown(Field("shape"))} of {type} takes");
        }

        if (start > long.MaxValue - dataStart)
        {
            throw Wrong("data_offsets", Field("data_offsets"), "offsets within the file");
        }

        return new SafeTensorInfo(name, type, shape, dataStart + start, length);

        JsonElement Field(string field) => property.Value.TryGetProperty(field, out var value)
            ? value
            : throw new SafeTensorsException($"{path}: tensor '{Short(name)}' has no {field}.");

        long[] Numbers(string field)
        {
            var array = Field(field);
            if (array.ValueKind != JsonValueKind.Array)
            {
                throw Wrong(field, array, "an array of whole numbers");
            }

            return [.. array.EnumerateArray().Select(item =>
                item.ValueKind == JsonValueKind.Number && item.TryGetInt64(out var number) && number >= 0
                    ? number
                    : throw Wrong(field, item, "whole numbers from 0 to 2^63 - 1"))];
        }

        SafeTensorsException Wrong(string field, JsonElement value, string allowed) =>
            new($"{path}: tensor '{Short(name)}': {field} is {Shown(value)}; allowed is {allowed}.");
    }

    // In the order of their offsets the tensors must follow each other without gap or overlap, up to the file's end.
    private static void CheckCoverage(string path, List<SafeTensorInfo> tensors, long dataStart, long fileLength)
    {
        var expected = dataStart;
        foreach (var tensor in tensors)
        {
            if (tensor.Offset != expected)
            {
                var fault = tensor.Offset < expected ? "overlaps the tensor before it" : "leaves a gap";
                throw new SafeTensorsException(
                    $"{path}: tensor '{Short(tensor.Name)}' starts at data offset {tensor.Offset - dataStart} and {fault}; allowed is {expected - dataStart}.");
            }

            if (tensor.ByteLength > fileLength - expected)
            {
                throw new SafeTensorsException(
                    $"{path}: tensor '{Short(tensor.Name)}' ends {tensor.ByteLength - (fileLength - expected)} bytes after the file's end; the file has {fileLength} bytes.");
            }

            expected += tensor.ByteLength;
        }

        if (expected != fileLength)
        {
            throw new SafeTensorsException($"{path}: has {fileLength} bytes; its tensors end at {expected}.");
        }
    }

    private static string Shown(JsonElement element) => Short(element.GetRawText());

    private static string Short(string text) => text.Length <= 200 ? text : string.Concat(text.AsSpan(0, 200), "…");
}
