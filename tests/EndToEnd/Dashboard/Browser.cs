using Microsoft.Playwright;

namespace EndToEnd.Dashboard;

/// <summary>Debian's Chromium.</summary>
internal sealed class Browser : IAsyncDisposable
{
    private static readonly string[] Programs = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;

    private Browser(IPlaywright playwright, IBrowser browser) => (_playwright, _browser) = (playwright, browser);

    public static async Task<Browser> StartAsync()
    {
        // One for all tests, whichever of them comes first.
        Assertions.SetDefaultExpectTimeout(120_000);
        var playwright = await Playwright.CreateAsync();
        // Root in a container has no sandbox; the pages are our own.
        var options = new BrowserTypeLaunchOptions { ExecutablePath = Programs.First(File.Exists), Args = ["--no-sandbox", "--disable-gpu"] };
        return new Browser(playwright, await playwright.Chromium.LaunchAsync(options));
    }

    /// <summary>A page of a browser of its own, which keeps an eye on what must never happen.</summary>
    public async Task<WatchedPage> OpenAsync(string site, ColorScheme scheme = ColorScheme.Light, int width = 1440, int height = 900)
    {
        var context = await _browser.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = site,
            ColorScheme = scheme,
            ViewportSize = new ViewportSize { Width = width, Height = height },
            ReducedMotion = ReducedMotion.Reduce,
            AcceptDownloads = true,
        });
        context.SetDefaultTimeout(90_000);
        return await WatchedPage.OpenAsync(context, new Uri(site));
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
    }
}
