using System.CommandLine;
using System.Text.Json.Nodes;
using Linformer.Protocol;

namespace Linformer.Cli.Commands;

/// <summary><c>job-file-schema</c>: prints the JSON Schema of the job file, for editors.</summary>
internal static class JobFileSchemaCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("job-file-schema", "Print the JSON Schema of the job file, for editors");
        command.WithExamples("job-file-schema > job-file.schema.json   # then: # yaml-language-server: $schema=job-file.schema.json");
        command.SetAction(parsed => Write(CommandContext.Of(parsed), JobFileJsonSchema.Text));
        return command;
    }

    /// <summary>Prints a schema; it is JSON either way.</summary>
    public static int Write(CommandContext context, string schema)
    {
        context.WriteResult(JsonNode.Parse(schema)!, output => output.Write(schema));
        return ExitCodes.Success;
    }
}
