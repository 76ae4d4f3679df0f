using System.Net;
using System.Text;
using System.Text.Json;
using EndToEnd.Clusters;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace EndToEnd.Dashboard;

/// <summary>Who may come in, what they see, and what pages of others may not do in their name.</summary>
[Trait("Lane", "Processes")]
public sealed class LoginTests : IAsyncLifetime, IDisposable
{
    private readonly Workspace _workspace = new();
    private Site? _site;
    private Browser? _browser;

    private Site Site => _site!;

    private Browser Browser => _browser!;

    public async Task InitializeAsync()
    {
        _site = Site.WithLogin(_workspace);
        await _site.StartAsync();
        _browser = await Browser.StartAsync();
    }

    public async Task DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        await Site.DisposeAsync();
    }

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public async Task ATokenOpensASessionThatItsRevocationEnds()
    {
        await Site.SucceedAsync("submit", _workspace.Job("waiting"));
        var token = await Site.JsonAsync("tokens", "create", "vera", "--role", "viewer");
        await using var watched = await Browser.OpenAsync(Site.Address);
        var page = watched.Page;
        await page.GotoAsync("/jobs/waiting");
        await LogInAsync(page, "not-a-token");
        await Expect(page.GetByRole(AriaRole.Alert)).ToBeVisibleAsync();
        (await page.Context.CookiesAsync()).ShouldBeEmpty();

        await LogInAsync(page, token.GetProperty("secret").GetString()!);
        await Expect(page.GetByRole(AriaRole.Heading, new PageGetByRoleOptions { Level = 1 })).ToHaveTextAsync("waiting");
        var cookie = (await page.Context.CookiesAsync()).ShouldHaveSingleItem();
        cookie.HttpOnly.ShouldBeTrue();
        cookie.SameSite.ShouldBe(SameSiteAttribute.Strict);
        await Expect(page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { NameRegex = Pattern.Of("^(Pause|Cancel|Resume|Delete)$") })).ToHaveCountAsync(0);
        await Expect(page.GetByRole(AriaRole.Link, new PageGetByRoleOptions { Name = "Clone and edit" })).ToHaveCountAsync(0);

        await page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "vera, viewer" }).ClickAsync();
        await page.GetByRole(AriaRole.Menuitem, new PageGetByRoleOptions { Name = "Log out" }).ClickAsync();
        await Expect(page.Locator("input#token")).ToBeVisibleAsync();
        (await page.Context.CookiesAsync()).ShouldBeEmpty();

        await LogInAsync(page, token.GetProperty("secret").GetString()!);
        await Expect(page.GetByRole(AriaRole.Heading, new PageGetByRoleOptions { Level = 1 })).ToHaveTextAsync("waiting");
        await Site.SucceedAsync("tokens", "revoke", IdOf(token));
        await Expect(page.Locator("input#token")).ToBeVisibleAsync();
        await Expect(page.GetByRole(AriaRole.Status).Filter(new LocatorFilterOptions { HasText = "revoked" })).ToBeVisibleAsync();
    }

    [Fact]
    public async Task APageOfAnotherOriginChangesNothing()
    {
        await Site.SucceedAsync("submit", _workspace.Job("aim"));
        await using var watched = await Browser.OpenAsync(Site.Address);
        var page = watched.Page;
        await page.GotoAsync("/jobs/aim");
        await LogInAsync(page, await Site.AdminTokenAsync());
        await Expect(page.GetByRole(AriaRole.Heading, new PageGetByRoleOptions { Level = 1 })).ToHaveTextAsync("aim");

        using var other = new HttpListener();
        var address = $"http://localhost:{Cluster.FreePort()}/";
        other.Prefixes.Add(address);
        other.Start();
        var serving = ServeAsync(other, Hostile($"{Site.Address}/api/v1/jobs/aim/cancel"));
        // The port does not make another site: the browser sends the session's cookie along.
        var theirs = await page.Context.NewPageAsync();
        var sent = new List<IResponse>();
        theirs.Response += (_, response) => sent.Add(response);
        await theirs.GotoAsync(address);
        await Expect(theirs.GetByText("all was tried")).ToBeVisibleAsync();
        await theirs.GetByRole(AriaRole.Button).ClickAsync();
        await Cluster.UntilAsync(() => Task.FromResult(sent.Any(one => one.Url.EndsWith("/cancel?form", StringComparison.Ordinal))), "the form is answered");
        sent.Where(one => one.Url.Contains("/cancel", StringComparison.Ordinal)).ShouldAllBe(one => one.Status == 403 || one.Status == 400 || one.Request.Method == "OPTIONS");
        other.Stop();
        await serving;

        var job = (await Site.JsonAsync("show", "aim")).GetProperty("job");
        job.GetProperty("state").GetString().ShouldNotBe("cancelled");
        job.GetProperty("pending").GetString().ShouldBe("");
        // The same by the page of the coordinator itself is heard.
        await new JobPage(page).ActAsync("Cancel", "Cancel the job");
        await Expect(new JobPage(page).State).ToHaveTextAsync("cancelled");
    }

    private static async Task LogInAsync(IPage page, string token)
    {
        await page.Locator("input#token").FillAsync(token);
        await page.Keyboard.PressAsync("Enter");
    }

    private static string IdOf(JsonElement created) => created.GetProperty("token").GetProperty("id").GetString()!;

    private static string Hostile(string url) => $$"""
        <!doctype html><title>hostile</title><p id="done"></p>
        <form method="post" action="{{url}}?form" enctype="text/plain"><input name='{"why":"' value='form"}'><button>Win a prize</button></form>
        <script>
          const post = (options) => fetch('{{url}}', { method: 'POST', credentials: 'include', ...options }).catch(() => undefined);
          Promise.all([
            post({ mode: 'no-cors' }),
            post({ mode: 'no-cors', body: '{"why":"fetch"}', headers: { 'Content-Type': 'text/plain' } }),
            post({ mode: 'cors', body: '{"why":"header"}', headers: { 'Content-Type': 'application/json', 'X-Linformer': '1' } }),
          ]).then(() => { document.getElementById('done').textContent = 'all was tried'; });
        </script>
        """;

    private static async Task ServeAsync(HttpListener listener, string html)
    {
        try
        {
            while (true)
            {
                var call = await listener.GetContextAsync();
                call.Response.ContentType = "text/html";
                await call.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(html));
                call.Response.Close();
            }
        }
        catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
        {
            // Nobody is to be answered any more.
        }
    }
}
