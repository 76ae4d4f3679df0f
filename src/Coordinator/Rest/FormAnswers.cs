using System.Buffers;
using System.Text;
using Linformer.Protocol;
using Linformer.Protocol.Wire;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Rest;

/// <summary>What a form for job files needs, which is the same for as long as the program runs.</summary>
internal static class FormAnswers
{
    /// <summary>Where the schema of job files is.</summary>
    public const string SchemaPattern = RestRoute.Root + "schema/job-file";

    /// <summary>Where job files to begin with are.</summary>
    public const string PresetsPattern = RestRoute.Root + "presets";

    private static readonly ReadOnlyMemory<byte> Schema = Encoding.UTF8.GetBytes(JobFileJsonSchema.Text);
    private static readonly ReadOnlyMemory<byte> Presets = WritePresets();

    /// <summary>Answers with the JSON Schema of job files.</summary>
    public static Task SchemaAsync(HttpContext http) => RestAnswers.WriteJsonAsync(http, Schema, "application/schema+json; charset=utf-8");

    /// <summary>Answers with job files to begin with: <c>[{name, title, description, yaml}]</c>.</summary>
    public static Task PresetsAsync(HttpContext http) => RestAnswers.WriteJsonAsync(http, Presets);

    private static ReadOnlyMemory<byte> WritePresets()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = ProtoJson.NewWriter(buffer))
        {
            json.WriteStartArray();
            foreach (var preset in JobFilePresets.All)
            {
                json.WriteStartObject();
                json.WriteString("name", preset.Name);
                json.WriteString("title", preset.Title);
                json.WriteString("description", preset.Description);
                json.WriteString("yaml", preset.Yaml);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        return buffer.WrittenMemory;
    }
}
