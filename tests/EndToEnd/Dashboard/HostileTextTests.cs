using Microsoft.Data.Sqlite;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;
using JobState = Linformer.Protocol.V1.JobState;

namespace EndToEnd.Dashboard;

/// <summary>What persons type and workers report is shown as text, whatever it looks like: nothing runs, and no page gets wider.</summary>
[Trait("Lane", "Processes")]
public sealed class HostileTextTests
{
    private const string Image = "<img src=x onerror=alert(1)>";
    private const string Script = "</script><script>alert(2)</script>";
    private const string Escapes = "\u001b[31mred\u001b[0m \u202eright to left\u202c {{7*7}} ${7*7} javascript:alert(3)";

    private static readonly string Long = new('W', 8000);

    [Fact]
    public async Task NothingRunsAndNoPageGetsWider()
    {
        using var workspace = new Workspace();
        File.WriteAllText(workspace.Corpus($"{Image[1..^1]}.txt"), Script);
        string job;
        await using (var site = Site.Up(workspace))
        {
            await site.StartAsync();
            await site.SucceedAsync("submit", workspace.Job("hostile", 20));
            job = (await site.JsonAsync("show", "hostile")).GetProperty("job").GetProperty("id").GetString()!;
            await site.WaitForJobAsync(job, details => details.Job.State == JobState.Succeeded, "the job is done");
            await site.SucceedAsync("submit", workspace.Job("waits", 20, ranks: "{ min: 3, max: 3 }"));
            await site.SucceedAsync("cancel", "waits", "--why", $"{Image} {Script}");
        }

        Poison(workspace, job);
        await using var again = Site.Up(workspace);
        await again.StartAsync();
        await using var browser = await Browser.StartAsync();
        foreach (var width in (int[])[1440, 390])
        {
            // Its end looks whether anything has run, asked others, or violated the policy.
            await using var watched = await browser.OpenAsync(again.Address, width: width);
            foreach (var path in (string[])["/", $"/jobs/{job}", $"/jobs/{job}/logs", $"/jobs/{job}/history", $"/jobs/{job}/file", "/jobs/waits/history", "/events", "/corpora", "/workers", $"/compare?job={job}&job=waits", $"/jobs/{Uri.EscapeDataString(Image)}"])
            {
                await watched.Page.GotoAsync(path);
                await Expect(watched.Page.GetByRole(AriaRole.Heading, new PageGetByRoleOptions { Level = 1 }).First).ToBeVisibleAsync();
                await Expect(watched.Page.Locator("[aria-busy=true]")).ToHaveCountAsync(0);
                (await watched.Page.EvaluateAsync<int>("document.documentElement.scrollWidth - document.documentElement.clientWidth")).ShouldBeLessThanOrEqualTo(0, $"{path} at {width}");
                (await watched.Page.Locator("main img, main script").CountAsync()).ShouldBe(0, path);
            }

            await watched.Page.GotoAsync($"/jobs/{job}/logs");
            await Expect(watched.Page.GetByText(Image).First).ToBeVisibleAsync();
            await watched.Page.GotoAsync("/jobs/waits/history");
            await Expect(watched.Page.GetByText(Script).First).ToBeVisibleAsync();
        }
    }

    // As a worker could have reported it, which nobody has to trust: into the database of a coordinator that has stopped.
    private static void Poison(Workspace workspace, string job)
    {
        using var database = new SqliteConnection($"Data Source={Path.Combine(workspace.Root, "coordinator", "linformer.db")}");
        database.Open();
        foreach (var text in (string[])[Image, Script, Long, Escapes])
        {
            Run(database, "UPDATE logs SET text = $text, worker = $text WHERE sequence = (SELECT max(sequence) FROM logs WHERE job_id = $job AND length(text) < 400 AND text NOT LIKE '<%')", job, text);
            Run(database, "UPDATE history SET what = $text, who = $text WHERE job_id = $job AND sequence = (SELECT max(sequence) FROM history WHERE job_id = $job AND length(what) < 400 AND what NOT LIKE '<%')", job, text);
            Run(database, "UPDATE events SET what = $text, name = $text, subject = $text WHERE sequence = (SELECT max(sequence) FROM events WHERE length(what) < 400 AND what NOT LIKE '<%')", job, text);
        }
    }

    private static void Run(SqliteConnection database, string sql, string job, string text)
    {
        using var command = database.CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddWithValue("$text", text);
        command.Parameters.AddWithValue("$job", job);
        command.ExecuteNonQuery().ShouldBe(1, sql);
    }
}
