using System.Globalization;
using EndToEnd.Clusters;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace EndToEnd.Dashboard;

/// <summary>The dashboard of a real cluster, used as a person uses it.</summary>
[Trait("Lane", "Processes")]
public sealed class DashboardTests(RunningSite running) : IClassFixture<RunningSite>
{
    private const int Endless = 1_000_000;
    private const string Value = @"^\d+\.\d+$";

    [Fact]
    public async Task AJobIsSubmittedWatchedHurtPausedResumedAndCancelled()
    {
        await using var watched = await running.Browser.OpenAsync(running.Site.Address);
        var page = watched.Page;
        await page.GotoAsync("/");
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Submit a job" }).ClickAsync();
        await WriteAsync(page, await File.ReadAllTextAsync(running.Workspace.Job("life", Endless)));
        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Submit", Exact = true }).ClickAsync();

        var job = new JobPage(page);
        await Expect(page.GetByRole(AriaRole.Heading, new PageGetByRoleOptions { Level = 1 })).ToHaveTextAsync("life");
        // From here on nothing may load the page again.
        var loads = 0;
        page.Load += (_, _) => loads++;
        await Expect(job.Number("Loss")).ToHaveTextAsync(Pattern.Of(Value));
        await Expect(job.Number("Generation")).ToContainTextAsync("1");

        await job.OpenTabAsync("Ranks");
        var rank = page.GetByRole(AriaRole.Row).Filter(new LocatorFilterOptions { HasNotText = "Applied step" }).Last;
        await Expect(rank.GetByRole(AriaRole.Cell).Last).ToHaveTextAsync(Pattern.Of("^[0-9]+$"));
        var process = int.Parse(await rank.GetByRole(AriaRole.Cell).Last.InnerTextAsync(), CultureInfo.InvariantCulture);
        LinformerProcess.Signal(process, "KILL");
        await Expect(job.Number("Generation")).ToHaveTextAsync(Pattern.Of("^[2-9]"));
        await job.OpenTabAsync("Overview");
        (await job.PointAtMarkAsync("Loss", "Generation 2 with")).ShouldNotBeEmpty();
        (await job.PointAtMarkAsync("Loss", "SIGKILL")).ShouldNotBeEmpty();

        var rows = await job.ValuesAsync("Loss");
        await Expect(rows.Nth(5)).ToBeVisibleAsync();
        (await rows.Nth(1).GetByRole(AriaRole.Cell).Nth(1).InnerTextAsync()).ShouldMatch(@"^\d+\.\d+$");

        await job.ActAsync("Pause", "Pause", "the owner wants to look");
        await Expect(job.State).ToHaveTextAsync("paused");
        await job.OpenTabAsync("History");
        await Expect(page.GetByText("the owner wants to look").First).ToBeVisibleAsync();
        var paused = await job.StepAsync();
        await job.ActAsync("Resume", "Resume");
        await Expect(job.State).ToHaveTextAsync("running");
        await Cluster.UntilAsync(async () => await job.StepAsync() > paused, "the page counts steps again");

        await job.ActAsync("Cancel", "Do nothing");
        await Expect(job.State).ToHaveTextAsync("running");
        await job.ActAsync("Cancel", "Cancel the job", "enough of it");
        await Expect(job.State).ToHaveTextAsync("cancelled");

        await job.OpenTabAsync("History");
        await Expect(page.GetByText("enough of it").First).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Events", Exact = true }).ClickAsync();
        var events = page.GetByRole(AriaRole.Listitem).Filter(new LocatorFilterOptions { Has = page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "life", Exact = true }) });
        foreach (var told in (string[])["the owner wants to look", "enough of it", "SIGKILL"])
            await Expect(events.Filter(new LocatorFilterOptions { HasText = told }).First).ToBeVisibleAsync();
        loads.ShouldBe(0);
    }

    [Fact]
    public async Task RunsAreComparedAndTheirLogsSearched()
    {
        await running.Site.SucceedAsync("submit", running.Workspace.Job("first", 40, ranks: "{ max: 1 }"));
        await running.Site.SucceedAsync("submit", running.Workspace.Job("second", 60, ranks: "{ max: 1 }"));
        await using var watched = await running.Browser.OpenAsync(running.Site.Address);
        var page = watched.Page;
        await page.GotoAsync("/");
        foreach (var name in (string[])["first", "second"])
        {
            var row = page.GetByRole(AriaRole.Row).Filter(new LocatorFilterOptions { Has = page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = name, Exact = true }) });
            await Expect(row.Locator(".badge")).ToHaveTextAsync("succeeded");
            await row.GetByRole(AriaRole.Checkbox).CheckAsync();
        }

        // As they stand in the list: the newest first.
        await page.GetByRole(AriaRole.Region, new PageGetByRoleOptions { Name = "Selected jobs" }).GetByRole(AriaRole.Link, new LocatorGetByRoleOptions { Name = "Compare" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new PageGetByRoleOptions { Level = 1 })).ToHaveTextAsync("Compare");
        var steps = page.GetByRole(AriaRole.Row).Filter(new LocatorFilterOptions { Has = page.GetByRole(AriaRole.Rowheader, new PageGetByRoleOptions { Name = "Steps", Exact = true }) });
        await Expect(steps.GetByRole(AriaRole.Cell)).ToContainTextAsync(["60", "40"]);
        var rows = await new JobPage(page).ValuesAsync("Loss");
        await Expect(rows.First.GetByRole(AriaRole.Columnheader)).ToHaveTextAsync(["Step", "second", "first"]);
        // The first run is shorter: at the last steps it has none.
        await Expect(rows.Nth(1).GetByRole(AriaRole.Cell).Last).ToHaveTextAsync(Pattern.Of(Value));
        await Expect(rows.Last.GetByRole(AriaRole.Cell).Last).ToHaveTextAsync("");

        await page.GotoAsync("/jobs/second/logs");
        var log = page.GetByRole(AriaRole.Log, new PageGetByRoleOptions { Name = "Log lines" });
        await Expect(log.Locator(".log-line").First).ToBeVisibleAsync();
        // What a rank has logged stands in its own words; the search finds them all.
        var word = (await log.Locator(".log-text").First.InnerTextAsync()).Split(' ', StringSplitOptions.RemoveEmptyEntries).MaxBy(one => one.Length)!;
        await page.GetByRole(AriaRole.Searchbox, new PageGetByRoleOptions { Name = "Search the log" }).FillAsync(word);
        await Expect(log.Locator("mark").First).ToHaveTextAsync(word, new LocatorAssertionsToHaveTextOptions { IgnoreCase = true });
        await page.GetByRole(AriaRole.Searchbox, new PageGetByRoleOptions { Name = "Search the log" }).FillAsync("no such word anywhere");
        await Expect(log).ToContainTextAsync("No line contains that.");
    }

    [Fact]
    public async Task AWorkerIsDrainedAndTakenBack()
    {
        await using var watched = await running.Browser.OpenAsync(running.Site.Address);
        var page = watched.Page;
        await page.GotoAsync("/workers");
        var worker = page.GetByRole(AriaRole.Article).Last;
        await worker.GetByRole(AriaRole.Button, new LocatorGetByRoleOptions { Name = "Drain", Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Textbox).FillAsync("a new disk");
        await page.Keyboard.PressAsync("Enter");
        await Expect(worker.GetByText("drained", new LocatorGetByTextOptions { Exact = true })).ToBeVisibleAsync();
        await worker.GetByRole(AriaRole.Button, new LocatorGetByRoleOptions { Name = "Undo drain" }).ClickAsync();
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new LocatorGetByRoleOptions { Name = "Take it back" }).ClickAsync();
        await Expect(worker.GetByRole(AriaRole.Button, new LocatorGetByRoleOptions { Name = "Drain", Exact = true })).ToBeVisibleAsync();
        await page.GotoAsync("/events");
        await Expect(page.GetByText("a new disk")).ToBeVisibleAsync();
    }

    [Fact]
    public async Task ThePageOutlivesTheCoordinator()
    {
        await running.Site.SucceedAsync("submit", running.Workspace.Job("outlived", Endless));
        await using var watched = await running.Browser.OpenAsync(running.Site.Address);
        var page = watched.Page;
        await page.GotoAsync("/jobs/outlived");
        var job = new JobPage(page);
        await Expect(job.Number("Loss")).ToHaveTextAsync(Pattern.Of(Value));
        var generation = int.Parse((await job.Number("Generation").InnerTextAsync()).Split(' ', '\n')[0], CultureInfo.InvariantCulture);
        var loads = 0;
        page.Load += (_, _) => loads++;
        var banner = page.GetByText("The coordinator does not answer");

        await running.Site.KillAsync();
        await Expect(banner).ToBeVisibleAsync();
        await Expect(job.Number("Loss")).ToHaveTextAsync(Pattern.Of(Value));

        await running.Site.StartAsync();
        await Expect(banner).ToBeHiddenAsync();
        await Expect(job.Number("Generation")).Not.ToHaveTextAsync(Pattern.Of($"^{generation}( |$)"));
        await Expect(job.State).ToHaveTextAsync("running");
        var before = await job.StepAsync();
        await Cluster.UntilAsync(async () => await job.StepAsync() > before, "the page counts steps again");
        loads.ShouldBe(0);
        await job.ActAsync("Cancel", "Cancel the job");
        await Expect(job.State).ToHaveTextAsync("cancelled");
    }

    // Waits for the first example, which would otherwise come over what is written.
    private static async Task WriteAsync(IPage page, string yaml)
    {
        var editor = page.GetByRole(AriaRole.Textbox, new PageGetByRoleOptions { Name = "Job file, YAML or JSON" });
        await Expect(editor).Not.ToHaveValueAsync("");
        await editor.FocusAsync();
        await page.Keyboard.PressAsync("Control+A");
        await page.Keyboard.InsertTextAsync(yaml);
        await Expect(page.GetByText("No problems")).ToBeVisibleAsync();
    }
}
