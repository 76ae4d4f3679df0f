namespace EndToEnd.Dashboard;

/// <summary>Two workers with two slots each and a browser; for tests that share them.</summary>
public sealed class RunningSite : IAsyncLifetime, IDisposable
{
    private readonly Workspace _workspace = new();
    private Site? _site;
    private Browser? _browser;

    internal Site Site => _site!;

    internal Browser Browser => _browser!;

    internal Workspace Workspace => _workspace;

    public async Task InitializeAsync()
    {
        _site = Site.Up(_workspace, "--workers", "2", "--slots", "2");
        await _site.StartAsync();
        _browser = await Browser.StartAsync();
    }

    public async Task DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        if (_site is not null)
            await _site.DisposeAsync();
    }

    public void Dispose() => _workspace.Dispose();
}
