using System.Net;
using Linformer.Coordinator.Tests.Access;
using Linformer.Coordinator.Tests.Services;
using Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Rest;

/// <summary>What one page may cost the others, and what becomes of topics that change beneath it.</summary>
public sealed class SharedTopicTests
{
    [Fact]
    public async Task Topics_that_are_not_there_take_nobodys_place()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        var pages = new List<EventReader>();
        try
        {
            for (var i = 0; i < 65; i++)
                pages.Add(await http.StreamAsync([.. Enumerable.Range(0, 32).Select(topic => $"job:none-{i}-{topic}")]));
            using var other = await http.StreamAsync("workers");
            await other.NextAsync("workers");
        }
        finally
        {
            pages.ForEach(page => page.Dispose());
        }
    }

    [Fact]
    public async Task One_user_watches_so_many_different_topics_and_leaves_room_for_others()
    {
        await using var secure = await SecureCoordinator.StartAsync(change: options => options with { Limits = new UserLimits { CallsPerSecond = 0 } });
        var job = (await secure.Coordinator.Jobs.SubmitAsync(TestCoordinator.Request(), secure.Admin)).Job.Id;
        using var vic = new RestClient(secure.Coordinator.Host, (await secure.CreateAsync("vic", Role.Viewer)).Secret, secure.PlainTls());
        using var wes = new RestClient(secure.Coordinator.Host, (await secure.CreateAsync("wes", Role.Viewer)).Secret, secure.PlainTls());
        var pages = new List<EventReader>();
        try
        {
            for (var i = 0; i < 256; i += 32)
                pages.Add(await vic.StreamAsync([.. Enumerable.Range(i, 32).Select(rank => $"logs:{job}:0:{rank}")]));
            (await vic.GetAsync($"/api/v1/stream?topic=logs:{job}:0:256")).Problem(HttpStatusCode.TooManyRequests, "resource_exhausted").ShouldContain("256");
            pages.Add(await vic.StreamAsync($"logs:{job}:0:255"));
            pages.Add(await wes.StreamAsync($"logs:{job}:0:256"));
        }
        finally
        {
            pages.ForEach(page => page.Dispose());
        }
    }

    [Fact]
    public async Task A_name_means_the_newest_job_and_one_that_is_deleted_is_gone()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        var first = await coordinator.SubmitAsync("same");
        using var older = await http.StreamAsync("job:same", $"metrics:{first.Id}:0");
        (await older.NextAsync("job"))["id"]!.GetValue<string>().ShouldBe(first.Id);
        var second = await coordinator.SubmitAsync("same");
        using (var newer = await http.StreamAsync("job:same"))
            (await newer.NextAsync("job"))["id"]!.GetValue<string>().ShouldBe(second.Id);

        await coordinator.Jobs.CancelAsync(new ChangeRequest { Job = first.Id });
        await older.NextAsync("job", data => data["job"]!["state"]!.GetValue<string>() == "cancelled");
        await coordinator.Jobs.DeleteAsync(new DeleteJobRequest { Job = first.Id });
        await older.NextAsync("gone", data => data["topic"]!.GetValue<string>() == "job:same");
    }

    [Fact]
    public async Task Steps_that_are_told_late_are_sent_with_all_after_them()
    {
        await using var coordinator = await TestCoordinator.StartAsync();
        using var http = new RestClient(coordinator.Host);
        var job = await coordinator.SubmitAsync();
        using var agent = new FakeAgent(coordinator);
        await agent.JoinAsync();
        await AgentsServiceTests.PrepareAsync(agent);
        var group = (await AgentsServiceTests.FormAsync(agent)).Groups[0];
        await agent.SendAsync(AgentsServiceTests.Steps(group, 1, 3));
        using var events = await http.StreamAsync($"metrics:{job.Id}:0");
        var held = new List<long>();
        (await HoldAsync(events, held, 1, 2, 3)).ShouldBeEmpty();
        var next = (await AgentsServiceTests.FailAsync(agent, group)).Assignment.Groups[0];
        await agent.SendAsync(AgentsServiceTests.Steps(next, 6, 7));
        (await HoldAsync(events, held, 1, 2, 3, 6, 7)).ShouldBeEmpty();

        await agent.SendAsync(AgentsServiceTests.Steps(group, 4, 5));
        (await HoldAsync(events, held, 1, 2, 3, 4, 5, 6, 7)).ShouldBe([3]);
    }

    [Fact]
    public async Task The_summary_tells_of_authentication_as_it_is()
    {
        await using var secure = await SecureCoordinator.StartAsync();
        using var http = new RestClient(secure.Coordinator.Host, (await secure.CreateAsync("vic", Role.Viewer)).Secret, secure.PlainTls());
        using var events = await http.StreamAsync("summary");
        (await events.NextAsync("summary"))["authentication"]!.GetValue<bool>().ShouldBeTrue();
        await using var open = await TestCoordinator.StartAsync();
        using var plain = new RestClient(open.Host);
        using var others = await plain.StreamAsync("summary");
        (await others.NextAsync("summary"))["authentication"]!.GetValue<bool>().ShouldBeFalse();
    }

    // As a page holds them: points come at the end, and a reset takes away those after its step. The resets that there were.
    private static async Task<List<long>> HoldAsync(EventReader events, List<long> held, params long[] expected)
    {
        var resets = new List<long>();
        while (!held.SequenceEqual(expected))
        {
            var data = await events.NextAsync("metrics");
            if (data["reset"]?.GetValue<long>() is { } step)
            {
                resets.Add(step);
                held.RemoveAll(one => one > step);
            }
            else
            {
                held.AddRange(data["points"]!.AsArray().Select(point => point!["step"]!.GetValue<long>()));
            }
        }
        return resets;
    }
}
