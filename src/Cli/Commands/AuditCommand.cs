using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;
using Linformer.Protocol.Wire;

namespace Linformer.Cli.Commands;

/// <summary><c>audit</c>: who has changed what, and who was refused.</summary>
internal static class AuditCommand
{
    private const int PageSize = 1000;
    private const int MostEntries = 1000;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var client = new ClientOptions();
        var user = new Option<string?>("--user") { Description = "Only of this user", HelpName = "U" };
        var newest = CountOption.Create("--newest", "Only the newest so many", 100, MostEntries);
        var all = new Option<bool>("--all") { Description = "All of it, from the beginning" };
        var after = new Option<long>("--after") { Description = "All entries after this number", HelpName = "N" };
        after.Validators.Add(result =>
        {
            if (result.TryGet<long>(out var value) && value < 0)
                result.AddError($"--after is {value}; it must be 0 or more.");
        });
        var command = new Command("audit", "Show the audit log: every call that changes something, refused ones too, oldest first. For admins") { user, newest, all, after };
        command.Validators.Add(result =>
        {
            Option[] parts = [newest, all, after];
            var given = parts.Where(option => result.GetResult(option) is { Implicit: false }).Select(option => option.Name).ToList();
            if (given.Count > 1)
                result.AddError($"{string.Join(" and ", given)} exclude each other; give one of them.");
        });
        command.WithExamples("audit --newest 20", "audit --user ada", "audit --after 1234 --output json    # an entry a line");
        client.SetAction(command, async (session, cancellation) =>
        {
            var parsed = session.Parsed;
            var isWhole = parsed.GetValue(all) || parsed.GetResult(after) is { Implicit: false };
            var request = new AuditRequest
            {
                User = parsed.GetValue(user) ?? "",
                After = parsed.GetValue(after),
                Newest = !isWhole,
                PageSize = isWhole ? PageSize : parsed.GetValue(newest),
            };
            var any = false;
            AuditResponse page;
            do
            {
                page = await session.Client.Tokens.AuditAsync(request, session.Client.Call(cancellation));
                Write(session.Context, page, heading: !any);
                any |= page.Entries.Count > 0;
                request.After = page.Entries.Count > 0 ? page.Entries[^1].Sequence : request.After;
            }
            while (isWhole && page is { More: true, Entries.Count: > 0 });
            if (!any)
                session.Context.Note("There are no such entries.");
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Write(CommandContext context, AuditResponse page, bool heading)
    {
        if (context.Format == OutputFormat.Json)
        {
            foreach (var entry in page.Entries)
                context.Output.WriteLine(ProtoJson.Line(entry));
        }
        else if (page.Entries.Count > 0)
        {
            if (!heading)
                context.Output.WriteLine();
            Lists.Audit(page.Entries).Write(context.Output, context.Width);
        }
    }
}
