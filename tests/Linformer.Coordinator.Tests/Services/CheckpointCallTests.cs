using System.Text;
using Grpc.Core;
using Linformer.Coordinator.Storage;
using Linformer.Coordinator.Storage.Sqlite;
using Linformer.Coordinator.Tests.Storage;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Tests.Services;

/// <summary>Going back to checkpoints and exporting them, as callers meet it.</summary>
public sealed class CheckpointCallTests : IAsyncLifetime, IDisposable
{
    private const string Kept = "l0000-g0001-s00000100";
    private const string Gone = "l0000-g0001-s00000050";
    private const string Vanished = "l0000-g0001-s00000150";
    private const string Odd = "l0000-g0001-s00000175";

    private readonly TemporaryFolder _folder = new();
    private TestCoordinator _coordinator = null!;
    private string _job = "";

    public async Task InitializeAsync()
    {
        await using (var coordinator = await TestCoordinator.StartAsync(_folder))
            _job = (await coordinator.SubmitAsync()).Id;
        // As its ranks left it.
        await using (var database = SqliteDatabase.Open(new SqliteDatabaseOptions(_folder.File("coordinator"))))
        {
            var telemetry = new DatabaseTelemetryStore(database);
            await telemetry.BeginGenerationAsync(_job, 0, 1, 2, CancellationToken.None);
            CheckpointRow Row(string name, long step, bool kept = true) => new(name, 0, 1, step, DateTimeOffset.UnixEpoch, 10, kept);
            await telemetry.RecordAsync(
                [new TelemetryBatch(_job, "w1", [], [], [Row(Gone, 50), Row(Kept, 100), Row(Vanished, 150), Row(Odd, 99)], [Gone])], CancellationToken.None);
        }
        Directory.CreateDirectory(Folder(Kept));
        await File.WriteAllTextAsync(Path.Combine(Folder(Kept), "manifest.json"), "{}");
        Directory.CreateDirectory(Folder(Odd));
        _coordinator = await TestCoordinator.StartAsync(_folder);
    }

    public async Task DisposeAsync() => await _coordinator.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_job_goes_back_once_however_often_it_is_asked()
    {
        var request = new Proto.GoBackRequest { Job = _job, Checkpoint = Kept, SkipSteps = 2, Who = "ada", Why = "the loss rose" };
        var back = await _coordinator.Jobs.GoBackAsync(request);
        (back.State, back.Lineage, back.CommittedStep, back.AppliedStep, back.Unchanged).ShouldBe((Proto.JobState.Queued, 1, 100L, 100L, false));

        var again = await _coordinator.Jobs.GoBackAsync(request);

        (again.Lineage, again.Unchanged).ShouldBe((1, true));
        var entry = (await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = _job })).History[^1];
        (entry.Who, entry.Why, entry.Lineage).ShouldBe(("person:ada", "the loss rose", 1));
        entry.What.ShouldBe($"lineage 1 started: back to checkpoint {Kept}, steps 101 to 102 are left out");
        // Also when the coordinator was killed in between.
        await _coordinator.DisposeAsync();
        _coordinator = await TestCoordinator.StartAsync(_folder);
        (await _coordinator.Jobs.GoBackAsync(request)).Unchanged.ShouldBeTrue();
    }

    [Fact]
    public async Task A_job_that_was_cancelled_is_queued_again()
    {
        await _coordinator.Jobs.CancelAsync(new Proto.ChangeRequest { Job = _job });

        (await _coordinator.Jobs.GoBackAsync(new Proto.GoBackRequest { Job = _job, Checkpoint = Kept })).State.ShouldBe(Proto.JobState.Queued);

        var listed = await _coordinator.Jobs.ListAsync(new Proto.ListJobsRequest { States = { Proto.JobState.Queued } });
        listed.Jobs.ShouldHaveSingleItem().EndedAt.ShouldBeNull();
    }

    [Fact]
    public async Task Checkpoints_that_cannot_be_gone_back_to_are_refused_with_those_that_can()
    {
        async Task<string> With(StatusCode code, string checkpoint, int skip = 0) =>
            (await Refused.With(code, async () => await _coordinator.Jobs.GoBackAsync(new Proto.GoBackRequest { Job = _job, Checkpoint = checkpoint, SkipSteps = skip }))).Status.Detail;

        (await With(StatusCode.NotFound, "l0000-g0001-s00000777")).ShouldContain(Kept);
        (await With(StatusCode.FailedPrecondition, Gone)).ShouldContain($"not on the storage any more; it has {Vanished}, {Kept}, {Odd}");
        (await With(StatusCode.FailedPrecondition, Vanished)).ShouldContain("not on the storage any more");
        (await With(StatusCode.FailedPrecondition, Odd)).ShouldContain("was recorded as one of");
        foreach (var wrong in (string[])["", "../../secret", "l0000-g0001-s00000100/..", Kept + "\n", "newest"])
            (await With(StatusCode.InvalidArgument, wrong)).ShouldContain("not a checkpoint's name");
        (await With(StatusCode.InvalidArgument, Kept, skip: 1001)).ShouldContain("0 to 1,000");
        (await With(StatusCode.InvalidArgument, Kept, skip: -1)).ShouldContain("-1");
        (await With(StatusCode.FailedPrecondition, Kept, skip: 900)).ShouldContain("has 900 steps after");
        (await _coordinator.Jobs.ShowAsync(new Proto.ShowJobRequest { Job = _job })).Job.Lineage.ShouldBe(0);
    }

    [Fact]
    public async Task A_checkpoint_is_exported_by_its_exact_name_alone()
    {
        using var call = _coordinator.Jobs.ExportCheckpoint(new Proto.ExportCheckpointRequest { Job = _job, Checkpoint = Kept });
        var chunks = await call.ResponseStream.ReadAllAsync().ToListAsync();
        chunks.ShouldHaveSingleItem().Path.ShouldBe("manifest.json");
        Encoding.UTF8.GetString(chunks[0].Content.Span).ShouldBe("{}");

        async Task<string> With(StatusCode code, string checkpoint) => (await Refused.With(code, async () =>
        {
            using var refused = _coordinator.Jobs.ExportCheckpoint(new Proto.ExportCheckpointRequest { Job = _job, Checkpoint = checkpoint });
            await refused.ResponseStream.MoveNext(CancellationToken.None);
        })).Status.Detail;
        await With(StatusCode.FailedPrecondition, Gone);
        await With(StatusCode.FailedPrecondition, Vanished);
        await With(StatusCode.NotFound, "l0000-g0009-s00000100");
        await With(StatusCode.InvalidArgument, "../checkpoints/" + Kept);
        using var outside = new TemporaryFolder();
        Directory.Delete(Folder(Kept), recursive: true);
        Directory.CreateSymbolicLink(Folder(Kept), outside.Path);
        (await With(StatusCode.FailedPrecondition, Kept)).ShouldContain("symbolic link");
    }

    private string Folder(string checkpoint) => _folder.File($"jobs/{_job}/checkpoints/{checkpoint}");
}
