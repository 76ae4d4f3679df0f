using System.Text;
using Grpc.Core;
using Linformer.Coordinator.Jobs;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;
using Linformer.Coordinator.Tests.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

public sealed class JobsServiceTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private TestCoordinator _coordinator = null!;

    public async Task InitializeAsync() => _coordinator = await TestCoordinator.StartAsync();

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    [Fact]
    public async Task Pages_hold_every_job_once_newest_first()
    {
        var ids = new List<string>();
        for (var i = 0; i < 7; i++)
            ids.Insert(0, (await _coordinator.SubmitAsync(i % 3 == 0 ? "third" : "other")).Id);

        var request = new Proto.ListJobsRequest { PageSize = 3 };
        var seen = new List<string>();
        do
        {
            var page = await _coordinator.Jobs.ListAsync(request);
            page.Jobs.Count.ShouldBeInRange(1, 3);
            seen.AddRange(page.Jobs.Select(job => job.Id));
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
        seen.ShouldBe(ids);
        var filtered = await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { NameContains = "thi", States = { Proto.JobState.Queued } });
        filtered.Jobs.Count.ShouldBe(3);
        (await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { States = { Proto.JobState.Failed } })).Jobs.ShouldBeEmpty();
    }

    [Fact]
    public async Task Page_tokens_sizes_and_states_are_checked()
    {
        await _coordinator.SubmitAsync();
        await _coordinator.SubmitAsync();
        var token = (await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { PageSize = 1 })).NextPageToken;
        foreach (var wrong in (string[])["rubbish", "1", "-1.abc", token + "x", new string('1', 100)])
            await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { PageToken = wrong }));
        await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { PageToken = token, NameContains = "s" }));
        await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { PageSize = 501 }));
        await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { States = { (Proto.JobState)99 } }));
    }

    [Fact]
    public async Task A_job_that_is_not_there_is_named()
    {
        (await Refused.With(StatusCode.NotFound, async () => await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = "nothing" }))).Status.Detail.ShouldContain("'nothing'");
        await Refused.With(StatusCode.InvalidArgument, async () => await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest()));
        await Refused.With(StatusCode.NotFound, async () => await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = new string('x', 100_000) }));
        using var watch = _coordinator.Jobs.Watch(new Proto.WatchRequest { Job = "nothing" });
        await Refused.With(StatusCode.NotFound, () => watch.ResponseStream.MoveNext(CancellationToken.None));
    }

    [Fact]
    public async Task A_job_is_paused_resumed_and_cancelled_and_its_watcher_sees_it_all()
    {
        var job = await _coordinator.SubmitAsync();
        using var watch = _coordinator.Jobs.Watch(new Proto.WatchRequest { Job = job.Id });
        using var patience = new CancellationTokenSource(Patience);
        (await watch.ResponseStream.MoveNext(patience.Token)).ShouldBeTrue();

        (await _coordinator.Jobs.PauseAsync(new Proto.ChangeRequest { Job = job.Id, Who = "ada", Why = "lunch" })).State.ShouldBe(Proto.JobState.Paused);
        // A call whose answer was lost is made again.
        (await _coordinator.Jobs.PauseAsync(new Proto.ChangeRequest { Job = job.Id, Who = "ada", Why = "lunch" })).Unchanged.ShouldBeTrue();
        (await _coordinator.Jobs.ResumeAsync(new Proto.ChangeRequest { Job = job.Id })).Unchanged.ShouldBeFalse();
        var resumed = await _coordinator.Jobs.ResumeAsync(new Proto.ChangeRequest { Job = job.Id });
        (resumed.State, resumed.Unchanged).ShouldBe((Proto.JobState.Queued, true));
        (await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = job.Id, Who = "ada", Why = "done with it" })).State.ShouldBe(Proto.JobState.Cancelled);
        (await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = job.Id })).Unchanged.ShouldBeTrue();
        (await Refused.With(StatusCode.FailedPrecondition, async () => await _coordinator.Jobs.PauseAsync(new Proto.ChangeRequest { Job = job.Id })))
            .Status.Detail.ShouldContain(job.Id);

        var history = new List<Proto.HistoryEntry>(watch.ResponseStream.Current.History);
        Proto.WatchEvent last = watch.ResponseStream.Current;
        while (await watch.ResponseStream.MoveNext(patience.Token))
        {
            last = watch.ResponseStream.Current;
            history.AddRange(last.History);
        }
        last.Job.State.ShouldBe(Proto.JobState.Cancelled);
        history.Select(entry => entry.Sequence).ShouldBe(Enumerable.Range(1, history.Count).Select(number => (long)number));
        history.Count(entry => entry.Who == "person:ada" && entry.Why == "lunch").ShouldBe(1);
        history.Count(entry => entry.What == "resumed").ShouldBe(1);
        history[^1].Why.ShouldBe("done with it");
        // Those who come after its end get the end.
        using var late = _coordinator.Jobs.Watch(new Proto.WatchRequest { Job = job.Id, AfterHistory = 1 });
        var events = await late.ResponseStream.ReadAllAsync(patience.Token).ToListAsync(patience.Token);
        events.SelectMany(one => one.History).Select(entry => entry.Sequence).ShouldBe(history.Skip(1).Select(entry => entry.Sequence));
    }

    [Fact]
    public async Task A_thousand_watchers_cost_little_and_all_see_the_end()
    {
        const int Watchers = 1000;
        var job = await _coordinator.SubmitAsync();
        var channels = Enumerable.Range(0, 4).Select(_ => _coordinator.Connect()).ToList();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var calls = Enumerable.Range(0, Watchers)
            .Select(i => new Proto.Jobs.JobsClient(channels[i % channels.Count]).Watch(new Proto.WatchRequest { Job = job.Id })).ToList();
        await Task.WhenAll(calls.Select(call => call.ResponseStream.MoveNext(patience.Token)));
        // Client and server are in this process, so the bound is on both.
        var before = GC.GetTotalMemory(forceFullCollection: true);

        // Nobody reads meanwhile: what is kept for the slow must not grow.
        for (var i = 0; i < 20; i++)
        {
            await _coordinator.Jobs.PauseAsync(new Proto.ChangeRequest { Job = job.Id, Why = new string('x', 1000) });
            await _coordinator.Jobs.ResumeAsync(new Proto.ChangeRequest { Job = job.Id, Why = new string('x', 1000) });
        }
        var grown = GC.GetTotalMemory(forceFullCollection: true) - before;
        grown.ShouldBeLessThan(300L << 20);

        await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = job.Id });
        var counts = await Task.WhenAll(calls.Select(call => CountHistoryAsync(call, patience.Token)));
        counts.Distinct().ShouldHaveSingleItem();
        calls.ForEach(call => call.Dispose());
        channels.ForEach(channel => channel.Dispose());
    }

    [Fact]
    public async Task Watchers_that_vanish_leave_nothing_behind()
    {
        var job = await _coordinator.SubmitAsync();
        for (var i = 0; i < 20; i++)
        {
            using var watch = _coordinator.Jobs.Watch(new Proto.WatchRequest { Job = job.Id });
            using var logs = _coordinator.Jobs.Logs(new Proto.LogsRequest { Job = job.Id, Follow = true });
            (await watch.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
        }
        // The coordinator is as it was.
        (await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = job.Id })).State.ShouldBe(Proto.JobState.Cancelled);
    }

    [Fact]
    public async Task A_watcher_is_told_when_the_coordinator_stops()
    {
        await using var other = await TestCoordinator.StartAsync();
        var job = await other.SubmitAsync();
        using var watch = other.Jobs.Watch(new Proto.WatchRequest { Job = job.Id });
        (await watch.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
        var end = Refused.With(StatusCode.Unavailable, async () =>
        {
            while (await watch.ResponseStream.MoveNext(CancellationToken.None))
            {
                // To the end.
            }
        });
        await other.Host.DisposeAsync();
        (await end.WaitAsync(Patience)).Status.Detail.ShouldContain("stopping");
    }

    [Fact]
    public async Task Only_a_job_that_has_succeeded_is_exported_and_nothing_beside_its_folder()
    {
        // A finished job as an earlier coordinator left it.
        using var folder = new TemporaryFolder();
        await using (var database = SqliteDatabase.Open(new SqliteDatabaseOptions(folder.File("coordinator"))))
        {
            await new DatabaseJobStore(database).SaveAsync(Finished("done-aaaaa", JobPhase.Succeeded), CancellationToken.None);
            await new DatabaseJobStore(database).SaveAsync(Finished("gone-aaaaa", JobPhase.Succeeded), CancellationToken.None);
            await new DatabaseJobStore(database).SaveAsync(Finished("bad-aaaaa", JobPhase.Failed), CancellationToken.None);
        }
        var weights = new byte[700_000];
        new Random(1).NextBytes(weights);
        var model = folder.File("models/done-aaaaa");
        Directory.CreateDirectory(Path.Combine(model, "sub"));
        File.WriteAllBytes(Path.Combine(model, "model.safetensors"), weights);
        File.WriteAllText(Path.Combine(model, "sub", "config.json"), "{}");
        File.WriteAllText(Path.Combine(model, "empty"), "");
        File.WriteAllText(folder.File("secret"), "secret");
        File.CreateSymbolicLink(Path.Combine(model, "link"), folder.File("secret"));
        await using var coordinator = await TestCoordinator.StartAsync(folder);

        var files = await ExportAsync(coordinator, "done-aaaaa");
        files.Keys.Order(StringComparer.Ordinal).ShouldBe(["empty", "model.safetensors", "sub/config.json"]);
        files["model.safetensors"].ShouldBe(weights);
        files["empty"].ShouldBeEmpty();
        Encoding.UTF8.GetString(files["sub/config.json"]).ShouldBe("{}");
        await Refused.With(StatusCode.NotFound, () => ExportAsync(coordinator, "gone-aaaaa"));
        (await Refused.With(StatusCode.FailedPrecondition, () => ExportAsync(coordinator, "bad-aaaaa"))).Status.Detail.ShouldContain("failed");

        using (var mkfifo = System.Diagnostics.Process.Start("mkfifo", Path.Combine(model, "pipe")))
            await mkfifo.WaitForExitAsync();
        (await Refused.With(StatusCode.DataLoss, () => ExportAsync(coordinator, "done-aaaaa").WaitAsync(TimeSpan.FromSeconds(20)))).Status.Detail.ShouldContain("pipe is a named pipe");
        File.Delete(Path.Combine(model, "pipe"));

        // Nothing is sent from behind a link on the way, either.
        using var outside = new TemporaryFolder();
        Directory.Move(folder.File("models"), outside.File("models"));
        Directory.CreateSymbolicLink(folder.File("models"), outside.File("models"));
        var refusal = (await Refused.With(StatusCode.FailedPrecondition, () => ExportAsync(coordinator, "done-aaaaa"))).Status.Detail;
        refusal.ShouldContain("symbolic link that leads out of the storage root");
        refusal.ShouldNotContain(outside.Path);
    }

    private static async Task<Dictionary<string, byte[]>> ExportAsync(TestCoordinator coordinator, string job)
    {
        using var call = coordinator.Jobs.Export(new Proto.ExportRequest { Job = job });
        var files = new Dictionary<string, MemoryStream>(StringComparer.Ordinal);
        MemoryStream current = null!;
        await foreach (var chunk in call.ResponseStream.ReadAllAsync())
        {
            if (chunk.Path.Length > 0)
                files.Add(chunk.Path, current = new MemoryStream());
            chunk.Content.Length.ShouldBeLessThanOrEqualTo(1 << 20);
            current.Write(chunk.Content.Span);
        }
        return files.ToDictionary(file => file.Key, file => file.Value.ToArray(), StringComparer.Ordinal);
    }

    private static async Task<long> CountHistoryAsync(AsyncServerStreamingCall<Proto.WatchEvent> call, CancellationToken cancellationToken)
    {
        var last = call.ResponseStream.Current.History.LastOrDefault()?.Sequence ?? 0;
        while (await call.ResponseStream.MoveNext(cancellationToken))
        {
            foreach (var entry in call.ResponseStream.Current.History)
            {
                entry.Sequence.ShouldBe(last + 1);
                last = entry.Sequence;
            }
        }
        return last;
    }

    private static JobView Finished(string id, JobPhase phase) => new()
    {
        JobId = id,
        Name = id,
        Phase = phase,
        JobJson = "{}",
        Submitter = "person:ada",
        SubmittedAt = DateTimeOffset.UnixEpoch,
        Revision = 1,
    };
}
