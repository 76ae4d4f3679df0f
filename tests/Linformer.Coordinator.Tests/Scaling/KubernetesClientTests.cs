using System.Net;
using Linformer.Coordinator.Scaling;
using Linformer.Coordinator.Tests.Services;
using Microsoft.AspNetCore.Http;

namespace Linformer.Coordinator.Tests.Scaling;

/// <summary>The client against a real HTTPS server that behaves, and misbehaves, as Kubernetes' does.</summary>
public class KubernetesClientTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private readonly CancellationToken _limit = new CancellationTokenSource(Limit).Token;

    [Fact]
    public async Task Reads_and_changes_the_size()
    {
        await using var server = await FakeKubernetes.StartAsync(replicas: 2);
        using var client = server.Client();

        var scale = await client.ReadAsync(_limit);
        var changed = await client.ChangeAsync(0, scale.Version, _limit);

        scale.Replicas.ShouldBe(2);
        changed.Replicas.ShouldBe(0);
        changed.Version.ShouldNotBe(scale.Version);
        server.Replicas.ShouldBe(0);
        (await client.ReadAsync(_limit)).ShouldBe(changed);
        server.Requests.ShouldBe([
            "GET /apis/apps/v1/namespaces/training/statefulsets/linformer-worker/scale",
            "PATCH /apis/apps/v1/namespaces/training/statefulsets/linformer-worker/scale",
            "GET /apis/apps/v1/namespaces/training/statefulsets/linformer-worker/scale",
        ]);
    }

    [Fact]
    public async Task A_change_by_somebody_else_is_a_conflict_and_nothing_is_changed()
    {
        await using var server = await FakeKubernetes.StartAsync(replicas: 2);
        using var client = server.Client();
        var scale = await client.ReadAsync(_limit);
        server.Scale(7);

        (await Should.ThrowAsync<KubernetesException>(() => client.ChangeAsync(3, scale.Version, _limit))).IsConflict.ShouldBeTrue();

        server.Replicas.ShouldBe(7);
    }

    [Fact]
    public async Task A_missing_right_is_told_with_the_rule_that_gives_it()
    {
        await using var server = await FakeKubernetes.StartAsync();
        using var client = server.Client();
        server.Forbids = context => HttpMethods.IsPatch(context.Request.Method);
        var scale = await client.ReadAsync(_limit);

        var refused = await Should.ThrowAsync<KubernetesException>(() => client.ChangeAsync(3, scale.Version, _limit));

        refused.Status.ShouldBe(HttpStatusCode.Forbidden);
        refused.Message.ShouldContain("apiGroups: [apps], resources: [statefulsets/scale], resourceNames: [linformer-worker], verbs: [patch]");
        refused.Message.ShouldContain("namespace training");
        refused.Message.ShouldContain("system:serviceaccount:training:coordinator");
    }

    [Fact]
    public async Task A_renewed_token_is_read_again()
    {
        await using var server = await FakeKubernetes.StartAsync();
        using var client = server.Client();
        await client.ReadAsync(_limit);
        await server.RenewTokenAsync("token-2");

        (await client.ReadAsync(_limit)).Replicas.ShouldBe(2);
    }

    [Fact]
    public async Task A_token_that_is_renewed_while_it_is_on_its_way_is_tried_again_with_the_new_one()
    {
        await using var server = await FakeKubernetes.StartAsync();
        using var client = server.Client();
        // The server refuses the old one, and the new one is in the volume by the time the refusal arrives.
        server.Next.Enqueue(async context =>
        {
            await server.RenewTokenAsync("token-2");
            await FakeKubernetes.Status(401, "Unauthorized", "Unauthorized")(context);
        });

        (await client.ReadAsync(_limit)).Replicas.ShouldBe(2);

        server.Requests.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_token_that_is_refused_is_an_error_and_not_in_it()
    {
        await using var server = await FakeKubernetes.StartAsync();
        using var client = server.Client();
        await server.RenewTokenAsync("another", write: false);

        var refused = await Should.ThrowAsync<KubernetesException>(() => client.ReadAsync(_limit));

        refused.Status.ShouldBe(HttpStatusCode.Unauthorized);
        refused.ToString().ShouldNotContain("token-1");
        server.Requests.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData(429, "TooManyRequests")]
    [InlineData(503, "ServiceUnavailable")]
    public async Task A_busy_server_says_when_it_wants_to_be_asked_again(int code, string reason)
    {
        await using var server = await FakeKubernetes.StartAsync();
        using var client = server.Client();
        server.Next.Enqueue(context =>
        {
            context.Response.Headers.RetryAfter = "7";
            return FakeKubernetes.Status(code, reason, "later, please")(context);
        });

        var busy = await Should.ThrowAsync<KubernetesException>(() => client.ReadAsync(_limit));

        busy.RetryAfter.ShouldBe(TimeSpan.FromSeconds(7));
        busy.Message.ShouldContain("later, please");
    }

    [Theory]
    [InlineData("")]
    [InlineData("<html>proxy</html>")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("{}")]
    [InlineData("""{"metadata":{"resourceVersion":"1"},"spec":{"replicas":"two"}}""")]
    [InlineData("""{"metadata":{"resourceVersion":"1"},"spec":{"replicas":-1}}""")]
    [InlineData("""{"metadata":{"resourceVersion":"1"},"spec":{"replicas":99999999999}}""")]
    [InlineData("""{"metadata":{},"spec":{"replicas":1}}""")]
    [InlineData("""{"metadata":7,"spec":{"replicas":1}}""")]
    [InlineData("""{"metadata":{"resourceVersion":"1"},"spec":null}""")]
    public async Task Garbage_is_an_error_that_names_the_StatefulSet(string garbage)
    {
        await using var server = await FakeKubernetes.StartAsync();
        using var client = server.Client();
        server.Next.Enqueue(FakeKubernetes.Text(garbage));

        (await Should.ThrowAsync<KubernetesException>(() => client.ReadAsync(_limit))).Message.ShouldContain("linformer-worker");
    }

    [Fact]
    public async Task An_answer_without_end_is_not_kept()
    {
        await using var server = await FakeKubernetes.StartAsync();
        using var client = server.Client();
        server.Next.Enqueue(async context =>
        {
            var much = new string('x', 1 << 16);
            while (!context.RequestAborted.IsCancellationRequested)
                await context.Response.WriteAsync(much);
        });

        await Should.ThrowAsync<KubernetesException>(() => client.ReadAsync(_limit));
    }

    [Fact]
    public async Task An_answer_that_does_not_come_is_not_waited_for()
    {
        await using var server = await FakeKubernetes.StartAsync();
        using var client = server.Client(TimeSpan.FromMilliseconds(200));
        server.Next.Enqueue(context => Task.Delay(Limit, context.RequestAborted));

        (await Should.ThrowAsync<KubernetesException>(() => client.ReadAsync(_limit))).Message.ShouldContain("no answer within 0.2 s");
        (await client.ReadAsync(_limit)).Replicas.ShouldBe(2);
    }

    [Fact]
    public async Task A_server_that_the_pods_authority_does_not_know_gets_no_token()
    {
        await using var server = await FakeKubernetes.StartAsync();
        await using var other = await FakeKubernetes.StartAsync();
        File.Copy(Path.Combine(other.AccountFolder, "ca.crt"), Path.Combine(server.AccountFolder, "ca.crt"), overwrite: true);
        using var client = server.Client();

        (await Should.ThrowAsync<KubernetesException>(() => client.ReadAsync(_limit))).Message.ShouldContain("not trusted");

        server.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_watch_tells_how_it_is_and_what_changes()
    {
        await using var server = await FakeKubernetes.StartAsync(replicas: 2);
        using var client = server.Client();
        var seen = new List<int?>();

        await foreach (var one in client.WatchAsync(null, _limit))
        {
            seen.Add(one.Scale?.Replicas);
            if (seen.Count == 1)
                server.Tell(server.Bookmark());
            else if (seen.Count == 2)
                server.Scale(5);
            else
                break;
        }

        seen.ShouldBe([2, null, 5]);
        server.Requests.ShouldHaveSingleItem().ShouldContain("fieldSelector=metadata.name%3Dlinformer-worker");
    }

    [Fact]
    public async Task An_event_may_come_in_pieces_and_half_a_line_at_the_end_is_dropped()
    {
        await using var server = await FakeKubernetes.StartAsync(replicas: 2);
        using var client = server.Client();
        var seen = new List<int?>();
        server.Next.Enqueue(async context =>
        {
            await context.Response.WriteAsync("""{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"},""");
            await context.Response.Body.FlushAsync();
            await context.Response.WriteAsync("""
                "spec":{"replicas":4}}}

                {"type":"MODIFIED","object":{"metadata":{"resourceVersion":"8"},"spec":{"repl
                """.ReplaceLineEndings("\n"));
        });

        await foreach (var one in client.WatchAsync(null, _limit))
            seen.Add(one.Scale?.Replicas);

        seen.ShouldBe([4]);
    }

    [Fact]
    public async Task A_followed_StatefulSet_is_followed_again_after_whatever_happens_to_the_watch()
    {
        await using var server = await FakeKubernetes.StartAsync(replicas: 1);
        using var client = server.Client();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_limit);
        var log = new LogCollector();
        var watch = new ScaleWatch(client, () => { }, log.Logger, new BackOff(TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(20), TimeProvider.System));
        var following = watch.RunAsync(stop.Token);
        await Until(() => watch.Newest?.Replicas == 1);

        await Again(2, () => server.DropWatches());
        await Again(3, () => server.Tell("""{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"}}""" + "\n"));
        await Again(4, () => server.Tell("""{"type":"MODIFIED","obj""" + "\n"));
        await Again(5, () => server.Tell("no JSON at all\n"));
        server.Next.Enqueue(FakeKubernetes.Status(410, "Gone", "too old"));
        server.Next.Enqueue(FakeKubernetes.Status(500, "InternalError", "etcd is away"));
        await Again(6, () => server.DropWatches());

        await stop.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => following);
        log.Lines.ShouldContain(line => line.Contains("etcd is away"));
        log.Lines.ShouldNotContain(line => line.Contains("too old"));

        // Changed while nobody watches, so only a new watch can tell it.
        async Task Again(int replicas, Action breakIt)
        {
            await Until(() => server.Watchers == 1);
            var watches = server.Requests.Count;
            breakIt();
            await Until(() => server.Requests.Count > watches && server.Watchers == 1);
            server.Scale(replicas);
            await Until(() => watch.Newest?.Replicas == replicas);
        }
    }

    [Fact]
    public async Task A_deleted_StatefulSet_is_not_known_any_more()
    {
        await using var server = await FakeKubernetes.StartAsync(replicas: 1);
        using var client = server.Client();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_limit);
        var watch = new ScaleWatch(client, () => { }, Serilog.Core.Logger.None, new BackOff(TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(20), TimeProvider.System));
        var following = watch.RunAsync(stop.Token);
        await Until(() => watch.Newest?.Replicas == 1);

        server.Tell("""{"type":"DELETED","object":{"metadata":{"resourceVersion":"500"},"spec":{"replicas":1}}}""" + "\n");
        await Until(() => watch.Newest is null);

        await stop.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => following);
    }

    [Fact]
    public async Task A_watch_outlives_what_nobody_thought_of()
    {
        await using var server = await FakeKubernetes.StartAsync(replicas: 1);
        using var client = server.Client();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_limit);
        var log = new LogCollector();
        var told = 0;
        void Tell()
        {
            if (Interlocked.Increment(ref told) == 1)
                throw new InvalidOperationException("nobody thought of this");
        }
        var watch = new ScaleWatch(client, Tell, log.Logger, new BackOff(TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(20), TimeProvider.System));
        var following = watch.RunAsync(stop.Token);

        await Until(() => following.IsCompleted || (told >= 2 && server.Watchers == 1));
        following.IsCompleted.ShouldBeFalse();
        server.Scale(2);
        await Until(() => watch.Newest?.Replicas == 2);
        log.Events.ShouldContain(one => one.Exception is InvalidOperationException);

        await stop.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => following);
    }

    private async Task Until(Func<bool> condition)
    {
        while (!condition())
            await Task.Delay(5, _limit);
    }
}
