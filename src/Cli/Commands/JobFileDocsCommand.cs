using System.CommandLine;
using Linformer.Protocol;

namespace Linformer.Cli.Commands;

/// <summary><c>job-file-docs</c>: prints docs/job-file.md or docs/job-file.schema.json, for whoever changes the job file.</summary>
internal static class JobFileDocsCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var schema = new Option<bool>("--schema") { Description = "Print the JSON Schema instead, written anew" };
        var command = new Command("job-file-docs", "Print the job file reference as Markdown") { schema };
        command.Hidden = true;
        command.SetAction(parsed =>
        {
            var context = CommandContext.Of(parsed);
            if (parsed.GetValue(schema))
                return JobFileSchemaCommand.Write(context, JobFileJsonSchema.Generate());
            var page = JobFileReference.ToMarkdown();
            context.WriteResult(new { markdown = page }, output => output.Write(page));
            return ExitCodes.Success;
        });
        return command;
    }
}
