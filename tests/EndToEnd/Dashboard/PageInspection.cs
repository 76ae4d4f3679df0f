using System.Text.Json;
using Microsoft.Playwright;

namespace EndToEnd.Dashboard;

/// <summary>What every page has to have: measured in the page itself.</summary>
internal static class PageInspection
{
    /// <summary>The faults of a page, none if it is well.</summary>
    public static async Task<IReadOnlyList<string>> FaultsAsync(IPage page)
    {
        var found = await page.EvaluateAsync<JsonElement>(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "Dashboard", "inspect.js")));
        return [.. found.EnumerateArray().Select(fault => fault.GetString()!)];
    }
}
