using System.Globalization;
using Microsoft.Playwright;

namespace EndToEnd.Dashboard;

/// <summary>The page of one job, as a person uses it.</summary>
internal sealed class JobPage(IPage page)
{
    /// <summary>The words of its state.</summary>
    public ILocator State => page.Locator(".job-title .badge");

    /// <summary>One of the numbers at the head.</summary>
    public ILocator Number(string name) => page.Locator("dl.key-numbers > div")
        .Filter(new LocatorFilterOptions { Has = page.GetByRole(AriaRole.Term).GetByText(name, new LocatorGetByTextOptions { Exact = true }) })
        .GetByRole(AriaRole.Definition);

    public ILocator Chart(string title) => page.GetByRole(AriaRole.Figure)
        .Filter(new LocatorFilterOptions { Has = page.GetByRole(AriaRole.Heading, new PageGetByRoleOptions { NameRegex = Pattern.Of($"^{title}( |$)") }) });

    public Task OpenTabAsync(string name) => page.GetByRole(AriaRole.Navigation, new PageGetByRoleOptions { Name = "Parts of the job" })
        .GetByRole(AriaRole.Link, new LocatorGetByRoleOptions { NameRegex = Pattern.Of("^" + name) }).ClickAsync();

    /// <summary>Presses a button of the head and says yes to the question, with a reason.</summary>
    public async Task ActAsync(string button, string answer, string? why = null)
    {
        await page.Locator(".job-title").GetByRole(AriaRole.Button, new LocatorGetByRoleOptions { Name = button, Exact = true }).ClickAsync();
        var dialog = page.GetByRole(AriaRole.Dialog);
        if (why is not null)
            await dialog.GetByRole(AriaRole.Textbox).FillAsync(why);
        await dialog.GetByRole(AriaRole.Button, new LocatorGetByRoleOptions { Name = answer, Exact = true }).ClickAsync();
    }

    /// <summary>The rows of a chart's values, after its menu was used from the keyboard.</summary>
    public async Task<ILocator> ValuesAsync(string title)
    {
        var more = page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = $"More of {title}", Exact = true });
        await more.FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(page.GetByRole(AriaRole.Menuitem, new PageGetByRoleOptions { Name = "Show as table" })).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Enter");
        return page.GetByRole(AriaRole.Region, new PageGetByRoleOptions { Name = $"Values of {title}", Exact = true }).GetByRole(AriaRole.Row);
    }

    /// <summary>Points along a chart until a mark tells what is sought, and gives all that it tells.</summary>
    public async Task<string> PointAtMarkAsync(string title, string sought)
    {
        var plot = Chart(title).Locator(".u-over");
        await plot.ScrollIntoViewIfNeededAsync();
        var tip = Chart(title).Locator(".mark-tip");
        var told = new HashSet<string>();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(180));
        while (!limit.IsCancellationRequested)
        {
            var box = await plot.BoundingBoxAsync() ?? throw new InvalidOperationException($"The chart {title} is not shown.");
            for (var x = 1; x < box.Width; x += 3)
            {
                await page.Mouse.MoveAsync(box.X + x, box.Y + (box.Height / 2));
                var text = await tip.CountAsync() > 0 ? string.Join('\n', await tip.AllInnerTextsAsync()) : "";
                told.Add(text);
                if (text.Contains(sought, StringComparison.Ordinal))
                    return text;
            }
        }

        throw new TimeoutException($"No mark of {title} tells of '{sought}', but: {string.Join(" | ", told)}");
    }

    /// <summary>The committed steps that the head shows.</summary>
    public async Task<long> StepAsync() =>
        long.Parse(Pattern.Of("([0-9,]+) of [0-9,]+ steps").Match(await page.Locator(".job-progress p").InnerTextAsync()).Groups[1].Value.Replace(",", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
}
