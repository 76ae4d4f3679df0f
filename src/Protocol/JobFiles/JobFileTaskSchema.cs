using System.Text.Json;

namespace Linformer.Protocol;

/// <summary>The part of the JSON Schema that says which sections go with which task.</summary>
internal static class JobFileTaskSchema
{
    private static readonly (JobTask Task, string Section)[] Own = [(JobTask.Plugin, "plugin"), (JobTask.Inference, "inference")];

    /// <summary>Writes it into the schema of the whole file.</summary>
    public static void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartArray("anyOf");
        writer.WriteStartObject();
        writer.WriteStartObject("not");
        WriteIs(writer, [.. Own.Select(own => own.Task)]);
        writer.WriteEndObject();
        WriteTexts(writer, "required", ["corpus"]);
        writer.WriteEndObject();
        foreach (var (task, section) in Own)
        {
            writer.WriteStartObject();
            WriteIs(writer, [task], [section, .. task.NeedsCorpus() ? (string[])["corpus"] : []]);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();

        writer.WriteStartObject("dependentSchemas");
        foreach (var (task, section) in Own)
        {
            writer.WriteStartObject(section);
            WriteIs(writer, [task]);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    }

    private static void WriteIs(Utf8JsonWriter writer, JobTask[] tasks, params string[] sections)
    {
        writer.WriteStartObject("properties");
        writer.WriteStartObject("task");
        WriteTexts(writer, "enum", tasks.Select(task => JobFileSchema.ChoiceName(task)));
        writer.WriteEndObject();
        writer.WriteEndObject();
        WriteTexts(writer, "required", ["task", .. sections]);
    }

    private static void WriteTexts(Utf8JsonWriter writer, string name, IEnumerable<string> texts)
    {
        writer.WriteStartArray(name);
        foreach (var text in texts)
            writer.WriteStringValue(text);
        writer.WriteEndArray();
    }
}
