using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>jobs</c>: lists jobs, newest first.</summary>
internal static class JobsCommand
{
    private const int DefaultLimit = 50;
    private const int LargestPage = 500;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var states = StatesOption();
        var name = new Option<string?>("--name") { Description = "Only jobs whose name contains this", HelpName = "TEXT" };
        var limit = new Option<int>("--limit") { Description = "At most so many", HelpName = "N", DefaultValueFactory = _ => DefaultLimit };
        limit.Validators.Add(result =>
        {
            if (result.TryGet<int>(out var value) && value < 1)
                result.AddError("--limit must be 1 or more.");
        });
        var page = new Option<string?>("--page") { Description = "Go on where an earlier list ended", HelpName = "TOKEN" };
        var client = new ClientOptions();
        var command = new Command("jobs", "List jobs, newest first") { states, name, limit, page };
        command.WithExamples(
            "jobs                                   # the newest 50",
            "jobs --state running --state queued    # what is going on",
            "jobs --name brown --output json        # for programs");
        client.SetAction(command, async (session, cancellation) =>
        {
            var request = new ListJobsRequest { NameContains = session.Parsed.GetValue(name) ?? "", PageToken = session.Parsed.GetValue(page) ?? "" };
            request.States.AddRange(session.Parsed.GetValue(states));
            var jobs = await ListAsync(session.Client, request, session.Parsed.GetValue(limit), cancellation);
            var filtered = request.States.Count > 0 || request.NameContains.Length > 0;
            session.Context.WriteMessage(jobs, output => Write(output, session, jobs, filtered));
            return ExitCodes.Success;
        });
        return command;
    }

    private static Option<JobState[]> StatesOption()
    {
        var words = Enum.GetValues<JobState>().Where(state => state != JobState.Unspecified).ToDictionary(Words.State);
        var option = new Option<JobState[]>("--state")
        {
            Description = $"Only jobs in this state; may be given several times: {string.Join(", ", words.Keys)}",
            HelpName = "STATE",
            CustomParser = result =>
            {
                foreach (var token in result.Tokens.Where(token => !words.ContainsKey(token.Value)))
                    result.AddError($"--state is '{token.Value}'; allowed are {string.Join(", ", words.Keys)}.");
                return [.. result.Tokens.Select(token => words.GetValueOrDefault(token.Value))];
            },
            DefaultValueFactory = _ => [],
        };
        option.CompletionSources.Add(_ => words.Keys.Select(word => new System.CommandLine.Completions.CompletionItem(word)));
        return option;
    }

    private static async Task<ListJobsResponse> ListAsync(CoordinatorClient client, ListJobsRequest request, int limit, CancellationToken cancellation)
    {
        var all = new ListJobsResponse();
        do
        {
            request.PageSize = Math.Min(LargestPage, limit - all.Jobs.Count);
            var page = await client.Jobs.ListAsync(request, client.Call(cancellation));
            all.Jobs.AddRange(page.Jobs);
            all.NextPageToken = request.PageToken = page.NextPageToken;
        }
        while (all.NextPageToken.Length > 0 && all.Jobs.Count < limit);
        return all;
    }

    private static void Write(TextWriter output, ClientSession session, ListJobsResponse jobs, bool filtered)
    {
        if (jobs.Jobs.Count == 0)
        {
            session.Context.Note(filtered ? "No job matches." : $"No jobs. Submit one with {session.Command("submit FILE")}");
            return;
        }

        Lists.Jobs(jobs.Jobs, DateTime.UtcNow).Write(output, session.Context.Width);
        if (jobs.NextPageToken.Length > 0)
            session.Context.Note($"There are more: --page {Shell.Quote(jobs.NextPageToken)} shows the next ones, --limit N more at once.");
    }
}
