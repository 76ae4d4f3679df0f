using System.Buffers;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Linformer.Protocol.Wire;

namespace Linformer.Coordinator.Rest.Streaming;

/// <summary>Events as they go over the wire: made once, and sent to all who get them.</summary>
internal static class Frame
{
    /// <summary>An event with an object.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="write">Writes the object's properties.</param>
    public static ReadOnlyMemory<byte> Of(string name, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        buffer.Write(Encoding.UTF8.GetBytes($"event: {name}\ndata: "));
        // On one line: JSON has no line breaks of its own in texts.
        using (var json = ProtoJson.NewWriter(buffer))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        buffer.Write("\n\n"u8);
        return buffer.WrittenMemory;
    }

    /// <summary>Writes a property that is a list of messages.</summary>
    public static void WriteList(this Utf8JsonWriter json, string name, IEnumerable<IMessage> messages)
    {
        json.WriteStartArray(name);
        foreach (var message in messages)
            ProtoJson.Write(json, message);
        json.WriteEndArray();
    }
}
