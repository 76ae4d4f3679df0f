using Google.Protobuf;
using Linformer.Protocol.V1;

namespace Linformer.Cli.Tests.Cluster;

public sealed class GoBackAndDeleteTests : ClusterTest
{
    private const string Checkpoint = "l0000-g0001-s00000100";

    [Fact]
    public async Task Going_back_says_what_is_asked_and_what_came_of_it()
    {
        var job = TinyJob(JobState.Queued);
        job.Lineage = 1;
        Coordinator.Jobs.OnGoBack = _ => job;

        (await Run("go-back", "tiny", Checkpoint, "--skip-steps", "20", "--why", "the loss rose")).ShouldBe(0);

        Output.ToString().ShouldBe($"tiny-abcde goes back to {Checkpoint}, in lineage 1; it is queued.\n");
        var request = Coordinator.Jobs.Requests.ShouldHaveSingleItem().ShouldBeOfType<GoBackRequest>();
        (request.Job, request.Checkpoint, request.SkipSteps, request.Why, request.Who).ShouldBe(("tiny", Checkpoint, 20, "the loss rose", Environment.UserName));
        job.Unchanged = true;
        Output.Clear();
        (await Run("go-back", "tiny", Checkpoint)).ShouldBe(0);
        Output.ToString().ShouldBe($"tiny-abcde had gone back to {Checkpoint} already; it is queued.\n");
    }

    [Fact]
    public async Task Steps_to_leave_out_are_bounded()
    {
        (await Run("go-back", "tiny", Checkpoint, "--skip-steps", "1001")).ShouldBe(1);

        Error.ToString().ShouldContain("--skip-steps is 1001; allowed are 0 to 1000.");
        Coordinator.Jobs.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task Nothing_is_deleted_unless_somebody_says_yes()
    {
        (await Run("delete", "tiny-abcde")).ShouldBe(1);

        Error.ToString().ShouldContain("--yes");
        Coordinator.Jobs.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_job_is_deleted_with_or_without_its_model()
    {
        Coordinator.Jobs.OnDelete = request => new DeleteJobResponse { JobId = request.Job, Bytes = 3 << 20 };

        (await Run("delete", "tiny-abcde", "--keep-model", "--yes", "--why", "no room")).ShouldBe(0);
        (await Run("delete", "tiny-abcde", "--yes", "--output", "json")).ShouldBe(0);

        Lines()[0].ShouldStartWith("tiny-abcde is deleted; 3");
        Lines()[1].ShouldContain("\"bytes\":3145728");
        var requests = Coordinator.Jobs.Requests.Cast<DeleteJobRequest>().ToList();
        requests.Select(request => (request.Job, request.KeepModel, request.Why)).ShouldBe([("tiny-abcde", true, "no room"), ("tiny-abcde", false, "")]);
    }

    [Fact]
    public async Task A_checkpoint_is_exported_as_a_model_is()
    {
        Coordinator.Jobs.Files = [new FileChunk { Path = "manifest.json", Size = 2, Content = ByteString.CopyFromUtf8("{}") }];
        var target = Path.Combine(Folder, "checkpoint");

        (await Run("export", "tiny", "--checkpoint", Checkpoint, "--to", target, "--output", "json")).ShouldBe(0);

        (await File.ReadAllTextAsync(Path.Combine(target, "manifest.json"))).ShouldBe("{}");
        Json().GetProperty("checkpoint").GetString().ShouldBe(Checkpoint);
        Coordinator.Jobs.Requests.ShouldHaveSingleItem().ShouldBeOfType<ExportCheckpointRequest>().Checkpoint.ShouldBe(Checkpoint);
    }

    [Fact]
    public async Task Jobs_are_asked_for_in_an_order()
    {
        Coordinator.Jobs.OnList = _ => new ListJobsResponse();

        (await Run("jobs", "--order", "priority", "--reverse", "--submitter", "ada")).ShouldBe(0);
        (await Run("jobs", "--order", "submitted")).ShouldBe(0);
        (await Run("jobs", "--order", "age")).ShouldBe(1);

        var requests = Coordinator.Jobs.Requests.Cast<ListJobsRequest>().ToList();
        requests.Select(request => (request.Order, request.Reverse, request.Submitter)).ShouldBe([(JobOrder.Priority, true, "ada"), (JobOrder.Unspecified, false, "")]);
        Error.ToString().ShouldContain("--order is 'age'; allowed are submitted, name, submitter, state, priority.");
    }
}
