using System.Net;
using System.Net.Sockets;
using System.Text;
using Linformer.Coordinator.Tests.Access;
using Linformer.Coordinator.Tests.Services;
using Linformer.Coordinator.Tests.Storage;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Rest;

/// <summary>What keeps a browser's user from other sites, and pages from what is not theirs.</summary>
public sealed class BrowserTests
{
    [Fact]
    public async Task Every_answer_tells_browsers_to_be_careful()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        foreach (var path in (string[])["/", "/jobs/a", "/api/v1/jobs", "/api/v1/nothing", "/assets/none.js"])
        {
            var headers = (await http.GetAsync(path)).Headers;
            headers["Content-Security-Policy"].ShouldStartWith("default-src 'none'; script-src 'self';");
            headers["Content-Security-Policy"].ShouldNotContain("unsafe");
            headers["X-Content-Type-Options"].ShouldBe("nosniff");
            headers["Referrer-Policy"].ShouldBe("no-referrer");
            headers["Cross-Origin-Opener-Policy"].ShouldBe("same-origin");
            headers["Cross-Origin-Resource-Policy"].ShouldBe("same-origin");
            headers.ShouldContainKey("Permissions-Policy");
            headers.ShouldNotContainKey("Strict-Transport-Security");
            headers.ShouldNotContainKey("Access-Control-Allow-Origin");
            headers.ShouldNotContainKey("Server");
        }
    }

    [Fact]
    public async Task Another_site_changes_nothing_on_an_open_listener()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        await coordinator.SubmitAsync("a");
        var own = http.Address.GetLeftPart(UriPartial.Authority);
        (string Name, string Value)[][] forged =
        [
            [("X-Linformer", "")],
            [("X-Linformer", "2")],
            [("Origin", "https://evil.example")],
            [("Origin", "null")],
            [("Origin", own.Replace("http:", "https:", StringComparison.Ordinal))],
            [("Sec-Fetch-Site", "cross-site")],
            [("Sec-Fetch-Site", "same-site"), ("Origin", own)],
        ];
        foreach (var headers in forged)
            (await http.SendAsync("POST", "/api/v1/jobs/a/cancel", headers: headers)).Problem(HttpStatusCode.Forbidden, "permission_denied");
        (await coordinator.Jobs.ShowAsync(new ShowJobRequest { Job = "a" })).Job.State.ShouldBe(JobState.Queued);
        (await http.GetAsync("/api/v1/jobs", ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"))).Problem(HttpStatusCode.Forbidden, "permission_denied");
        (await http.SendAsync("POST", "/api/v1/jobs/a/cancel", headers: [("Origin", own), ("Sec-Fetch-Site", "same-origin")])).Status.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("evil.example", 421)]
    [InlineData("localhost.evil.example", 421)]
    [InlineData("linformer.example", 421)]
    [InlineData("192.0.2.1", 200)]
    [InlineData("127.0.0.1", 200)]
    [InlineData("[::1]", 200)]
    [InlineData("LOCALHOST:1", 200)]
    public async Task A_name_that_is_not_this_machine_s_is_no_way_to_an_open_listener(string host, int status)
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        ((int)(await http.GetAsync("/api/v1/jobs", ("Host", host))).Status).ShouldBe(status);
        ((int)(await http.GetAsync("/api/v1/jobs", ("Host", Environment.MachineName))).Status).ShouldBe(200);
    }

    [Fact]
    public async Task Nor_is_it_where_nobody_is_asked_even_from_the_network()
    {
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with
        {
            Authentication = AuthenticationMode.NeverEvenFromNetwork,
            HttpListen = ["0.0.0.0:0"],
            PublicAddresses = ["http://linformer.example:7080"],
        });
        using var http = new RestClient(coordinator.Host);
        (await http.GetAsync("/api/v1/jobs", ("Host", "evil.example"))).Problem(HttpStatusCode.MisdirectedRequest, "misdirected").ShouldContain("--public-url");
        foreach (var host in (string[])["linformer.example", "LINFORMER.example:7080", "192.0.2.1:7080", "localhost", "[2001:db8::1]"])
            (await http.GetAsync("/api/v1/jobs", ("Host", host))).Status.ShouldBe(HttpStatusCode.OK, host);
    }

    [Fact]
    public async Task Who_shows_a_token_may_call_the_host_by_any_name()
    {
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with { Authentication = AuthenticationMode.Always });
        using var http = new RestClient(coordinator.Host, coordinator.Host.UserToken);
        (await http.GetAsync("/api/v1/jobs", ("Host", "linformer.example"))).Status.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    // A proxy that ends TLS and passes the host on; browsers say by themselves that page and call are of one origin.
    [InlineData("linformer.example", "https://linformer.example", "same-origin", 204)]
    [InlineData("linformer.example:8443", "https://linformer.example:8443", "same-origin", 204)]
    [InlineData("linformer.example", "https://linformer.example", "", 403)]
    [InlineData("linformer.example", "https://linformer.example:8443", "same-origin", 403)]
    [InlineData("linformer.example", "https://evil.example", "same-origin", 403)]
    [InlineData("linformer.example", "https://linformer.example", "same-site", 403)]
    // One that does not pass it on, which the coordinator has to be told of.
    [InlineData("10.0.0.1:7080", "https://public.example", "same-origin", 204)]
    [InlineData("10.0.0.1:7080", "https://public.example", "", 204)]
    [InlineData("10.0.0.1:7080", "http://public.example", "", 403)]
    [InlineData("10.0.0.1:7080", "https://public.example", "cross-site", 403)]
    public async Task People_log_in_through_a_proxy_that_ends_TLS(string host, string origin, string site, int status)
    {
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with { Authentication = AuthenticationMode.Always, PublicAddresses = ["https://public.example"] });
        using var http = new RestClient(coordinator.Host);
        var login = await LogInAsync(http, coordinator.Host.UserToken, ("Host", host), ("Origin", origin), ("Sec-Fetch-Site", site));
        ((int)login.Status).ShouldBe(status, login.Text);
        if (status == 204)
        {
            login.Headers["Set-Cookie"].ShouldStartWith("__Host-linformer-session=");
            login.Headers["Set-Cookie"].ShouldContain("; secure");
        }
    }

    [Fact]
    public async Task Without_TLS_the_cookie_has_no_promise_of_it()
    {
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with { Authentication = AuthenticationMode.Always, PublicAddresses = ["https://public.example"] });
        using var http = new RestClient(coordinator.Host);
        var login = await LogInAsync(http, coordinator.Host.UserToken, ("Origin", http.Address.GetLeftPart(UriPartial.Authority)));
        login.Headers["Set-Cookie"].ShouldStartWith("linformer-session=");
        login.Headers["Set-Cookie"].ShouldNotContain("secure");
        (await http.GetAsync("/api/v1/whoami", Session(login))).Json["user"]!.GetValue<string>().ShouldBe("admin");
    }

    [Fact]
    public async Task A_public_address_that_is_none_is_refused()
    {
        foreach (var wrong in (string[])["linformer.example", "https://linformer.example/path", "ftp://linformer.example", "https://user@linformer.example", "https://"])
            (await Should.ThrowAsync<FormatException>(() => TestCoordinator.StartAsync(change: options => options with { PublicAddresses = [wrong] }))).Message.ShouldContain($"'{wrong}'");
    }

    [Fact]
    public async Task Browsers_are_held_to_TLS_where_that_is_asked_for_and_by_name_alone()
    {
        await using var secure = await SecureCoordinator.StartAsync(change: options => options with { StrictTransport = true });
        using var own = new RestClient(secure.Coordinator.Host, null, secure.PlainTls());
        (await own.GetAsync("/")).Headers.ShouldNotContainKey("Strict-Transport-Security");
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with
        {
            StrictTransport = true,
            Authentication = AuthenticationMode.Always,
            PublicAddresses = ["https://linformer.example", "https://192.0.2.1"],
        });
        using var http = new RestClient(coordinator.Host);
        (await http.GetAsync("/", ("Host", "linformer.example"))).Headers["Strict-Transport-Security"].ShouldBe("max-age=31536000");
        foreach (var host in (string[])["192.0.2.1", "linformer.example:7080", "other.example"])
            (await http.GetAsync("/", ("Host", host))).Headers.ShouldNotContainKey("Strict-Transport-Security", host);
    }

    [Fact]
    public async Task A_session_is_no_token_and_a_token_no_session()
    {
        await using var secure = await SecureCoordinator.StartAsync();
        using var http = new RestClient(secure.Coordinator.Host, null, secure.PlainTls());
        var secret = (await secure.CreateAsync("ada", Role.Submitter)).Secret;
        var login = await LogInAsync(http, secret);
        login.Headers["Set-Cookie"].ShouldNotContain(secret.Split('_', 3)[2]);
        var value = Session(login).Value.Split('=', 2)[1];
        (await http.GetAsync("/api/v1/whoami", ("Authorization", $"Bearer {value}"))).Problem(HttpStatusCode.Unauthorized, "unauthenticated");
        var call = async () => await secure.Jobs.ListAsync(new ListJobsRequest(), SecureCoordinator.Bearer(value));
        (await call.ShouldThrowAsync<Grpc.Core.RpcException>()).StatusCode.ShouldBe(Grpc.Core.StatusCode.Unauthenticated);
        (await http.GetAsync("/api/v1/whoami", ("Cookie", $"__Host-linformer-session={secret}"))).Problem(HttpStatusCode.Unauthorized, "unauthenticated");
        // By TLS only the one that no other host, and nobody on the way, can have set.
        (await http.GetAsync("/api/v1/whoami", ("Cookie", $"linformer-session={value}"))).Problem(HttpStatusCode.Unauthorized, "unauthenticated");
        (await http.GetAsync("/api/v1/whoami", Session(login))).Json["user"]!.GetValue<string>().ShouldBe("ada");
    }

    [Fact]
    public async Task A_session_that_was_changed_or_made_by_another_coordinator_is_none()
    {
        using var folder = new TemporaryFolder();
        (string Name, string Value) session;
        await using (var first = await SecureCoordinator.StartAsync(folder))
        {
            using var http = new RestClient(first.Coordinator.Host, null, first.PlainTls());
            var made = await first.CreateAsync("ada", Role.Submitter, seconds: 3600);
            var ada = Session(await LogInAsync(http, made.Secret)).Value;
            var parts = ada.Split('=', 2)[1].Split('.');
            parts[0].ShouldBe(made.Token.Id);
            var end = long.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture);
            DateTimeOffset.FromUnixTimeSeconds(end).ShouldBeLessThanOrEqualTo(made.Token.ExpiresAt.ToDateTimeOffset());
            foreach (var changed in (string[])[$"{parts[0]}.{end + 1}.{parts[2]}", $"user-token.{end}.{parts[2]}", $"{parts[0]}.{end}.{parts[2][1..]}", $"{parts[0]}.{end}.", $"{parts[0]}.-1.{parts[2]}", "..", "x"])
                (await http.GetAsync("/api/v1/whoami", ("Cookie", $"__Host-linformer-session={changed}"))).Problem(HttpStatusCode.Unauthorized, "unauthenticated");
            session = Session(await LogInAsync(http, first.Coordinator.Host.UserToken));
            // Not for ever, although its token is.
            var admin = session.Value.Split('=', 2)[1].Split('.');
            DateTimeOffset.FromUnixTimeSeconds(long.Parse(admin[1], System.Globalization.CultureInfo.InvariantCulture)).ShouldBeLessThanOrEqualTo(DateTimeOffset.UtcNow.AddDays(7));
        }
        await using (var again = await SecureCoordinator.StartAsync(folder))
        {
            using var http = new RestClient(again.Coordinator.Host, null, again.PlainTls());
            (await http.GetAsync("/api/v1/whoami", session)).Json["user"]!.GetValue<string>().ShouldBe("admin");
        }
        // The hash that a database holds makes no session by itself.
        await File.WriteAllTextAsync(folder.File("storage-id"), $"{Guid.NewGuid()}\n");
        await using var other = await SecureCoordinator.StartAsync(folder);
        using var there = new RestClient(other.Coordinator.Host, null, other.PlainTls());
        (await there.GetAsync("/api/v1/whoami", session)).Problem(HttpStatusCode.Unauthorized, "unauthenticated");
    }

    [Fact]
    public async Task Bodies_without_a_token_are_refused_and_counted()
    {
        var log = new LogCollector();
        await using var secure = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { WrongTokensPerMinute = 6 } }, logger: log.Logger);
        using var http = new RestClient(secure.Coordinator.Host, null, secure.PlainTls());
        foreach (var body in (string[])["""{"token":"\ud800"}""", """{"\ud800":"x"}""", """{"\udc00":1,"\udc00":2}""", """{"password": "x"}""", "", "[]"])
            (await http.SendAsync("POST", "/api/v1/session", body)).Problem(HttpStatusCode.BadRequest, "invalid_argument").ShouldNotContain("password");
        (await http.SendAsync("POST", "/api/v1/session", """{"token":"\ud800"}""")).Problem(HttpStatusCode.TooManyRequests, "resource_exhausted");
        (await LogInAsync(http, secure.Coordinator.Host.UserToken)).Status.ShouldBe(HttpStatusCode.NoContent);
        log.Events.ShouldNotContain(one => one.Level >= Serilog.Events.LogEventLevel.Error);
    }

    [Fact]
    public async Task A_user_logs_in_with_a_token_and_its_cookie_ends_with_it()
    {
        await using var secure = await SecureCoordinator.StartAsync();
        using var http = new RestClient(secure.Coordinator.Host, null, secure.PlainTls());
        (await http.GetAsync("/api/v1/whoami")).Problem(HttpStatusCode.Unauthorized, "unauthenticated");
        var made = await secure.CreateAsync("ada", Role.Submitter);
        var login = await http.SendAsync("POST", "/api/v1/session", $$"""{"token": " {{made.Secret}}\n"}""");
        login.Status.ShouldBe(HttpStatusCode.NoContent, login.Text);
        var cookie = login.Headers["Set-Cookie"].ToLowerInvariant();
        foreach (var attribute in (string[])["__host-linformer-session=", "; httponly", "; samesite=strict", "; path=/", "; secure", "; expires="])
            cookie.ShouldContain(attribute);
        var session = ("Cookie", login.Headers["Set-Cookie"].Split(';')[0]);
        // It would hold for all ports of the host.
        login.Headers.ShouldNotContainKey("Strict-Transport-Security");

        (await http.GetAsync("/api/v1/whoami", session)).Json["user"]!.GetValue<string>().ShouldBe("ada");
        (await http.SendAsync("POST", "/api/v1/jobs", TestCoordinator.JobFile("a"), "application/yaml", session)).Status.ShouldBe(HttpStatusCode.Created);
        // A browser would add the cookie to another site's call, too, if it were not told otherwise.
        (await http.SendAsync("POST", "/api/v1/jobs/a/cancel", headers: [session, ("X-Linformer", "")])).Problem(HttpStatusCode.Forbidden, "permission_denied");
        await secure.Tokens.RevokeAsync(new RevokeTokenRequest { Id = made.Token.Id }, secure.Admin);
        var ended = await http.GetAsync("/api/v1/whoami", session);
        ended.Problem(HttpStatusCode.Unauthorized, "unauthenticated");
        ended.Headers["Set-Cookie"].ShouldContain("1970");
        var cleared = (await http.SendAsync("DELETE", "/api/v1/session")).Headers["Set-Cookie"];
        cleared.ShouldContain("__Host-linformer-session=;");
        cleared.ShouldStartWith("linformer-session=;");
    }

    [Fact]
    public async Task Wrong_tokens_get_no_cookie_and_are_counted()
    {
        await using var secure = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { WrongTokensPerMinute = 3 } });
        using var http = new RestClient(secure.Coordinator.Host, null, secure.PlainTls());
        for (var i = 0; i < 3; i++)
        {
            var wrong = await http.SendAsync("POST", "/api/v1/session", $$"""{"token": "wrong-token-number-{{i}}"}""");
            wrong.Problem(HttpStatusCode.Unauthorized, "unauthenticated");
            wrong.Headers.ShouldNotContainKey("Set-Cookie");
        }
        var many = await http.SendAsync("POST", "/api/v1/session", """{"token": "wrong-token-number-4"}""");
        many.Problem(HttpStatusCode.TooManyRequests, "resource_exhausted");
        many.Headers["Retry-After"].ShouldNotBeEmpty();
        (await http.SendAsync("POST", "/api/v1/session", $$"""{"token": "{{secure.Coordinator.Host.JoinToken}}"}""")).Status.ShouldBe(HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task A_cookie_of_another_coordinator_closes_nothing_that_is_open()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        (await http.GetAsync("/api/v1/whoami", ("Cookie", "linformer-session=lft_abcdefgh_" + new string('A', 43)))).Json["user"]!.GetValue<string>().ShouldBe("local");
    }

    [Fact]
    public async Task The_dashboard_s_files_are_served_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("site/assets"));
        await File.WriteAllTextAsync(folder.File("site/index.html"), "<!doctype html>");
        await File.WriteAllTextAsync(folder.File("site/assets/main-abc.js"), "run()");
        await File.WriteAllTextAsync(folder.File("site/assets/main-abc.js.br"), "packed");
        await File.WriteAllTextAsync(folder.File("secret.txt"), "secret");
        File.CreateSymbolicLink(folder.File("site/link.txt"), folder.File("secret.txt"));
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with { DashboardFolder = folder.File("site"), Authentication = AuthenticationMode.Always });
        using var http = new RestClient(coordinator.Host);

        foreach (var path in (string[])["/", "/jobs", "/jobs/tiny-abc12", "/login"])
        {
            var page = await http.GetAsync(path);
            page.Text.ShouldBe("<!doctype html>", path);
            page.Headers["Content-Type"].ShouldBe("text/html; charset=utf-8");
            page.Headers["Cache-Control"].ShouldBe("no-cache");
        }
        (await http.GetAsync("/jobs/my.job", ("Accept", "text/html"))).Text.ShouldBe("<!doctype html>");
        var script = await http.GetAsync("/assets/main-abc.js");
        script.Text.ShouldBe("run()");
        script.Headers["Content-Type"].ShouldStartWith("text/javascript");
        script.Headers["Cache-Control"].ShouldContain("immutable");
        var packed = await http.GetAsync("/assets/main-abc.js", ("Accept-Encoding", "gzip, br"));
        (packed.Text, packed.Headers["Content-Encoding"], packed.Headers["Vary"]).ShouldBe(("packed", "br", "Accept-Encoding"));
        (await http.GetAsync("/", ("If-None-Match", (await http.GetAsync("/")).Headers["ETag"]))).Status.ShouldBe(HttpStatusCode.NotModified);
        foreach (var path in (string[])["/assets/", "/assets/none.js", "/secret.txt", "/link.txt", "/..%2fsecret.txt", "/assets/..%2f..%2fsecret.txt", "/assets/main-abc.js.br", "/index.html%00.txt"])
        {
            var absent = await http.GetAsync(path);
            ((int)absent.Status).ShouldBeInRange(400, 404, path);
            absent.Text.ShouldNotContain("secret\"");
        }
        (await RawAsync(http.Address, "GET /../secret.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).ShouldNotContain("\r\n\r\nsecret");
        (await http.GetAsync("/api/v1/jobs")).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await http.SendAsync("POST", "/")).Status.ShouldNotBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Without_the_dashboard_the_page_says_so()
    {
        using var folder = new TemporaryFolder();
        await using var coordinator = await TestCoordinator.StartAsync(change: options => options with { DashboardFolder = folder.File("none") });
        using var http = new RestClient(coordinator.Host);
        var page = await http.GetAsync("/");
        page.Headers["Content-Type"].ShouldStartWith("text/plain");
        page.Text.ShouldContain("-p:Dashboard=required");
    }

    [Fact]
    public async Task Headers_beyond_measure_are_refused()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        (await RawAsync(http.Address, $"GET / HTTP/1.1\r\nHost: localhost\r\nX: {new string('x', 20_000)}\r\n\r\n")).ShouldStartWith("HTTP/1.1 431");
        (await RawAsync(http.Address, $"GET / HTTP/1.1\r\nHost: localhost\r\n{string.Concat(Enumerable.Range(0, 80).Select(i => $"X{i}: 1\r\n"))}\r\n")).ShouldStartWith("HTTP/1.1 431");
        (await RawAsync(http.Address, "NONSENSE\r\n\r\n")).ShouldStartWith("HTTP/1.1 400");
    }

    private static Task<Answer> LogInAsync(RestClient http, string token, params (string Name, string Value)[] headers) =>
        http.SendAsync("POST", "/api/v1/session", $$"""{"token": "{{token}}"}""", headers: headers);

    // What a browser sends back.
    private static (string Name, string Value) Session(Answer login) => ("Cookie", login.Headers["Set-Cookie"].Split(';')[0]);

    private static async Task<string> RawAsync(Uri address, string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, address.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(client.GetStream());
        try
        {
            return await reader.ReadToEndAsync();
        }
        catch (IOException exception)
        {
            return exception.Message;
        }
    }
}
