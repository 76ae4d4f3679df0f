using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Linformer.Coordinator.Tests.Access;
using Linformer.Coordinator.Tests.Services;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Rest;

public sealed class EventStreamTests
{
    [Fact]
    public async Task States_come_whole_first_and_then_what_has_changed()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        var job = await coordinator.SubmitAsync("first");
        using (var events = await http.StreamAsync("jobs", "job:first", "workers", "corpora", "summary", "job:none"))
        {
            var hello = await events.NextAsync();
            hello!.Value.Name.ShouldBe("hello");
            hello.Value.Data["epoch"]!.GetValue<long>().ShouldBe(coordinator.Host.Epoch);
            var first = new Dictionary<string, JsonObject>();
            while (first.Count < 6)
            {
                var next = (await events.NextAsync())!.Value;
                first.TryAdd(next.Name, next.Data);
            }
            first["jobs"]["full"]!.GetValue<bool>().ShouldBeTrue();
            first["jobs"]["jobs"]!.AsArray().ShouldHaveSingleItem()!["id"]!.GetValue<string>().ShouldBe(job.Id);
            first["job"]["id"]!.GetValue<string>().ShouldBe(job.Id);
            first["job"]["history"]!.AsArray().Count.ShouldBe(1);
            first["workers"]["workers"]!.AsArray().ShouldBeEmpty();
            first["corpora"]["corpora"]!.AsArray().ShouldBeEmpty();
            first["summary"]["epoch"]!.GetValue<long>().ShouldBe(coordinator.Host.Epoch);
            first["gone"]["topic"]!.GetValue<string>().ShouldBe("job:none");
            first["gone"]["reason"]!.GetValue<string>().ShouldContain("'none'");
        }
        using (var events = await http.StreamAsync("jobs", "job:" + job.Id))
        {
            await events.NextAsync("jobs");
            var known = Sequences(await events.NextAsync("job"))[^1];
            var other = await coordinator.SubmitAsync("second");
            await events.NextAsync("jobs", IsChangeOf(other.Id, "queued"));
            await CheckOneChangesAloneAsync(coordinator, events, other.Id);

            await coordinator.Jobs.PauseAsync(new ChangeRequest { Job = job.Id, Why = "lunch" });
            var change = await events.NextAsync("job", data => data["job"]!["state"]!.GetValue<string>() == "paused");
            Sequences(change).ShouldNotBeEmpty();
            Sequences(change).ShouldAllBe(sequence => sequence > known);
            change["history"]!.AsArray().ShouldContain(entry => entry!["why"]!.GetValue<string>() == "lunch");
        }
    }

    // Another job may change at the same moment, and is told with it then: but not every time.
    private static async Task CheckOneChangesAloneAsync(TestCoordinator coordinator, EventReader events, string job)
    {
        var told = new List<string>();
        for (var attempt = 0; attempt < 5; attempt++)
        {
            foreach (var state in (string[])["paused", "queued"])
            {
                var request = new ChangeRequest { Job = job, Why = "to and fro" };
                await (state == "paused" ? coordinator.Jobs.PauseAsync(request) : coordinator.Jobs.ResumeAsync(request));
                var jobs = await events.NextAsync("jobs", IsChangeOf(job, state));
                jobs.ContainsKey("full").ShouldBeFalse();
                jobs["removed"]!.AsArray().ShouldBeEmpty();
                if (jobs["jobs"]!.AsArray().Count == 1)
                    return;
                told.Add(jobs.ToJsonString());
            }
        }
        told.ShouldBeEmpty("a job that has changed was never told alone");
    }

    private static Func<JsonObject, bool> IsChangeOf(string job, string state) => data => data["jobs"]!.AsArray()
        .Any(one => one!["id"]!.GetValue<string>() == job && one["state"]!.GetValue<string>() == state);

    [Fact]
    public async Task Records_come_after_their_cursor_and_then_as_they_are_written_and_steps_that_are_taken_again_are_told()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        var job = await coordinator.SubmitAsync();
        using var agent = new FakeAgent(coordinator);
        await agent.JoinAsync();
        await AgentsServiceTests.PrepareAsync(agent);
        var group = (await AgentsServiceTests.FormAsync(agent)).Groups[0];
        await agent.SendAsync(AgentsServiceTests.Steps(group, 1, 3));
        await agent.ReadUntilAsync(message => message.TelemetryAck?.Sequence == 3);

        using var events = await http.StreamAsync($"metrics:{job.Id}:0", $"logs:{job.Id}:0", "events:0");
        var lines = new List<string>();
        var points = new List<long>();
        while (points.Count < 3 || lines.Count < 3)
        {
            var (name, data) = (await events.NextAsync())!.Value;
            if (name == "metrics")
                points.AddRange(Steps(data));
            if (name == "logs")
                lines.AddRange(data["lines"]!.AsArray().Select(line => line!["text"]!.GetValue<string>()));
        }
        points.ShouldBe([1, 2, 3]);
        lines.ShouldBe(["step 1", "step 2", "step 3"]);
        using var late = await http.StreamAsync($"metrics:{job.Id}:2", $"logs:{job.Id}:0:7");
        Steps(await late.NextAsync("metrics")).ShouldBe([3]);
        using var ahead = await http.StreamAsync($"metrics:{job.Id}:9");
        (await ahead.NextAsync("metrics"))["reset"]!.GetValue<long>().ShouldBe(3);

        await agent.SendAsync(AgentsServiceTests.Steps(group, 4, 6));
        foreach (var reader in (EventReader[])[events, late, ahead])
        {
            var more = new List<long>();
            while (more.Count < 3)
                more.AddRange(Steps(await reader.NextAsync("metrics")));
            more.ShouldBe([4, 5, 6]);
        }

        var next = (await AgentsServiceTests.FailAsync(agent, group)).Assignment.Groups[0];
        await agent.SendAsync(AgentsServiceTests.Steps(next, 4, 7));
        var back = await events.NextAsync("metrics");
        back["reset"]!.GetValue<long>().ShouldBe(3);
        var again = await events.NextAsync("metrics");
        Steps(again).First().ShouldBe(4);
        again["generation"]!.GetValue<int>().ShouldBe(2);
        // Who has step 6 of the first generation holds what does not count.
        using var returning = await http.StreamAsync($"metrics:{job.Id}:6:0:1");
        (await returning.NextAsync("metrics"))["reset"]!.GetValue<long>().ShouldBe(3);
        Steps(await returning.NextAsync("metrics")).First().ShouldBe(4);
    }

    [Fact]
    public async Task A_token_that_is_revoked_ends_its_streams()
    {
        await using var secure = await SecureCoordinator.StartAsync();
        var made = await secure.CreateAsync("vic", Role.Viewer);
        using var http = new RestClient(secure.Coordinator.Host, made.Secret, secure.PlainTls());
        using var events = await http.StreamAsync("workers");
        await events.NextAsync("workers");
        await secure.Tokens.RevokeAsync(new RevokeTokenRequest { Id = made.Token.Id }, secure.Admin);
        (await events.NextAsync("bye"))["code"]!.GetValue<string>().ShouldBe("unauthenticated");
        (await events.NextAsync()).ShouldBeNull();
        (await http.GetAsync("/api/v1/stream?topic=workers")).Problem(HttpStatusCode.Unauthorized, "unauthenticated");
    }

    [Fact]
    public async Task A_stop_says_goodbye_to_pages()
    {
        var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        using var events = await http.StreamAsync("workers", "events:0");
        await events.NextAsync("workers");
        var stop = coordinator.DisposeAsync().AsTask();
        (await events.NextAsync("bye"))["code"]!.GetValue<string>().ShouldBe("unavailable");
        await stop;
    }

    [Fact]
    public async Task Sixty_pages_are_told_at_once_beside_one_that_reads_nothing()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        using var deaf = new TcpClient();
        await deaf.ConnectAsync(IPAddress.Loopback, http.Address.Port);
        await deaf.GetStream().WriteAsync(Encoding.ASCII.GetBytes("GET /api/v1/stream?topic=jobs&topic=summary HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        var pages = new List<EventReader>();
        try
        {
            for (var i = 0; i < 60; i++)
                pages.Add(await http.StreamAsync("jobs", "workers", "summary"));
            foreach (var page in pages)
                await page.NextAsync("jobs");
            var job = await coordinator.SubmitAsync("told");
            foreach (var page in pages)
                await page.NextAsync("jobs", data => data["jobs"]!.AsArray().Any(one => one!["id"]!.GetValue<string>() == job.Id));
        }
        finally
        {
            pages.ForEach(page => page.Dispose());
        }
    }

    [Fact]
    public async Task One_user_has_so_many_streams_and_a_stream_so_many_topics()
    {
        await using var secure = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { CallsPerSecond = 0 } });
        var viewer = (await secure.CreateAsync("vic", Role.Viewer)).Secret;
        using var http = new RestClient(secure.Coordinator.Host, viewer, secure.PlainTls());
        var topics = string.Join('&', Enumerable.Range(0, 33).Select(i => $"topic=events:{i}"));
        (await http.GetAsync("/api/v1/stream?" + topics)).Problem(HttpStatusCode.BadRequest, "invalid_argument").ShouldContain("33 times");
        var pages = new List<EventReader>();
        try
        {
            for (var i = 0; i < 256; i++)
                pages.Add(await http.StreamAsync("workers"));
            (await http.GetAsync("/api/v1/stream?topic=workers")).Problem(HttpStatusCode.TooManyRequests, "resource_exhausted").ShouldContain("256");
        }
        finally
        {
            pages.ForEach(page => page.Dispose());
        }
    }

    private static List<long> Sequences(JsonObject change) => [.. change["history"]!.AsArray().Select(entry => entry!["sequence"]!.GetValue<long>())];

    private static IEnumerable<long> Steps(JsonObject metrics) =>
        metrics["points"]?.AsArray().Select(point => point!["step"]!.GetValue<long>()) ?? throw new InvalidOperationException(metrics.ToJsonString());
}
