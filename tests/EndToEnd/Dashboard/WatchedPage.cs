using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace EndToEnd.Dashboard;

/// <summary>
/// A page that keeps what must never happen: errors of its scripts, violations of its Content-Security-Policy, and requests to
/// anybody but the coordinator.
/// </summary>
internal sealed class WatchedPage : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly ConcurrentQueue<string> _troubles = [];

    private WatchedPage(IBrowserContext context, IPage page) => (_context, Page) = (context, page);

    public IPage Page { get; }

    /// <summary>What has happened that must never happen.</summary>
    public IReadOnlyCollection<string> Troubles => _troubles;

    public static async Task<WatchedPage> OpenAsync(IBrowserContext context, Uri site)
    {
        var watched = new WatchedPage(context, await context.NewPageAsync());
        watched.Page.PageError += (_, error) => watched._troubles.Enqueue($"script: {error}");
        watched.Page.Console += (_, message) =>
        {
            // What the browser itself says of an answer that is no success, or of a connection that broke, is not the page's fault.
            if (message.Type is "error" && !message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal) && !message.Text.Contains("net::ERR_", StringComparison.Ordinal))
                watched._troubles.Enqueue($"console: {message.Text}");
        };
        watched.Page.Request += (_, request) =>
        {
            var to = new Uri(request.Url);
            if (to.Scheme is not ("data" or "blob") && to.Authority != site.Authority)
                watched._troubles.Enqueue($"request to {request.Url}");
        };
        watched.Page.Dialog += (_, dialog) =>
        {
            watched._troubles.Enqueue($"dialog: {dialog.Message}");
            _ = dialog.DismissAsync();
        };
        return watched;
    }

    public ILocator Text(string text) => Page.GetByText(text);

    public async ValueTask DisposeAsync()
    {
        _troubles.ShouldBeEmpty();
        await _context.DisposeAsync();
    }
}
