using System.CommandLine;
using Linformer.Cli.Cluster;
using Linformer.Cli.Commands.Options;
using Linformer.Cli.Views;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Commands;

/// <summary><c>jobs</c>: lists jobs, newest first unless asked otherwise.</summary>
internal static class JobsCommand
{
    private const int DefaultLimit = 50;
    private const int LargestPage = 500;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var states = StatesOption();
        var name = new Option<string?>("--name") { Description = "Only jobs whose name contains this", HelpName = "TEXT" };
        var submitter = new Option<string?>("--submitter") { Description = "Only jobs of this user", HelpName = "NAME" };
        var order = OrderOption();
        var reverse = new Option<bool>("--reverse") { Description = "The other way round" };
        var limit = new Option<int>("--limit") { Description = "At most so many", HelpName = "N", DefaultValueFactory = _ => DefaultLimit };
        limit.Validators.Add(result =>
        {
            if (result.TryGet<int>(out var value) && value < 1)
                result.AddError("--limit must be 1 or more.");
        });
        var page = new Option<string?>("--page") { Description = "Go on where an earlier list ended", HelpName = "TOKEN" };
        var client = new ClientOptions();
        var command = new Command("jobs", "List jobs, newest first") { states, name, submitter, order, reverse, limit, page };
        command.WithExamples(
            "jobs                                   # the newest 50",
            "jobs --state running --state queued    # what is going on",
            "jobs --submitter ada --order priority  # ada's, the most urgent first",
            "jobs --name brown --output json        # for programs");
        client.SetAction(command, async (session, cancellation) =>
        {
            var request = new ListJobsRequest { NameContains = session.Parsed.GetValue(name) ?? "", PageToken = session.Parsed.GetValue(page) ?? "" };
            request.Submitter = session.Parsed.GetValue(submitter) ?? "";
            request.Order = session.Parsed.GetValue(order);
            request.Reverse = session.Parsed.GetValue(reverse);
            request.States.AddRange(session.Parsed.GetValue(states));
            var jobs = await ListAsync(session.Client, request, session.Parsed.GetValue(limit), cancellation);
            var filtered = request.States.Count > 0 || request.NameContains.Length > 0 || request.Submitter.Length > 0;
            session.Context.WriteMessage(jobs, output => Write(output, session, jobs, filtered));
            return ExitCodes.Success;
        });
        return command;
    }

    private static Option<JobOrder> OrderOption()
    {
        var words = new Dictionary<string, JobOrder>(StringComparer.Ordinal)
        {
            ["submitted"] = JobOrder.Unspecified,
            ["name"] = JobOrder.Name,
            ["submitter"] = JobOrder.Submitter,
            ["state"] = JobOrder.State,
            ["priority"] = JobOrder.Priority,
        };
        var option = new Option<JobOrder>("--order")
        {
            Description = $"By what: {string.Join(", ", words.Keys)}; the newest, the highest, or A comes first (default: submitted)",
            HelpName = "ORDER",
            CustomParser = result =>
            {
                if (!words.TryGetValue(result.Tokens[0].Value, out var value))
                    result.AddError($"--order is '{result.Tokens[0].Value}'; allowed are {string.Join(", ", words.Keys)}.");
                return value;
            },
        };
        option.CompletionSources.Add(_ => words.Keys.Select(word => new System.CommandLine.Completions.CompletionItem(word)));
        return option;
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
