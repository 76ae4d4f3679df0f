using EndToEnd.Clusters;
using Microsoft.Playwright;
using Xunit.Abstractions;
using static Microsoft.Playwright.Assertions;
using JobState = Linformer.Protocol.V1.JobState;

namespace EndToEnd.Dashboard;

/// <summary>
/// Pictures of all pages in both colour schemes, on a laptop and on a phone, in artifacts/screenshots; each page is inspected as well.
/// </summary>
[Trait("Lane", "Processes")]
[Trait("Speed", "Slow")]
public sealed class ScreenshotTests(ITestOutputHelper output)
{
    private static readonly (string Name, int Width, int Height)[] Sizes = [("laptop", 1440, 900), ("phone", 390, 844)];

    [Fact]
    public async Task AllPagesAreFitToBeSeen()
    {
        using var workspace = new Workspace();
        await using var site = Site.Up(workspace, "--workers", "2", "--slots", "2");
        await site.StartAsync();
        await HappenAsync(site);
        await using var browser = await Browser.StartAsync();
        (string Name, string Path, string Seen)[] pages =
        [
            ("jobs", "/", "a.brand"), ("job", "/jobs/moby-dick-small", ".u-over"), ("ranks", "/jobs/moby-dick-small/ranks", "table.ranks"),
            ("logs", "/jobs/moby-dick-small/logs", ".log-line"), ("checkpoints", "/jobs/moby-dick-small/checkpoints", "table"),
            ("history", "/jobs/moby-dick-small/history", ".entry"), ("file", "/jobs/moby-dick-small/file", "pre"),
            ("succeeded", "/jobs/moby-dick-wide", ".result"), ("failed", "/jobs/hot-learning-rate", ".notice-card.failed"), ("compare", "/compare?job=moby-dick-small&job=moby-dick-wide", ".u-over"),
            ("submit", "/submit", "h1"), ("workers", "/workers", "article.worker"), ("corpora", "/corpora", "h1"), ("events", "/events", "li.event"),
            ("not-found", "/jobs/no-such-job", "main h1"),
        ];
        var faults = new List<string>();
        foreach (var scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
        {
            foreach (var size in Sizes)
            {
                await using var watched = await browser.OpenAsync(site.Address, scheme, size.Width, size.Height);
                foreach (var (name, path, seen) in pages)
                {
                    await watched.Page.GotoAsync(path);
                    var picture = $"{name}-{size.Name}-{scheme.ToString().ToLowerInvariant()}";
                    faults.AddRange((await TakeAsync(watched.Page, picture, seen)).Select(fault => $"{picture}: {fault}"));
                }
            }
        }

        await site.DisposeAsync();
        faults.AddRange(await LoginAsync(workspace, browser));
        faults.ForEach(output.WriteLine);
        faults.ShouldBeEmpty();
    }

    private static async Task<IReadOnlyList<string>> LoginAsync(Workspace workspace, Browser browser)
    {
        await using var site = Site.WithLogin(workspace);
        await site.StartAsync();
        var faults = new List<string>();
        foreach (var scheme in (ColorScheme[])[ColorScheme.Light, ColorScheme.Dark])
        {
            await using var watched = await browser.OpenAsync(site.Address, scheme);
            await watched.Page.GotoAsync("/");
            faults.AddRange(await TakeAsync(watched.Page, $"login-laptop-{scheme.ToString().ToLowerInvariant()}", "#token"));
        }

        return faults;
    }

    // One job that trains and has lost a rank, one that has succeeded, one that failed, one that waits.
    private static async Task HappenAsync(Site site)
    {
        var workspace = site.Workspace;
        await site.SucceedAsync("submit", workspace.Job("hot-learning-rate", 400, corpus: "corpora/no-such-*.txt", ranks: "{ max: 1 }"));
        await site.SucceedAsync("submit", workspace.Job("moby-dick-wide", 200, ranks: "{ max: 2 }"));
        await site.SucceedAsync("submit", workspace.Job("moby-dick-small", 200_000, ranks: "{ min: 2, max: 2 }"));
        await UntilStepAsync(site, "moby-dick-small", 120);
        var ranks = (await site.JsonAsync("show", "moby-dick-small")).GetProperty("ranks").EnumerateArray().ToList();
        LinformerProcess.Signal((int)Cluster.Number(ranks[^1].GetProperty("processId")), "KILL");
        await site.SucceedAsync("submit", workspace.Job("overnight", 200_000, ranks: "{ min: 4, max: 4 }"));
        await site.WaitForJobAsync("moby-dick-small", details => details.Job.Generation > 1, "a generation is formed without the rank");
        await site.WaitForJobAsync("moby-dick-wide", details => details.Job.State == JobState.Succeeded, "the short job is done");
        await UntilStepAsync(site, "moby-dick-small", 240);
    }

    private static Task UntilStepAsync(Site site, string job, long step) =>
        site.WaitForJobAsync(job, details => details.Job.CommittedStep >= step, $"{job} is at step {step}");

    private static async Task<IReadOnlyList<string>> TakeAsync(IPage page, string name, string seen)
    {
        await Expect(page.Locator(seen).First).ToBeVisibleAsync();
        await Expect(page.Locator("[aria-busy=true]")).ToHaveCountAsync(0);
        await Expect(page.Locator(".plot-empty").GetByText("Loading…")).ToHaveCountAsync(0);
        await ScrollThroughAsync(page);
        await Expect(page.Locator(".plot-frame:not(.empty) .plot:not(:has(canvas))")).ToHaveCountAsync(0);
        var path = Path.Combine(Folder(), name + ".png");
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = path, FullPage = true });
        return await PageInspection.FaultsAsync(page);
    }

    // Charts are drawn once they can be seen.
    private static async Task ScrollThroughAsync(IPage page) => await page.EvaluateAsync("""
        async () => {
          const frames = (count) => count === 0 ? Promise.resolve() : new Promise((resolve) => requestAnimationFrame(() => resolve(frames(count - 1))));
          for (let top = 0; top < document.documentElement.scrollHeight; top += window.innerHeight / 2) {
            window.scrollTo(0, top);
            await frames(4);
          }
          window.scrollTo(0, 0);
          await frames(2);
        }
        """);

    // Of the sources that the tests were built from.
    private static string Folder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Linformer.sln")))
        {
            folder = folder.Parent;
        }

        return Directory.CreateDirectory(Path.Combine(folder?.FullName ?? AppContext.BaseDirectory, "artifacts", "screenshots")).FullName;
    }
}
